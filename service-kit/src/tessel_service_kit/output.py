"""Write lines to a descriptor in a thread, so that a stalled reader never blocks the service.

Standard error may be a pipe that nobody reads, a file on a full disk, a terminal that hangs, or
closed. Non-blocking mode does not help: it would apply to all processes that share the descriptor,
and a disk ignores it. Lines therefore wait in a bounded queue. Lines that do not fit are dropped
and counted; one line reports their number as soon as lines can be written again.
"""

from __future__ import annotations

import os
import select
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import accumulate, islice
from threading import Condition, Thread
from typing import Final, Protocol, TextIO, cast

MAX_WAITING_BYTES: Final = 1024 * 1024
"""Limit of the queue: about 4,000 lines, which a busy proxy logs within seconds."""

PIECE_BYTES: Final = 64 * 1024
"""Bytes per write: the capacity of a pipe."""

GATHER_S: Final = 0.05
"""Seconds the thread waits for more lines before it writes. In a busy proxy, waking the thread for
each line would cost more than the line. Lines of a worker wake its supervisor, too, which takes the
processor from the workers: with 0.01 s, a busy proxy of two workers changed threads 2.5 times as
often."""

FLUSH_S: Final = 2.0
"""Seconds the end of a process waits until all lines are written. A working reader needs less."""


class Writable(Protocol):
    """An object with a method `write` for text, such as a text stream or a LineOutput."""

    def write(self, text: str, /) -> object: ...


@dataclass(frozen=True, slots=True)
class _Line:
    data: bytes
    lost: int = 0  # in a report: the number of dropped lines; 0: an ordinary line
    count: int = 1  # of the lines in `data`


class LineOutput:
    """Queues lines without blocking, and writes them to a descriptor in a thread of its own.

    The thread starts with the first line. It is a daemon thread: a stalled reader does not keep the
    process from ending.
    """

    def __init__(
        self,
        descriptor: int | None,
        report: Callable[[int], str],
        encoding: str = "utf-8",
        *,
        lost: Callable[[str], object] = lambda _line: None,
    ) -> None:
        """Use a descriptor; None: drop all lines, because the stream was closed at the start.

        `report` returns the log line about a number of dropped lines; `lost` is called with each
        dropped line. The thread calls both, too, and holds the lock of this output.
        """
        self.dropped = 0  # lines since the start
        self._descriptor = descriptor
        self._report = report
        self._lost_line = lost
        self._encoding = encoding
        self._lines: deque[_Line] = deque()
        self._held = 0  # bytes of lines that wait or are being written
        self._lost = 0  # lines that were dropped and are not reported yet
        self._flows = True  # the last write succeeded
        self._ends_in_line = False  # the last write ended within a line
        self._idle = False  # the thread waits for lines
        self._hurried = 0  # callers of flush that wait
        self._changed = Condition()  # its lock is reentrant: a signal handler may flush
        self._thread: Thread | None = None

    def write(self, text: str, count: int = 1) -> None:
        """Queue a line, or drop it if the queue is full or there is no descriptor. Never blocks.

        `count`: lines in the text, which are queued or dropped together.
        """
        line = _Line(text.encode(self._encoding, "backslashreplace"), count=count)
        with self._changed:
            if self._descriptor is None or self._held + len(line.data) > MAX_WAITING_BYTES:
                self._drop([line])
                return
            self._take_report()
            self._take(line)
            self._wake()

    def flush(self, within_s: float = FLUSH_S) -> None:
        """Block until all lines are written or dropped, but at most for `within_s` seconds."""
        with self._changed:
            self._hurried += 1
            self._changed.notify_all()
            try:
                self._changed.wait_for(lambda: not self._held, within_s)
            finally:
                self._hurried -= 1

    def _take(self, line: _Line) -> None:
        self._lines.append(line)
        self._held += len(line.data)

    def _take_report(self) -> None:
        if self._lost:
            text = self._report(self._lost)
            self._take(_Line(text.encode(self._encoding, "backslashreplace"), self._lost))
            self._lost = 0

    def _drop(self, lines: Sequence[_Line]) -> None:
        self._lost += sum(each.lost or each.count for each in lines)
        self.dropped += sum(each.count for each in lines if not each.lost)
        for each in lines:
            if not each.lost:
                self._lost_line(each.data.decode(self._encoding, "replace"))

    def _wake(self) -> None:
        if self._thread is None:
            self._thread = Thread(target=self._run, name="standard error", daemon=True)
            self._thread.start()
        elif self._idle or self._may_not_wait():
            self._changed.notify_all()

    def _may_not_wait(self) -> bool:
        """Return whether lines must be written now, without waiting for more of them."""
        return bool(self._hurried) or self._held >= PIECE_BYTES

    def _run(self) -> None:
        while True:
            lines = self._next()
            left = self._write(lines)
            with self._changed:
                self._held -= sum(len(each.data) for each in lines)
                self._flows = not left
                self._drop(left)
                self._changed.notify_all()

    def _next(self) -> list[_Line]:
        """Wait for lines, and take up to PIECE_BYTES of them out of the queue."""
        with self._changed:
            if self._flows and not self._lines:
                self._take_report()
            self._idle = True
            self._changed.wait_for(lambda: self._lines)
            self._idle = False
            self._changed.wait_for(self._may_not_wait, GATHER_S)
            lines = [self._lines.popleft()]
            nbytes = len(lines[0].data)
            while self._lines and nbytes + len(self._lines[0].data) <= PIECE_BYTES:
                lines.append(self._lines.popleft())
                nbytes += len(lines[-1].data)
            return lines

    def _write(self, lines: Sequence[_Line]) -> Sequence[_Line]:
        """Write the lines; return those that could not be written completely."""
        before = b"\n" if self._ends_in_line else b""
        text = before + b"".join(each.data for each in lines)
        written = self._written_of(memoryview(text))
        if written:
            self._ends_in_line = not text.endswith(b"\n", 0, written)
        ends = accumulate((len(each.data) for each in lines), initial=len(before))
        return [
            each for each, end in zip(lines, islice(ends, 1, None), strict=True) if end > written
        ]

    def _written_of(self, text: memoryview) -> int:
        """Write the text; return the number of bytes that were written before an error."""
        written = 0
        with suppress(OSError, ValueError):  # the disk is full, or the pipe is closed
            while written < len(text):
                written += self._write_some(text[written:])
        return written

    def _write_some(self, data: memoryview) -> int:
        descriptor = cast("int", self._descriptor)  # without one, nothing was queued
        try:
            return os.write(descriptor, data)
        except BlockingIOError:  # another process that shares it made it non-blocking
            select.select([], [descriptor], [])
            return 0


def descriptor_of(stream: TextIO | None) -> int | None:
    """Return the stream's file descriptor; None if it has none or was closed at the start."""
    try:
        return None if stream is None else stream.fileno()
    except (OSError, ValueError):
        return None
