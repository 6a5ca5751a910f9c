"""One process as a member of a fleet: it keeps the limits of accounts together with the others.

Each second it tells the engine what each account has and wants here, and gets the totals of all
members. From these it sets the limits of this process: see `shares`. Between two exchanges it
decides alone, except that each tunnel asks for its place. Without the engine the last totals are
used for STALE_S, then even parts.
"""

from __future__ import annotations

import os
import secrets
import socket
from collections import Counter
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from tessel_proxy.fleet.engine import (
    EXCHANGE_S,
    RENEW_S,
    Demand,
    Engine,
    EngineError,
    Hear,
    Totals,
)
from tessel_proxy.fleet.shares import demand_of, even_part, number_part, rate_part
from tessel_proxy.fleet.sliced_quota import SlicedQuota
from tessel_proxy.limits.accounts import BURST_S, AccountLimits, AccountUsage
from tessel_proxy.limits.bucket import CountingBucket
from tessel_proxy.limits.penalties import REFILL_S
from tessel_proxy.limits.quota import Quota
from tessel_proxy.limits.settings import LimitSettings
from tessel_proxy.records.error_codes import ErrorCode
from tessel_proxy.tunnel.settings import TunnelSettings

STALE_S: Final = 60.0
"""Seconds for which the last totals are used when the engine cannot be reached."""

WAIT_FOR_LEAVE_S: Final = 1.0
"""Seconds that a member that stops waits for its last calls."""


@dataclass(slots=True)
class _Standing:
    """What this member knows of one account: totals of all, its own demand in them, and when.

    `places` is what is left of the places that came with the totals.
    """

    totals: Totals
    own: Demand
    at: float
    places: int


