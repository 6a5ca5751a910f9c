"""The deadlines of openings: they all get the same time, so one timer is enough for all."""

from __future__ import annotations

from typing import Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime


class Expiring(Protocol):
    """An opening with a deadline."""

    def expire(self) -> None:
        """Called when the deadline has passed: gives up."""


class Deadlines:
    """Expires openings `limit_s` seconds after they were added.

    The first that was added expires first. So there is one timer, for the first of them, and a busy
    proxy makes hardly any.
    """

    def __init__(self, clock: IReactorTime, limit_s: float) -> None:
        self._clock = clock
        self._limit_s = limit_s
        self._due: dict[Expiring, float] = {}  # in their order, with the deadline of each
        self._timer: IDelayedCall | None = None

    def add(self, opening: Expiring) -> None:
        """Expire `opening` after the time limit, unless it is removed before."""
        self._due[opening] = self._clock.seconds() + self._limit_s
        if self._timer is None:
            self._timer = self._clock.callLater(self._limit_s, self._look)

    def remove(self, opening: Expiring) -> None:
        """Do not expire `opening` any more, which has ended."""
        self._due.pop(opening, None)
        if not self._due and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        now = self._clock.seconds()
        expired = [opening for opening, deadline in self._due.items() if deadline <= now]
        try:
            for opening in expired:
                if self._due.pop(opening, None) is not None:  # else ended by one before it
                    opening.expire()
        finally:  # one fault must not stop the timers behind it
            if self._due and self._timer is None:
                first = next(iter(self._due.values()))
                self._timer = self._clock.callLater(max(0.0, first - now), self._look)
