"""How much an account may move in a day, both ways together."""

from __future__ import annotations

from typing import Final

from twisted.internet.interfaces import IReactorTime

DAY_S: Final = 24 * 3600.0


class DailyQuota:
    """One account's. Its day begins with its first byte after the last one was over.

    So not all accounts come back at the same midnight, and no time zone has to be agreed upon. It
    lives in memory: a process that starts again has forgotten it.
    """

    def __init__(self, bytes_per_day: int, clock: IReactorTime) -> None:
        """`bytes_per_day` 0: no limit."""
        self._limit = bytes_per_day
        self._clock = clock
        self._moved = 0
        self._until = -1.0  # the end of the account's day

    def move(self, nbytes: int) -> bool:
        """Count them, unless the quota is spent. What goes beyond it at once is let through."""
        if not self._limit:
            return True
        if self.is_spent:
            return False
        if not self.is_running:
            self._until, self._moved = self._clock.seconds() + DAY_S, 0
        self._moved += nbytes
        return True

    @property
    def is_spent(self) -> bool:
        return bool(self._limit) and self.is_running and self._moved >= self._limit

    @property
    def is_running(self) -> bool:
        """Has something been moved in a day that is not over?"""
        return self._clock.seconds() < self._until
