"""The bytes that accounts may move in a day, for workers of one host."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from twisted.internet.interfaces import IReactorTime

from tessel_proxy.fleet.engine import Slice
from tessel_proxy.limits.quota import DAY_S

MAX_DAYS: Final = 65_536
"""Accounts whose day is remembered. Days that are over are dropped first, then the oldest."""


@dataclass(slots=True)
class _Day:
    ends_at: float
    taken: int = 0


class LocalDays:
    """Hands out slices of days. A day begins with the first slice of an account."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._days: dict[str, _Day] = {}

    def take(self, account: str, wanted: int, limit: int) -> Slice:
        """Take up to `wanted` bytes of the account's day; see Engine.take_bytes."""
        now = self._clock.seconds()
        day = self._days.get(account)
        if day is None or day.ends_at <= now:
            self._make_room(now)
            day = self._days[account] = _Day(now + DAY_S)
        nbytes = max(0, min(wanted, limit - day.taken))
        day.taken += nbytes
        return Slice(nbytes, day.ends_at - now)

    def give_back(self, account: str, nbytes: int) -> None:
        """Give back unused bytes of a slice."""
        day = self._days.get(account)
        if day is not None and day.ends_at > self._clock.seconds():
            day.taken = max(0, day.taken - nbytes)

    def _make_room(self, now: float) -> None:
        if len(self._days) < MAX_DAYS:
            return
        self._days = {name: day for name, day in self._days.items() if day.ends_at > now}
        while len(self._days) >= MAX_DAYS:
            del self._days[next(iter(self._days))]
