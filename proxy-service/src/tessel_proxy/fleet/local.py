"""The shared state of workers on one host, in the memory of their supervisor."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from twisted.internet.interfaces import IReactorTime

from tessel_proxy.fleet.engine import (
    Admission,
    Confirmations,
    Demand,
    DeviceMoved,
    Hear,
    Notice,
    Slice,
    Totals,
)
from tessel_proxy.fleet.telling import acted
from tessel_proxy.limits.quota import DAY_S

MAX_SOURCES: Final = 16_384
"""Sources with wrong tokens to remember, as in limits/penalties.py. The oldest are dropped."""

MAX_DAYS: Final = 65_536
"""Accounts whose day is remembered. Days that are over are dropped first, then the oldest."""

PLACES_PART: Final = 8
"""One of so many free tunnels of an account is given in advance, to all members together. While it
is not used, another member is refused so many tunnels before the limit."""

LEAST_PLACES: Final = 2
"""Fewer places are not given."""

NOTHING: Final = Demand()


@dataclass(slots=True)
class _Day:
    ends_at: float
    taken: int = 0


@dataclass(slots=True)
class _Member:
    hear: Hear | None = None
    demands: dict[str, Demand] = field(default_factory=dict)


class LocalEngine:
    """An Engine in the memory of this process. Its calls never fail and never wait.

    Members do not lapse by time: the supervisor sees the end of a worker and calls `forget`.
    """

    def __init__(
        self, clock: IReactorTime, guessed: Callable[[str, float], None] = lambda *_: None
    ) -> None:
        """`guessed` is called with a source and its level when a wrong token was counted."""
        self._clock = clock
        self._guessed = guessed
        self._members: dict[str, _Member] = {}
        self._holders: dict[str, set[str]] = {}  # members by account
        self._devices: dict[tuple[str, str], str] = {}  # member by account and device
        self._places: dict[str, dict[str, int]] = {}  # given, by account and member
        self._limit = 0  # of an account's tunnels, as members name it
        self._days: dict[str, _Day] = {}
        self._wrong: dict[str, tuple[float, float]] = {}  # level, and when

    async def renew(self, member: str) -> Sequence[str]:
        """Return the names of all members; see Engine."""
        self._member(member)
        return sorted(self._members)

    async def leave(self, member: str) -> None:
        """Remove a member; see Engine."""
        self.forget(member)

    def forget(self, member: str) -> None:
        """Remove a member that has died, with its counts and devices."""
        gone = self._members.pop(member, None)
        for account in gone.demands if gone else ():
            self._let_go(account, member)
        self._devices = {key: each for key, each in self._devices.items() if each != member}

    async def admit(
        self, member: str, account: str, device: str | None, own: int, limit: int
    ) -> Admission:
        """Count one more tunnel, if fewer than `limit` are open; see Engine."""
        mine = self._demand(member, account)
        self._put(member, account, _with_tunnels(mine, own))
        older = self._devices.get((account, device)) if device is not None else None
        passed_on = older is not None and older != member
        self._limit = limit
        open_now = self._totals(account).demand.tunnels - passed_on
        granted = open_now + self._places_of_others(member, account) < limit
        if granted:
            self._put(member, account, _with_tunnels(mine, own + 1))
            if device is not None:
                self._arrived(member, account, device)
        return Admission(granted, self._with_places(member, account))

    async def exchange(
        self, member: str, demands: Mapping[str, Demand], arrived: Sequence[tuple[str, str]] = ()
    ) -> Mapping[str, Totals]:
        """Set the member's demands and return the totals of the same accounts; see Engine."""
        for account, demand in demands.items():
            self._put(member, account, demand)
        for account, device in arrived:
            self._arrived(member, account, device)
        return {account: self._with_places(member, account) for account in demands}

    async def take_bytes(self, account: str, wanted: int, limit: int) -> Slice:
        """Take bytes of the account's day in advance; see Engine."""
        now = self._clock.seconds()
        day = self._days.get(account)
        if day is None or day.ends_at <= now:
            self._make_room_for_day(now)
            day = self._days[account] = _Day(now + DAY_S)
        nbytes = max(0, min(wanted, limit - day.taken))
        day.taken += nbytes
        return Slice(nbytes, day.ends_at - now)

    async def give_back_bytes(self, account: str, nbytes: int) -> None:
        """Give back unused bytes of a slice; see Engine."""
        day = self._days.get(account)
        if day is not None and day.ends_at > self._clock.seconds():
            day.taken = max(0, day.taken - nbytes)

    async def wrong_tokens(self, source: str, more: int, allowance: int, refill_s: float) -> float:
        """Count wrong tokens from `source`; return how many count now. See Engine."""
        now = self._clock.seconds()
        level, at = self._wrong.pop(source, (0.0, now))
        level = max(0.0, level - (now - at) * allowance / refill_s) + more
        if level:
            self._wrong[source] = (level, now)
        if len(self._wrong) > MAX_SOURCES:
            del self._wrong[next(iter(self._wrong))]
        if more:
            self._guessed(source, level)
        return level

    async def publish(self, notice: Notice) -> Confirmations:
        """Tell all members; see Engine. A member in the same process acts within this call."""
        telling = [
            (name, acted(each.hear, notice, self._clock))
            for name, each in self._members.items()
            if each.hear is not None
        ]
        heard = [name for name, telling_one in telling if await telling_one]
        return Confirmations(tuple(heard), tuple(set(self._members) - set(heard)))

    def listen(self, member: str, hear: Hear) -> None:
        """Call `hear` with every notice from now on; see Engine."""
        self._member(member).hear = hear

    def accounts(self) -> Iterable[Totals]:
        """Return the totals of each account that has something open."""
        return [self._totals(account) for account in self._holders]

    def _member(self, name: str) -> _Member:
        return self._members.setdefault(name, _Member())

    def _demand(self, member: str, account: str) -> Demand:
        return self._member(member).demands.get(account, NOTHING)

    def _put(self, member: str, account: str, demand: Demand) -> None:
        demands = self._member(member).demands
        if demand.tunnels or demand.substreams:
            demands[account] = demand
            self._holders.setdefault(account, set()).add(member)
        elif demands.pop(account, None) is not None:
            self._let_go(account, member)

    def _with_places(self, member: str, account: str) -> Totals:
        """Return the totals of an account, with places for the member instead of those it had.

        Near the limit there are none, so that the last tunnels are counted exactly.
        """
        totals = self._totals(account)
        given = self._places.get(account, {})
        given.pop(member, None)
        free = self._limit - totals.demand.tunnels - sum(given.values())
        places = free // (PLACES_PART * len(self._members)) if totals.holders else 0
        if places < LEAST_PLACES:
            return totals
        self._places.setdefault(account, given)[member] = places
        return Totals(totals.demand, totals.holders, places)

    def _places_of_others(self, member: str, account: str) -> int:
        given = self._places.get(account, {})
        return sum(each for name, each in given.items() if name != member)

    def _let_go(self, account: str, member: str) -> None:
        self._places.get(account, {}).pop(member, None)
        holders = self._holders[account]
        holders.discard(member)
        if not holders:
            del self._holders[account]
            self._places.pop(account, None)

    def _totals(self, account: str) -> Totals:
        holders = self._holders.get(account, ())
        demands = [self._members[each].demands[account] for each in holders]
        return Totals(
            Demand(
                sum(each.tunnels for each in demands),
                sum(each.substreams for each in demands),
                sum(each.opens for each in demands),
                sum(each.to_targets for each in demands),
                sum(each.to_devices for each in demands),
            ),
            len(demands),
        )

    def _arrived(self, member: str, account: str, device: str) -> None:
        older = self._devices.get((account, device))
        self._devices[account, device] = member
        if older is None or older == member:
            return
        demand = self._demand(older, account)
        self._put(older, account, _with_tunnels(demand, max(0, demand.tunnels - 1)))
        self._tell(older, DeviceMoved(account, device, member))

    def _tell(self, member: str, notice: Notice) -> None:
        hear = self._members[member].hear if member in self._members else None
        if hear is not None:
            acted(hear, notice, self._clock)

    def _make_room_for_day(self, now: float) -> None:
        if len(self._days) < MAX_DAYS:
            return
        self._days = {name: day for name, day in self._days.items() if day.ends_at > now}
        while len(self._days) >= MAX_DAYS:
            del self._days[next(iter(self._days))]


def _with_tunnels(demand: Demand, tunnels: int) -> Demand:
    return Demand(tunnels, demand.substreams, demand.opens, demand.to_targets, demand.to_devices)