class Member:
    """Joins the limits of this process to an engine.

    It is the `shared` of AccountLimits, and the `places` and `guesses` of the tunnels.
    """

    _log = Logger()

    def __init__(
        self,
        name: str,
        engine: Engine,
        clock: IReactorTime,
        config: LimitSettings,
        limits: AccountLimits,
        *,
        allowance: int,
        workers: int,
        hear: Hear,
    ) -> None:
        """`allowance`: wrong tokens of a source; `hear` acts on notices of the engine.

        `workers`: how many members there are at least, also while some of them start.
        """
        self._workers = workers
        self._name = name
        self._engine = engine
        self._clock = clock
        self._config = config
        self._limits = limits
        self._allowance = allowance
        self._standings: dict[str, _Standing] = {}
        self._pending: Counter[str] = Counter()  # tunnels that the engine is asked about
        self._granted: Counter[str] = Counter()  # tunnels that were opened on places, ever
        self._arrived: list[tuple[str, str]] = []  # devices that the engine was not told of
        self._members = workers
        self._at = clock.seconds()
        self._loops = [LoopingCall(self._exchange), LoopingCall(self._renew)]
        self._running: list[Deferred[LoopingCall]] = []
        limits.shared = self
        engine.listen(name, hear)

    def start(self) -> None:
        """Begin to exchange and to renew."""
        for loop, every_s in zip(self._loops, (EXCHANGE_S, RENEW_S), strict=True):
            loop.clock = self._clock
            running = loop.start(every_s)
            running.addErrback(
                lambda why: self._log.failure(
                    "the shared state is not renewed any more",
                    failure=why,
                    error=ErrorCode.INTERNAL_ERROR.value,
                )
            )
            self._running.append(running)

    async def stop(self) -> None:
        """Give back what is left of slices, and leave; within WAIT_FOR_LEAVE_S."""
        for loop in self._loops:
            if loop.running:
                loop.stop()
        leaving = Deferred.fromCoroutine(self._leave())
        leaving.addTimeout(WAIT_FOR_LEAVE_S, self._clock)
        leaving.addErrback(lambda _late: None)  # the counts lapse
        await leaving

    async def _leave(self) -> None:
        for account, usage in self._limits.by_account.items():
            if isinstance(usage.quota, SlicedQuota) and usage.quota.left > 0:
                await self._engine.give_back_bytes(account, usage.quota.left)
        await self._engine.leave(self._name)

    # --- Places, for tunnels

    async def take(self, account: str, device: str | None) -> bool:
        """Return whether the account may have one more tunnel now; see Places."""
        usage = self._limits.usage(account)
        known = self._standings.get(account)
        # The engine hears of each named device at once: else two members could not tell which of
        # their tunnels of it is the newer one.
        if known is not None and known.places > 0 and device is None:
            known.places -= 1
            self._granted[account] += 1
            return True
        own = usage.tunnels + self._pending[account]
        granted = self._granted[account]
        limit = self._config.max_tunnels_per_account
        self._pending[account] += 1
        try:
            admission = await self._engine.admit(self._name, account, device, own, limit)
        except EngineError:
            if device is not None:
                self._arrived.append((account, device))
            return own < self._tunnels_without_engine(account)
        finally:
            self._pending[account] -= 1
            if not self._pending[account]:
                del self._pending[account]
        known = self._standings.get(account)
        demand = known.own if known else Demand(0, usage.substreams)
        demand = _with_tunnels(demand, own + admission.granted)
        self._note(account, admission.totals, demand, granted)
        return admission.granted

    def _tunnels_without_engine(self, account: str) -> int:
        limit = self._config.max_tunnels_per_account
        even = even_part(limit, self._members)
        known = self._standings.get(account)
        if known is None or self._clock.seconds() - known.at > STALE_S:
            return even
        others = known.totals.demand.tunnels - known.own.tunnels
        return max(even, limit - others)

    # --- SharedAccounts, for limits

    def quota(self, account: str) -> Quota:
        """Return the part of an account's day that this process may use; see SharedAccounts."""
        limit = self._config.bytes_per_day

        def take(wanted: int) -> Deferred[Any]:
            return Deferred.fromCoroutine(self._engine.take_bytes(account, wanted, limit))

        return SlicedQuota(limit, take, self._clock, lambda: even_part(limit, self._members))

    def begun(self, account: str, usage: AccountUsage) -> None:
        """Set the limits of an account that begins here: even parts, until its first exchange."""
        self._set_rates(usage, Demand(), Totals(Demand(), self._members))
        usage.max_substreams = even_part(self._config.max_substreams_per_account, self._members)
        self._standings.pop(account, None)

    # --- Guesses, for token checks

    async def level(self, source: str) -> float | None:
        """Return how many wrong tokens of a source count now; None: not known. See Guesses."""
        try:
            return await self._engine.wrong_tokens(source, 0, self._allowance, REFILL_S)
        except EngineError:
            return None

    def wrong(self, source: str) -> None:
        """Count a wrong token; without the engine, it counts in this process only."""
        self._call(self._engine.wrong_tokens(source, 1, self._allowance, REFILL_S))

    def _call(self, call: Coroutine[Deferred[Any], Any, Any]) -> Deferred[Any]:
        """Run a call whose result nobody needs. EngineError is the health's to tell."""
        called = Deferred.fromCoroutine(call)
        return called.addErrback(self._not_called)

    def _not_called(self, failure: Failure) -> None:
        if failure.check(EngineError) is None:
            self._log.failure(
                "a call of the shared state failed",
                failure=failure,
                error=ErrorCode.INTERNAL_ERROR.value,
            )

    # --- exchange

    def _renew(self) -> Deferred[Any]:
        renewed = Deferred.fromCoroutine(self._engine.renew(self._name))
        return renewed.addCallback(self._renewed).addErrback(self._not_called)

    def _renewed(self, members: Sequence[str]) -> None:
        self._members = max(self._workers, len(members))

    def _exchange(self) -> Deferred[Any]:
        now = self._clock.seconds()
        passed_s, self._at = max(0.001, now - self._at), now
        usages = self._limits.by_account
        demands = {account: self._demand(usage, passed_s) for account, usage in usages.items()}
        demands = {
            account: each
            for account, each in demands.items()
            if each.tunnels or each.substreams or account in self._standings
        }
        arrived, self._arrived = self._arrived, []
        for known in self._standings.values():
            known.places = 0  # the engine gives new ones
        granted = self._granted.copy()
        if not demands and not arrived:
            return Deferred.fromCoroutine(_nothing())
        called = Deferred.fromCoroutine(self._engine.exchange(self._name, demands, arrived))
        called.addCallbacks(
            partial(self._exchanged, demands, granted), partial(self._not_exchanged, arrived)
        )
        return called.addErrback(self._not_called)

    def _exchanged(
        self, demands: dict[str, Demand], granted: Counter[str], totals: Mapping[str, Totals]
    ) -> None:
        for account, each in totals.items():
            own = demands.get(account, Demand())
            if own.tunnels or own.substreams:
                self._note(account, each, own, granted[account])
            else:
                self._standings.pop(account, None)
                self._granted.pop(account, None)

    def _not_exchanged(self, arrived: list[tuple[str, str]], failure: Failure) -> Failure:
        self._arrived[:0] = arrived
        now = self._clock.seconds()
        for account, known in list(self._standings.items()):
            if now - known.at > STALE_S:
                del self._standings[account]
                if (usage := self._limits.by_account.get(account)) is not None:
                    self.begun(account, usage)
        return failure

    def _note(self, account: str, totals: Totals, own: Demand, granted: int) -> None:
        """Use new totals. `granted`: tunnels that had been granted here when they were asked for.

        Those that were granted since use places of them.
        """
        since = max(0, self._granted[account] - granted)
        places = max(0, totals.places - since)
        self._standings[account] = _Standing(totals, own, self._clock.seconds(), places)
        usage = self._limits.by_account.get(account)
        if usage is None:
            return
        self._set_rates(usage, own, totals)
        limit = self._config.max_substreams_per_account
        usage.max_substreams = number_part(
            limit,
            own.substreams,
            totals.demand.substreams,
            totals.holders,
            max(self._members, totals.holders),
        )

    def _set_rates(self, usage: AccountUsage, own: Demand, totals: Totals) -> None:
        """Set the rates. What may come at once is an even part at least.

        A process with little demand would else lose what it may use at once, and refuse the next
        program that starts.
        """
        config, all_of_it = self._config, totals.demand
        opens = rate_part(config.opens_per_s, own.opens, all_of_it.opens, totals.holders)
        at_once = max(opens, config.opens_per_s / self._members)
        usage.opens.resize(opens, at_once * BURST_S, self._clock.seconds())
        if config.bytes_per_s:
            part = partial(rate_part, config.bytes_per_s, holders=totals.holders)
            even = config.bytes_per_s / self._members
            for limit, mine, whole in (
                (usage.to_targets, own.to_targets, all_of_it.to_targets),
                (usage.to_devices, own.to_devices, all_of_it.to_devices),
            ):
                rate = part(mine, whole)
                limit.change(rate, max(rate, even))

    def _demand(self, usage: AccountUsage, passed_s: float) -> Demand:
        config = self._config
        return Demand(
            usage.tunnels,
            usage.substreams,
            _used(usage.opens, passed_s, config.opens_per_s),
            _used(usage.to_targets.bucket, passed_s, config.bytes_per_s, usage.to_targets.waiting),
            _used(usage.to_devices.bucket, passed_s, config.bytes_per_s, usage.to_devices.waiting),
        )


