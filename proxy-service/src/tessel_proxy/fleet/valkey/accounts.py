"""The counts of accounts in the engine: tunnels that are admitted, and demands of all members."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from twisted.internet.interfaces import IReactorTime

from tessel_proxy.fleet.engine import (
    MEMBER_LIVES_S,
    NOBODY,
    RENEW_S,
    Admission,
    Demand,
    EngineError,
    Totals,
)
from tessel_proxy.fleet.notices import KEPT_NOTICES, KEPT_NOTICES_S, DeviceMoved
from tessel_proxy.fleet.parted import all_of, parts_of
from tessel_proxy.fleet.valkey.devices import Devices
from tessel_proxy.fleet.valkey.link import Link
from tessel_proxy.fleet.valkey.rebuilding import Rebuilding
from tessel_proxy.fleet.valkey.replies import Answer, admission_of, demand_text, totals_of
from tessel_proxy.fleet.valkey.scripts import ADMIT, EXCHANGE
from tessel_proxy.fleet.wire import dump_notice

ACCOUNTS_PER_CALL: Final = 256
"""Accounts in one script, which takes less than 2 ms: meanwhile the server serves nobody else."""

SWEEP: Final = 512
"""Accounts of dead members that one script clears, for the same reason. Every call clears some, so
ten thousand accounts of a dead proxy take a second with 20 calls in it."""

LIVES_MS: Final = round(MEMBER_LIVES_S * 1000)

DEVICES_KEPT: Final = 4096
"""Names of devices for one account, or 4 for each tunnel if that is more. Devices choose their
names, and members say which have left a moment later: some entry is dropped when there are more."""


class Accounts:
    """Calls the scripts that count. See Engine for its methods."""

    def __init__(
        self, clock: IReactorTime, link: Link, devices: Devices, rebuilding: Rebuilding
    ) -> None:
        self._clock = clock
        self._rebuilding = rebuilding
        self._link = link
        self._devices = devices
        self._totals: dict[str, tuple[Totals, float]] = {}  # and when they were exchanged

    @property
    def totals(self) -> Sequence[Totals]:
        """The totals of each account that members of this host have exchanged lately."""
        self.forget_old()
        return [totals for totals, _at in self._totals.values() if totals.holders]

    def forget_old(self) -> None:
        """Forget totals that were not exchanged lately."""
        oldest = self._clock.seconds() - RENEW_S
        self._totals = {name: each for name, each in self._totals.items() if each[1] > oldest}

    async def admit(
        self,
        member: str,
        account: str,
        device: str | None,
        own: int,
        limit: int,
        *,
        departed: Sequence[str],
    ) -> Admission:
        """Count one more tunnel, if fewer than `limit` are open in all."""
        moved = dump_notice(DeviceMoved(account, device or "", member))
        self._devices.departed(member, account, departed)
        former = None if device is None else self._devices.arrived(member, account, device)
        reply = await self._link.run(
            ADMIT, member, LIVES_MS, account, device or "", own, limit, SWEEP, moved,
            KEPT_NOTICES, round(KEPT_NOTICES_S), DEVICES_KEPT,
            self._rebuilding.complete_epoch, *departed,
        )  # fmt: skip
        epoch, answer, totals = admission_of(reply)
        self._rebuilding.answered(epoch)
        if answer is not Answer.GRANTED and device is not None:
            self._devices.not_arrived(member, account, device, former)
        if answer is Answer.UNDECIDED:
            raise EngineError("the hosts report their counts to the engine again")
        return Admission(answer is Answer.GRANTED, totals)

    async def exchange(
        self,
        member: str,
        demands: Mapping[str, Demand],
        arrived: Sequence[tuple[str, str]],
        *,
        departed: Mapping[str, Sequence[str]],
    ) -> Mapping[str, Totals]:
        """Set the member's demands; return the totals of the same accounts."""
        for account, names in departed.items():
            self._devices.departed(member, account, names)
        for account, device in arrived:
            self._devices.arrived(member, account, device)
        parts = list(parts_of(demands.items(), departed, ACCOUNTS_PER_CALL)) or [[]]
        calls = [self._exchange(member, part, (), departed) for part in parts[:-1]]
        calls.append(self._exchange(member, parts[-1], arrived, departed))  # after all demands
        results = await all_of(calls)
        if self._rebuilding.is_under_way:
            return {}
        found = {account: totals for each in results for account, totals in each.items()}
        now = self._clock.seconds()
        self._totals.update((account, (totals, now)) for account, totals in found.items())
        return found

    async def touch(self, member: str) -> None:
        """Keep a member among the living, and learn the engine's epoch."""
        await self._exchange(member, [], ())

    async def _exchange(
        self,
        member: str,
        part: Sequence[tuple[str, Demand]],
        arrived: Sequence[tuple[str, str]],
        departed: Mapping[str, Sequence[str]] = NOBODY,
    ) -> Mapping[str, Totals]:
        pairs = [text for name, demand in part for text in (name, demand_text(demand))]
        gone = [(name, departed[name]) for name, _ in part if departed.get(name)]
        departures = [str(each) for name, names in gone for each in (name, len(names), *names)]
        moves = [
            text
            for account, device in arrived
            for text in (account, device, dump_notice(DeviceMoved(account, device, member)))
        ]
        reply = await self._link.run(
            EXCHANGE, member, LIVES_MS, SWEEP, KEPT_NOTICES, round(KEPT_NOTICES_S), DEVICES_KEPT,
            len(part), len(gone), *departures, *pairs, *moves,
        )  # fmt: skip
        epoch, totals = totals_of([name for name, _ in part], reply)
        self._rebuilding.answered(epoch)
        return totals
