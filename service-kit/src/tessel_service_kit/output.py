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
from itertools import accumulate, islice
from threading import Condition, RLock, Thread
from typing import Final, Protocol, TextIO, TypeAlias, cast

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


_Line: TypeAlias = tuple[bytes, int, int]
"""A text, the number of dropped lines if it reports such lines, else 0, and the lines in it."""

_AT_ONCE: Final = 0
_NEVER: Final = 1 << 62


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
        self._wakes_at = _AT_ONCE  # held bytes at which `write` must wake the thread
        self._hurried = 0  # callers of flush that wait
        self._lock = RLock()  # reentrant: a signal handler may flush
        self._changed = Condition(self._lock)
        self._thread: Thread | None = None

    def write(self, text: str, count: int = 1) -> None:
        """Queue a line, or drop it if the queue is full or there is no descriptor. Never blocks.

        `count`: lines in the text, which are queued or dropped together.
        """
        data = text.encode(self._encoding, "backslashreplace")
        nbytes = len(data)
        with self._lock:
            if self._descriptor is None or self._held + nbytes > MAX_WAITING_BYTES:
                self._drop([(data, 0, count)])
                return
            if self._lost:
                self._take_report()
            self._lines.append((data, 0, count))
            self._held += nbytes
            if self._held >= self._wakes_at:
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

    def _take_report(self) -> None:
        data = self._report(self._lost).encode(self._encoding, "backslashreplace")
        self._lines.append((data, self._lost, 1))
        self._held += len(data)
        self._lost = 0

    def _drop(self, lines: Sequence[_Line]) -> None:
        for data, lost, count in lines:
            self._lost += lost or count
            if not lost:
                self.dropped += count
                self._lost_line(data.decode(self._encoding, "replace"))

    def _wake(self) -> None:
        self._wakes_at = _NEVER  # until the thread waits again
        if self._thread is None:
            self._thread = Thread(target=self._run, name="standard error", daemon=True)
            self._thread.start()
        else:
            self._changed.notify_all()

    def _run(self) -> None:
        while True:
            lines = self._next()
            text = b"".join([data for data, _, _ in lines])
            left = self._write(lines, text)
            with self._lock:
                self._held -= len(text)
                self._flows = not left
                self._drop(left)
                self._changed.notify_all()

    def _next(self) -> list[_Line]:
        """Wait for lines, and take up to PIECE_BYTES of them out of the queue."""
        with self._lock:
            if self._flows and not self._lines and self._lost:
                self._take_report()
            self._wakes_at = _AT_ONCE
            self._changed.wait_for(lambda: self._lines)
            self._wakes_at = PIECE_BYTES
            self._changed.wait_for(self._may_not_wait, GATHER_S)
            self._wakes_at = _NEVER
            return self._taken()

    def _may_not_wait(self) -> bool:
        """Return whether lines must be written now, without waiting for more of them."""
        return bool(self._hurried) or self._held >= PIECE_BYTES

    def _taken(self) -> list[_Line]:
        lines = self._lines
        if self._held <= PIECE_BYTES:
            self._lines = deque()
            return list(lines)
        taken = [lines.popleft()]
        room = PIECE_BYTES - len(taken[0][0])
        while lines and (room := room - len(lines[0][0])) >= 0:
            taken.append(lines.popleft())
        return taken

    def _write(self, lines: Sequence[_Line], text: bytes) -> Sequence[_Line]:
        """Write the text of the lines; return those that could not be written completely."""
        before = b"\n" if self._ends_in_line else b""
        text = before + text
        written = self._written_of(memoryview(text))
        if written:
            self._ends_in_line = not text.endswith(b"\n", 0, written)
        if written == len(text):
            return ()
        ends = accumulate((len(data) for data, _, _ in lines), initial=len(before))
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