def _used(bucket: object, passed_s: float, limit: float, waiting: int = 0) -> float:
    """Return the demand on a bucket since the last call, and begin to count anew."""
    counting = cast("CountingBucket", bucket)  # of an account that several processes serve
    taken, was_short = counting.taken, counting.was_short or waiting > 0
    counting.taken, counting.was_short = 0.0, False
    return demand_of(taken / passed_s, limit, was_short=was_short)


def _with_tunnels(demand: Demand, tunnels: int) -> Demand:
    return Demand(tunnels, demand.substreams, demand.opens, demand.to_targets, demand.to_devices)


async def _nothing() -> None:
    """Do nothing: no account has anything open."""


def member_name() -> str:
    """Return a name for this process that no other one has or will have."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"


@dataclass(frozen=True, slots=True)
class Fleet:
    """What a process needs to be a member: its name and the engine.

    `workers`: the number of processes of this host.
    """

    member: str
    workers: int
    engine: Engine


def member_of(
    fleet: Fleet,
    config: TunnelSettings,
    clock: IReactorTime,
    limits: AccountLimits,
    hear: Hear,
) -> Member:
    """Return this process as a member, which acts on notices with `hear`."""
    return Member(
        fleet.member,
        fleet.engine,
        clock,
        config,
        limits,
        allowance=config.max_wrong_tokens,
        workers=fleet.workers,
        hear=hear,
    )
