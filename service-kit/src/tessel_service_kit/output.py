"""Lines for a descriptor whose reader may stall: written in a thread, so that nobody waits.

Standard error may be a pipe that nobody reads, a file on a full disk, a terminal that hangs, or
closed. A descriptor cannot be made non-blocking for one process alone, and a disk never is. Lines
therefore wait in a bounded queue. What does not fit is dropped and counted, and one line reports
it as soon as lines are taken again.
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
"""Some 4,000 lines: seconds of a busy proxy, and little beside the memory of its tunnels."""

PIECE_BYTES: Final = 64 * 1024
"""Written at once: what a pipe holds."""

GATHER_S: Final = 0.01
"""How long the thread waits for more lines before it writes: waking it for each line costs a busy
proxy more than the line itself."""

FLUSH_S: Final = 2.0
"""How long the end of a process waits for lines to be taken: a reader that works needs no more."""


class Writable(Protocol):
    """What lines are written to."""

    def write(self, text: str, /) -> object: ...


@dataclass(frozen=True, slots=True)
class _Line:
    data: bytes
    lost: int = 0  # a report's count of lines; 0: a line like any other


class LineOutput:
    """Takes lines at once, and writes them when the descriptor takes them.

    The thread starts with the first line. It is a daemon: a stalled reader does not keep the
    process from ending.
    """

    def __init__(
        self, descriptor: int | None, report: Callable[[int], str], encoding: str = "utf-8"
    ) -> None:
        """`report` makes the line that tells how many were dropped; it is called in the thread."""
        self.dropped = 0  # since the start
        self._descriptor = descriptor
        self._report = report
        self._encoding = encoding
        self._lines: deque[_Line] = deque()
        self._held = 0  # bytes of lines that wait or are being written
        self._lost = 0  # lines that were dropped and not reported
        self._flows = True  # the last write succeeded
        self._ends_in_line = False  # what was written last is part of a line
        self._idle = False  # the thread waits for lines
        self._hurried = 0  # callers that wait until all lines are written
        self._changed = Condition()  # its lock is reentrant: a signal's handler may flush
        self._thread: Thread | None = None

    def write(self, text: str) -> None:
        """Take a line, or drop it. Never waits for the descriptor."""
        line = _Line(text.encode(self._encoding, "backslashreplace"))
        with self._changed:
            if self._descriptor is None or self._held + len(line.data) > MAX_WAITING_BYTES:
                self._drop([line])
                return
            self._take_report()
            self._take(line)
            self._wake()

    def flush(self, within_s: float = FLUSH_S) -> None:
        """Wait until all lines are written or dropped, for so many seconds at most."""
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
        self._lost += sum(each.lost or 1 for each in lines)
        self.dropped += sum(not each.lost for each in lines)

    def _wake(self) -> None:
        if self._thread is None:
            self._thread = Thread(target=self._run, name="standard error", daemon=True)
            self._thread.start()
        elif self._idle or self._may_not_wait():
            self._changed.notify_all()

    def _may_not_wait(self) -> bool:
        """Whether lines are to be written now, not gathered for a moment."""
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
        """A piece of what waits; waits until there is something."""
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
        """Those of them that could not be written, or not whole."""
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
        """Write it; how many bytes could be written."""
        written = 0
        with suppress(OSError, ValueError):  # full, closed, or its reader is gone
            while written < len(text):
                written += self._write_some(text[written:])
        return written

    def _write_some(self, data: memoryview) -> int:
        descriptor = cast("int", self._descriptor)  # without one nothing is taken
        try:
            return os.write(descriptor, data)
        except BlockingIOError:  # another process that has it, too, has made it so
            select.select([], [descriptor], [])
            return 0


def descriptor_of(stream: TextIO | None) -> int | None:
    """The stream's descriptor; None if there is none, as with one that was closed at the start."""
    try:
        return None if stream is None else stream.fileno()
    except (OSError, ValueError):
        return None
