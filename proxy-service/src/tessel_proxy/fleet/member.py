"""One process as a member of a fleet: it keeps the limits of accounts together with the others.

Each second it tells the engine what each account has and wants here, and gets the totals of all
members. From these it sets the limits of this process: see `shares`. Between two exchanges it
decides alone, except that each tunnel asks for its place. Without the engine the last totals are
used for STALE_S, then even parts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Coroutine, Mapping, Sequence
from functools import partial
from typing import Any, Final

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from tessel_proxy.fleet.engine import (
    EXCHANGE_S,
    RENEW_S,
    CountAsked,
    Demand,
    DeviceMoved,
    Engine,
    EngineError,
    Hear,
    Notice,
    Totals,
)
from tessel_proxy.fleet.gathering import Arrivals, GatheredAccounts
from tessel_proxy.fleet.parts import AccountParts, Standing, with_tunnels
from tessel_proxy.fleet.shares import even_part
from tessel_proxy.fleet.sliced_quota import SlicedQuota
from tessel_proxy.limits.accounts import AccountLimits, AccountUsage
from tessel_proxy.limits.quota import Quota
from tessel_proxy.limits.settings import LimitSettings
from tessel_proxy.records.error_codes import ErrorCode

WAIT_FOR_LEAVE_S: Final = 1.0
"""Seconds that a member that stops waits for its last calls."""


NEAR_PART: Final = 0.75
"""An account is near its limit of tunnels from this part of it on."""


class Member:
    """Joins the limits of this process to an engine.

    It is the `shared` of AccountLimits, and the `places` of the tunnels.
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
        workers: int,
        hear: Hear,
    ) -> None:
        """`hear` acts on notices of the engine.

        `workers`: how many members there are at least, also while some of them start.
        """
        self._workers = workers
        self._name = name
        self._engine = engine
        self._clock = clock
        self._config = config
        self._limits = limits
        self._standings: dict[str, Standing] = {}
        self._pending: Counter[str] = Counter()  # tunnels that the engine is asked about
        self._granted: Counter[str] = Counter()  # tunnels that were opened on places, ever
        self._arrived = Arrivals()
        self._reports = GatheredAccounts(clock, lambda account: self._call(self._report(account)))
        self._members = workers
        self._at = clock.seconds()
        self._loops = [LoopingCall(self._exchange), LoopingCall(self._renew)]
        self._running: list[Deferred[LoopingCall]] = []
        self._parts = AccountParts(config, clock)
        self._hear = hear
        limits.shared = self
        engine.listen(name, self._heard)

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
        self._reports.stop()
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
        if known is not None:
            known.places = 0  # none is used while the engine counts
        own = usage.tunnels + self._pending[account]
        granted = self._granted[account]
        limit = self._config.max_tunnels_per_account
        self._pending[account] += 1
        try:
            admission = await self._engine.admit(self._name, account, device, own, limit)
        except EngineError:
            if device is not None:
                self._arrived.add((account, device))
            return own < self._tunnels_without_engine(account)
        finally:
            self._pending[account] -= 1
            if not self._pending[account]:
                del self._pending[account]
        if not admission.granted and own > usage.tunnels + self._pending[account]:
            self._reports.add(account)  # `own` had others in it that were refused as well
        known = self._standings.get(account)
        demand = known.own if known else Demand(0, usage.substreams)
        demand = with_tunnels(demand, own + admission.granted)
        self._note(account, admission.totals, demand, granted)
        return admission.granted

    def _tunnels_without_engine(self, account: str) -> int:
        limit, known = self._config.max_tunnels_per_account, self._standings.get(account)
        even = even_part(limit, self._members)
        if known is None or known.is_stale(self._clock.seconds()):
            return even
        return max(even, limit - known.tunnels_of_others)

    # --- SharedAccounts, for limits

    def quota(self, account: str) -> Quota:
        """Return the part of an account's day that this process may use; see SharedAccounts."""
        limit = self._config.bytes_per_day

        def take(wanted: int) -> Deferred[Any]:
            return Deferred.fromCoroutine(self._engine.take_bytes(account, wanted, limit))

        return SlicedQuota(limit, take, self._clock, lambda: even_part(limit, self._members))

    def begun(self, account: str, usage: AccountUsage) -> None:
        """Set the limits of an account that begins here: even parts, until its first exchange."""
        self._parts.begin(usage, self._members)
        self._standings.pop(account, None)

    def tunnel_closed(self, account: str) -> None:
        """Called when a tunnel does not count any more: near the limit, the others need its place.

        Else the next exchange says it.
        """
        known = self._standings.get(account)
        limit = self._config.max_tunnels_per_account
        if known is not None and known.totals.demand.tunnels >= NEAR_PART * limit:
            self._reports.add(account)

    # --- counts that others wait for

    def _heard(self, notice: Notice) -> Deferred[Any] | None:
        if isinstance(notice, CountAsked):
            return Deferred.fromCoroutine(self._report(notice.account))
        if isinstance(notice, DeviceMoved) and (notice.account, notice.device) in self._arrived:
            return None  # an older move: the engine has not heard of the tunnel that is here
        return self._hear(notice)

    async def _report(self, account: str) -> None:
        """Send the tunnels of one account now, and give up its places."""
        known, usage = self._standings.get(account), self._limits.by_account.get(account)
        demand = Demand() if known is None else known.own
        if known is not None:
            known.places = 0
        demand = with_tunnels(demand, 0 if usage is None else self._tunnels(account, usage))
        granted = Counter({account: self._granted[account]})
        totals = await self._engine.exchange(self._name, {account: demand})
        self._exchanged({account: demand}, granted, totals)

    def _tunnels(self, account: str, usage: AccountUsage) -> int:
        """Return the tunnels to report: an admission that is not answered yet may be granted."""
        limit = self._config.max_tunnels_per_account
        return max(usage.tunnels, min(limit, usage.tunnels + self._pending[account]))

    # --- exchange

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

    def _renew(self) -> Deferred[Any]:
        renewed = Deferred.fromCoroutine(self._engine.renew(self._name))
        return renewed.addCallback(self._renewed).addErrback(self._not_called)

    def _renewed(self, members: Sequence[str]) -> None:
        self._members = max(self._workers, len(members))

    def _exchange(self) -> Deferred[Any]:
        now = self._clock.seconds()
        passed_s, self._at = max(0.001, now - self._at), now
        usages = self._limits.by_account
        demands = {
            account: self._parts.demand(usage, self._tunnels(account, usage), passed_s)
            for account, usage in usages.items()
        }
        demands = {
            account: each
            for account, each in demands.items()
            if each.tunnels or each.substreams or account in self._standings
        }
        for account in [each for each in self._standings if each not in usages]:
            demands[account] = Demand()  # its usage was forgotten
        arrived = self._arrived.waiting()
        for known in self._standings.values():
            known.places = 0  # the engine gives new ones
        granted = self._granted.copy()
        if not demands and not arrived:
            return succeed(None)
        called = Deferred.fromCoroutine(self._engine.exchange(self._name, demands, [*arrived]))
        called.addCallbacks(partial(self._exchanged, demands, granted), self._not_exchanged)
        called.addCallback(lambda _exchanged: self._arrived.told(arrived))
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

    def _not_exchanged(self, failure: Failure) -> Failure:
        now = self._clock.seconds()
        for account, known in list(self._standings.items()):
            if known.is_stale(now):
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
        self._standings[account] = Standing(totals, own, self._clock.seconds(), places)
        usage = self._limits.by_account.get(account)
        if usage is not None:
            self._parts.set(usage, own, totals, self._members)
