"""The emulated chip's buffers for sending: each packet takes one, whatever its length."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from tessel.cc3000.hci.events import FreeBuffers

TICK_S = 0.1
"""Seconds until a chip that gets no command reports free buffers. A real one took over 100 ms."""


class PacketBuffers:
    """Counts the emulated chip's send buffers. Each is in use, then done, then free.

    A buffer is done when its packet was sent, and free when the host has been notified of that.
    """

    def __init__(
        self,
        count: int,
        clock: IReactorTime,
        send_report: Callable[[FreeBuffers], None],
        *,
        late: bool,
    ) -> None:
        """`send_report` sends the report. `late` delays it, as the chip does."""
        self.count = count
        self.free = count
        self._clock = clock
        self._send_report = send_report
        self._late = late
        self._done: Counter[int] = Counter()
        self._timer: IDelayedCall | None = None

    def take(self) -> bool:
        """Take a buffer and return True, or return False if none is free."""
        if not self.free:
            return False
        self.free -= 1
        return True

    def done(self, sd: int, count: int, *, awaited: bool) -> None:
        """Mark `count` buffers of the socket `sd` as done, and report them to the host.

        They are reported at once if the host waits (`awaited`) or reports are not late; otherwise
        within TICK_S.
        """
        if not count:
            return
        self._done[sd] += count
        if awaited or not self._late:
            self.report()
        elif self._timer is None:
            self._timer = self._clock.callLater(TICK_S, self._tick)

    def report(self) -> None:
        """Report all done buffers to the host now; they are free from then on."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._done:
            freed, self._done = tuple(sorted(self._done.items())), Counter()
            self.free += sum(count for _, count in freed)
            self._send_report(FreeBuffers(freed))

    def stop(self) -> None:
        """Drop all reports not yet sent. Called when the power is switched off."""
        self._done.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        self._timer = None
        self.report()
