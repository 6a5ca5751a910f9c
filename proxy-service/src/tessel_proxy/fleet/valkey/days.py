"""Remembers what this host has taken of its accounts' days, should the engine lose it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from twisted.internet.defer import DeferredLock
from twisted.internet.interfaces import IReactorTime

from tessel_proxy.fleet.engine import EngineError, Slice
from tessel_proxy.fleet.parted import all_of, in_parts
from tessel_proxy.fleet.valkey.link import Link
from tessel_proxy.fleet.valkey.rebuilding import Rebuilding
from tessel_proxy.fleet.valkey.scripts import TAKE_BYTES
from tessel_proxy.limits.quota import DAY_S

MAX_DAYS: Final = 65_536
"""Accounts whose day is remembered, 0.3 KiB each. Days that are over are dropped first, then the
oldest: the engine still has what was taken of them, unless it loses its data as well."""

AT_ONCE: Final = 64
"""Days reported together to an engine that has lost them. So 4,096 take less than a second."""


@dataclass(slots=True)
class _Day:
    """One account's day: the engine's name for it, what this host has taken, and the limit.

    `epoch`: of the engine that knows it.
    One call at a time: the engine compares each call's total with that of the last one.
    """

    name: str = ""
    taken: int = 0
    limit: int = 0
    ends_at: float = 0.0
    epoch: str = ""
    lock: DeferredLock = field(default_factory=DeferredLock)


class Days:
    """Takes slices of the bytes that accounts may move in a day.

    Each call sends the total that this host has taken. So a slice whose answer was lost is not lost
    for the account, and an engine that has lost its data learns it again (`send_again`).
    """

    def __init__(self, clock: IReactorTime, link: Link, rebuilding: Rebuilding, host: str) -> None:
        """`host`: a name that no other process of the fleet has or will have."""
        self._clock = clock
        self._rebuilding = rebuilding
        self._link = link
        self._host = host
        self._days: dict[str, _Day] = {}

    async def take(self, account: str, wanted: int, limit: int) -> Slice:
        """Take up to `wanted` bytes; see Engine.

        None are taken while hosts report to an emptied engine what they have taken: their bytes
        would be granted twice.
        """
        day = self._of(account)
        async with day.lock:
            day.limit = limit
            granted = await self._settle(
                account, day, 0 if self._rebuilding.is_under_way else wanted
            )
            if self._rebuilding.is_under_way:  # this reply may have reported it
                day.taken -= granted.nbytes  # the next call says so
                raise EngineError(
                    "the hosts report to the engine again what they have taken of days"
                )
            return granted

    async def give_back(self, account: str, nbytes: int) -> None:
        """Give back unused bytes; see Engine. If the call fails, the next one does it."""
        day = self._days.get(account)
        if day is None:
            return
        async with day.lock:
            if self._left_s(day):
                day.taken = max(0, day.taken - nbytes)
                await self._settle(account, day, 0)

    async def send_again(self) -> None:
        """Report what was taken of the current days to an engine that has lost its data."""
        for part in in_parts(list(self._days.items()), AT_ONCE):
            await all_of(self._send_again(account, day) for account, day in part)

    async def _send_again(self, account: str, day: _Day) -> None:
        async with day.lock:
            if self._left_s(day) and day.epoch != self._rebuilding.epoch:
                await self._settle(account, day, 0)

    async def _settle(self, account: str, day: _Day, wanted: int) -> Slice:
        """Send this host's total, and take `wanted` more. The caller holds the lock."""
        left_s = self._left_s(day)
        name, taken = (day.name, day.taken) if left_s else ("", 0)
        reply = await self._link.run(
            TAKE_BYTES, account, self._host, name, taken, round(left_s * 1000), wanted, day.limit,
            round(DAY_S * 1000),
        )  # fmt: skip
        try:
            granted, total, left_ms, day.name, day.epoch = reply.split(" ")
            nbytes, day.taken, left_s = int(granted), int(total), int(left_ms) / 1000
        except ValueError:
            raise EngineError(f"bytes of a day: the engine answered {reply!r:.80}") from None
        day.ends_at = self._clock.seconds() + left_s
        self._rebuilding.answered(day.epoch)
        return Slice(nbytes, left_s)

    def _left_s(self, day: _Day) -> float:
        return max(0.0, day.ends_at - self._clock.seconds())

    def _of(self, account: str) -> _Day:
        found = self._days.get(account)
        if found is None:
            self._make_room()
            found = self._days[account] = _Day()
        return found

    def _make_room(self) -> None:
        if len(self._days) < MAX_DAYS:
            return
        self._days = {
            account: day
            for account, day in self._days.items()
            if self._left_s(day) or day.lock.locked
        }
        while len(self._days) >= MAX_DAYS:
            del self._days[next(iter(self._days))]
