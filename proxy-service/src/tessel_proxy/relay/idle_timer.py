"""Node's `socket.setTimeout`: says once when nothing has happened for a while."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime


class IdleTimer:
    """Calls when there was no activity for the time it is armed with, once per silence.

    Activity comes with every read and write, so it only notes the time; the one delayed call
    looks at it when it comes due.
    """

    __slots__ = ("_active_at", "_clock", "_due", "_limit_s", "_on_idle")

    def __init__(self, clock: IReactorTime, on_idle: Callable[[], None]) -> None:
        self._clock = clock
        self._on_idle = on_idle
        self._limit_s: float | None = None
        self._active_at = 0.0
        self._due: IDelayedCall | None = None

    def arm(self, limit_s: float) -> None:
        """Start anew, with this limit."""
        self.disarm()
        self._limit_s = limit_s
        self.touch()

    def disarm(self) -> None:
        self._limit_s = None
        if self._due is not None:
            self._due.cancel()
            self._due = None

    def touch(self) -> None:
        """Something happened."""
        if self._limit_s is None:
            return
        self._active_at = self._clock.seconds()
        if self._due is None:
            self._due = self._clock.callLater(self._limit_s, self._come_due, self._limit_s)

    def _come_due(self, limit_s: float) -> None:
        left_s = self._active_at + limit_s - self._clock.seconds()
        if left_s > 0:
            self._due = self._clock.callLater(left_s, self._come_due, limit_s)
        else:
            self._due = None  # until the next activity
            self._on_idle()
