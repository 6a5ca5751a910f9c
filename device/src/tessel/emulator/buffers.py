"""The chip's buffers for sending: one for each packet, whatever its length."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from tessel.cc3000.hci.events import FreeBuffers

TICK_S = 0.1  # how late a chip left alone tells of free buffers; seen: over 100 ms


class PacketBuffers:
    """In use, then done with but not told, then free: the host counts only what it was told."""

    def __init__(
        self, count: int, clock: IReactorTime, tell: Callable[[FreeBuffers], None], *, late: bool
    ) -> None:
        self.count = count
        self.free = count
        self._clock = clock
        self._tell = tell
        self._late = late
        self._done: Counter[int] = Counter()
        self._timer: IDelayedCall | None = None

    def take(self) -> bool:
        """One of them, if there is one."""
        if not self.free:
            return False
        self.free -= 1
        return True

    def done(self, sd: int, count: int, *, awaited: bool) -> None:
        """Of this socket's. It is told now if the host waits for something to happen."""
        if not count:
            return
        self._done[sd] += count
        if awaited or not self._late:
            self.tell()
        elif self._timer is None:
            self._timer = self._clock.callLater(TICK_S, self._tick)

    def tell(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._done:
            freed, self._done = tuple(sorted(self._done.items())), Counter()
            self.free += sum(count for _, count in freed)
            self._tell(FreeBuffers(freed))

    def stop(self) -> None:
        self._done.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        self._timer = None
        self.tell()
