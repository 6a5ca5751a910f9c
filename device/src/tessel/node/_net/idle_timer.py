"""The idle timer of a socket.

Restarting a timer for each chunk would cost more than the chunk. So activity only notes the time,
and the timer computes the remaining time when it fires.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime


class IdleTimer:
    """Calls `expired` when `touch` was not called for the timeout; again after the next `touch`."""

    def __init__(self, clock: IReactorTime, expired: Callable[[], None]) -> None:
        self._clock = clock
        self._expired = expired
        self._timeout_s = 0.0
        self._last = 0.0
        self._call: IDelayedCall | None = None

    def set(self, timeout_ms: float) -> None:
        """Start with this timeout in milliseconds; 0: never expire."""
        self.stop()
        self._timeout_s = timeout_ms / 1000
        self.touch()

    def touch(self) -> None:
        """Note activity now."""
        self._last = self._clock.seconds()
        if self._call is None and self._timeout_s > 0:
            self._call = self._clock.callLater(self._timeout_s, self._look)

    def stop(self) -> None:
        """Never expire, until `set` is called."""
        self._timeout_s = 0.0
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _look(self) -> None:
        self._call = None
        left_s = self._last + self._timeout_s - self._clock.seconds()
        if left_s > 0:
            self._call = self._clock.callLater(left_s, self._look)
        else:
            self._expired()
