"""An idle timeout, as Node's `socket.setTimeout`: one call after each period of inactivity."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime


class IdleTimer:
    """Calls `on_idle` once after a period without activity.

    Every read and write is activity, so `touch` only stores the time, and a single delayed call
    compares it when it is due. After `on_idle`, the next activity starts a new period.
    """

    __slots__ = ("_active_at", "_clock", "_due", "_limit_s", "_on_idle")

    def __init__(self, clock: IReactorTime, on_idle: Callable[[], None]) -> None:
        self._clock = clock
        self._on_idle = on_idle
        self._limit_s: float | None = None
        self._active_at = 0.0
        self._due: IDelayedCall | None = None

    def arm(self, limit_s: float) -> None:
        """Start the timer, or start it again.

        `on_idle` is called after `limit_s` seconds without activity.
        """
        self.disarm()
        self._limit_s = limit_s
        self.touch()

    def disarm(self) -> None:
        """Stop the timer. `touch` then does nothing until `arm` is called again."""
        self._limit_s = None
        if self._due is not None:
            self._due.cancel()
            self._due = None

    def touch(self) -> None:
        """Report activity: the period of inactivity begins again."""
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
            self._due = None  # none until the next activity
            self._on_idle()
