"""Limit the bytes of an account in a day, both directions together."""

from __future__ import annotations

from typing import Final
from typing import Protocol as Interface

from twisted.internet.interfaces import IReactorTime

DAY_S: Final = 24 * 3600.0


class Quota(Interface):
    """An interface of the bytes that an account may move in its day; DailyQuota explains it."""

    def move(self, nbytes: int) -> bool: ...
    @property
    def is_spent(self) -> bool: ...
    @property
    def is_running(self) -> bool: ...


class DailyQuota:
    """Counts the bytes of one account in a period of 24 hours, both directions together.

    A period begins with the first byte after the last period has ended: no time zone is needed, and
    not all accounts return at midnight. The count is kept in memory, and is 0 after a restart of
    the process.
    """

    def __init__(self, bytes_per_day: int, clock: IReactorTime) -> None:
        """`bytes_per_day` 0: no limit."""
        self._limit = bytes_per_day
        self._clock = clock
        self._moved = 0
        self._until = -1.0  # the end of the account's day

    def move(self, nbytes: int) -> bool:
        """Count `nbytes` and return True.

        If the quota was used up before, count nothing and return False. The bytes that exceed the
        quota are still allowed.
        """
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
        """Whether the quota of the current period is used up. False if there is no limit."""
        return bool(self._limit) and self.is_running and self._moved >= self._limit

    @property
    def is_running(self) -> bool:
        """Whether a period of 24 hours is under way, that is: the account has moved bytes in it."""
        return self._clock.seconds() < self._until
