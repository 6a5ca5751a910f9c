"""Limit the bytes of an account in a day, both directions together."""

from __future__ import annotations

from typing import Final

from twisted.internet.interfaces import IReactorTime

DAY_S: Final = 24 * 3600.0


class DailyQuota:
    """The quota of one account. Its day begins with the first byte after the last day has ended.

    So no time zone is needed, and not all accounts return at midnight. The quota is kept in memory
    and begins anew when the process restarts.
    """

    def __init__(self, bytes_per_day: int, clock: IReactorTime) -> None:
        """`bytes_per_day` 0: no limit."""
        self._limit = bytes_per_day
        self._clock = clock
        self._moved = 0
        self._until = -1.0  # the end of the account's day

    def move(self, nbytes: int) -> bool:
        """Count the bytes and return True. False: the quota was used up before.

        The bytes with which the quota is exceeded are still allowed.
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
        return bool(self._limit) and self.is_running and self._moved >= self._limit

    @property
    def is_running(self) -> bool:
        """Whether the account has moved bytes in a day that has not ended."""
        return self._clock.seconds() < self._until
