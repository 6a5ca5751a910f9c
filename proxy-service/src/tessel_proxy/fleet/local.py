"""The shared state of workers on one host, in the memory of their supervisor."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from tessel_proxy.fleet.engine import NOBODY, Admission, Demand, Slice, Totals
from tessel_proxy.fleet.kept import Kept, NothingKept
from tessel_proxy.fleet.local_days import LocalDays
from tessel_proxy.fleet.local_devices import LocalDevices
from tessel_proxy.fleet.local_guesses import LocalGuesses
from tessel_proxy.fleet.local_places import LocalPlaces
from tessel_proxy.fleet.notices import Confirmations, CountAsked, DeviceMoved, Hear, Notice
from tessel_proxy.fleet.notifying import acted

ASK_S: Final = 0.25
"""Seconds in which they must answer: half of CALL_TIMEOUT_S, which the admission has in all."""

NOTHING: Final = Demand()


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
        self.kept: Kept = NothingKept()
        self._members: dict[str, _Member] = {}
        self._holders: dict[str, set[str]] = {}  # members by account
        self._devices = LocalDevices()
        self._places = LocalPlaces()
        self._asked: dict[str, list[Deferred[None]]] = {}  # admissions that wait, by account
        self._left: dict[str, set[tuple[str, str]]] = {}  # since the members are asked
        self._limit = 0  # of an account's tunnels, as members name it
        self._days = LocalDays(clock)
        self._guesses = LocalGuesses(clock, guessed)

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
            self._devices.forget_member(member, account)

    async def admit(
        self,
        member: str,
        account: str,
        device: str | None,
        own: int,
        limit: int,
        *,
        departed: Sequence[str] = (),
    ) -> Admission:
        """Count one more tunnel, if fewer than `limit` are open; see Engine.

        Before it is refused, the other members are asked for their counts, which may be a second
        old and contain unused places. Admissions of one account are decided in their order: each
        member has counted its earlier ones in `own`.
        """
        self._limit = limit
        self._departed(member, account, departed)
        self._left.get(account, set()).discard((member, device or ""))
        wanted = (member, account, device, own)
        if account not in self._asked and not self._has_room(*wanted):
            Deferred.fromCoroutine(self._ask(member, account))
        if account in self._asked:
            await self._turn(account)
        return self._decided(*wanted)

    async def _ask(self, member: str, account: str) -> None:
        """Ask the other members; then those that wait are answered, each before the next."""
        self._asked[account], self._left[account] = [], set()
        try:
            await self._ask_others(member, account)
        finally:
            for each in self._asked.pop(account):
                each.callback(None)
            if account not in self._asked:  # else another one asks by now
                del self._left[account]

    def _decided(self, member: str, account: str, device: str | None, own: int) -> Admission:
        if member not in self._members:  # it has died meanwhile
            return Admission(False, self._totals(account))
        granted = self._has_room(member, account, device, own)
        if granted:
            mine = self._demand(member, account)
            self._put(member, account, _with_tunnels(mine, own + 1))
            if device is not None and (member, device) not in self._left.get(account, ()):
                self._arrived(member, account, device)
        return Admission(granted, self._with_places(member, account))

    def _has_room(self, member: str, account: str, device: str | None, own: int) -> bool:
        """Set the member's count to `own`, and return whether one more tunnel may open."""
        self._put(member, account, _with_tunnels(self._demand(member, account), own))
        passed_on = device is not None and self._older(member, account, device) is not None
        open_now = self._totals(account).demand.tunnels - passed_on
        return open_now + self._places.of_others(member, account) < self._limit

    async def _ask_others(self, member: str, account: str) -> None:
        holders = {*self._holders.get(account, ()), *self._places.members(account)} - {member}
        hearers = [each.hear for name in holders if (each := self._members.get(name))]
        asked = CountAsked(account)
        answers = [acted(hear, asked, self._clock, ASK_S) for hear in hearers if hear is not None]
        for answer in answers:
            await answer

    def _turn(self, account: str) -> Deferred[None]:
        """Return a Deferred that fires when all members have been asked about the account."""
        turn: Deferred[None] = Deferred()
        self._asked[account].append(turn)
        return turn

    async def exchange(
        self,
        member: str,
        demands: Mapping[str, Demand],
        arrived: Sequence[tuple[str, str]] = (),
        *,
        departed: Mapping[str, Sequence[str]] = NOBODY,
    ) -> Mapping[str, Totals]:
        """Set the member's demands and return the totals of the same accounts; see Engine."""
        for account, names in departed.items():
            self._departed(member, account, names)
        for account, demand in demands.items():
            self._put(member, account, demand)
        for account, device in arrived:
            self._arrived(member, account, device)
        return {account: self._with_places(member, account) for account in demands}

    async def take_bytes(self, account: str, wanted: int, limit: int) -> Slice:
        """Take bytes of the account's day in advance; see Engine."""
        return self._days.take(account, wanted, limit)

    async def give_back_bytes(self, account: str, nbytes: int) -> None:
        """Give back unused bytes of a slice; see Engine."""
        self._days.give_back(account, nbytes)

    async def wrong_tokens(self, source: str, more: int, allowance: int, refill_s: float) -> float:
        """Count wrong tokens from `source`; return how many count now. See Engine."""
        return self._guesses.count(source, more, allowance, refill_s)

    async def publish(self, notice: Notice) -> Confirmations:
        """Notify all members; see Engine. A member in the same process acts within this call."""
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
        """Return the totals of an account, with places for the member instead of those it had."""
        totals = self._totals(account)
        self._places.take_back(member, account)
        if account not in self._member(member).demands:
            return totals
        free = self._limit - totals.demand.tunnels
        places = self._places.give(member, account, free, len(self._members))
        return Totals(totals.demand, totals.holders, places)

    def _let_go(self, account: str, member: str) -> None:
        self._places.take_back(member, account)
        holders = self._holders[account]
        holders.discard(member)
        if not holders:
            del self._holders[account]
            self._places.forget_account(account)
            self._devices.forget_account(account)

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
        older = self._older(member, account, device)
        if older is not None:
            demand = self._demand(older, account)
            self._put(older, account, _with_tunnels(demand, demand.tunnels - 1))
            self._notify(older, DeviceMoved(account, device, member))
        if self._holders.get(account):  # else the tunnel has ended meanwhile
            tunnels = self._totals(account).demand.tunnels
            self._devices.arrived(member, account, device, tunnels)

    def _departed(self, member: str, account: str, names: Sequence[str]) -> None:
        self._devices.departed(member, account, names)
        if account in self._left:
            self._left[account].update((member, name) for name in names)

    def _older(self, member: str, account: str, device: str) -> str | None:
        """Return the member that has the device now, if it is another one with tunnels."""
        older = self._devices.holder(account, device)
        if older is None or older == member:
            return None
        return older if self._demand(older, account).tunnels else None

    def _notify(self, member: str, notice: Notice) -> None:
        hear = self._members[member].hear if member in self._members else None
        if hear is not None:
            acted(hear, notice, self._clock)


def _with_tunnels(demand: Demand, tunnels: int) -> Demand:
    return Demand(tunnels, demand.substreams, demand.opens, demand.to_targets, demand.to_devices)
