"""One process as a member of a fleet: it keeps the limits of accounts together with the others.

Each second it reports to the engine what each account has and wants here, and gets the totals of
all members. From these it sets the limits of this process: see `shares`. Between two exchanges it
decides alone, except that each tunnel asks for its place. Without the engine the last totals are
used for STALE_S, then even parts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Final

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from tessel_proxy.fleet.device_news import DeviceNews, News
from tessel_proxy.fleet.engine import EXCHANGE_S, RENEW_S, Admission, Demand, Engine, EngineError
from tessel_proxy.fleet.gathering import GatheredAccounts
from tessel_proxy.fleet.notices import CountAsked, DeviceMoved, Hear, Notice
from tessel_proxy.fleet.parts import with_tunnels
from tessel_proxy.fleet.shares import even_part
from tessel_proxy.fleet.sliced_quota import SlicedQuota
from tessel_proxy.fleet.standings import Standings
from tessel_proxy.limits.accounts import AccountLimits, AccountUsage
from tessel_proxy.limits.quota import Quota
from tessel_proxy.limits.settings import LimitSettings
from tessel_proxy.records.error_codes import ErrorCode

WAIT_FOR_LEAVE_S: Final = 1.0
"""Seconds that a member that stops waits for its last calls."""


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
        is_here: Callable[[str, str], bool],
    ) -> None:
        """`hear` acts on notices of the engine.

        `workers`: how many members there are at least, also while some of them start. `is_here`
        returns whether a device of an account has a tunnel in this process.
        """
        self._workers = workers
        self._name = name
        self._engine = engine
        self._clock = clock
        self._config = config
        self._limits = limits
        self._standings = Standings(config, clock, limits, workers)
        self._pending: Counter[str] = Counter()  # tunnels that the engine is asked about
        self._news = DeviceNews(is_here)
        self._reports = GatheredAccounts(clock, lambda account: self._call(self._report(account)))
        self._at = clock.seconds()
        self._loops = [LoopingCall(self._exchange), LoopingCall(self._renew)]
        self._running: list[Deferred[LoopingCall]] = []
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
        # The engine hears of each named device at once: else two members could not know which of
        # their tunnels of it is the newer one.
        if device is None and self._standings.take_place(account):
            return True
        own, asked_at = usage.tunnels + self._pending[account], self._clock.seconds()
        self._pending[account] += 1
        try:
            admission = await self._admit(account, device, own)
        except EngineError:
            return self._decided_alone(account, device, own, asked_at)
        finally:
            self._pending[account] -= 1
            if not self._pending[account]:
                del self._pending[account]
        if not admission.granted and own > usage.tunnels + self._pending[account]:
            self._reports.add(account)  # `own` had others in it that were refused as well
        return admission.granted

    async def _admit(self, account: str, device: str | None, own: int) -> Admission:
        news, limit = self._news.of(account), self._config.max_tunnels_per_account
        counted = own + news.left_out
        with self._news.coming(account, device), self._standings.asking([account]):
            admission = await self._engine.admit(
                self._name, account, device, counted, limit, departed=[*news.departed]
            )
            known = self._standings.own(account)
            demand = with_tunnels(known, counted + admission.granted)
            self._standings.answered(account, admission.totals, demand)
        self._sent(account, news, self._news.sent_departed)
        return admission

    def _decided_alone(self, account: str, device: str | None, own: int, asked_at: float) -> bool:
        """Decide without the engine. An admitted device is reported when the engine is back.

        `asked_at`: when the engine was asked, which may have admitted the device unknown to us.
        """
        allowed = own < self._standings.tunnels_without_engine(account)
        if allowed and device is not None:
            self._news.arrived(account, device, asked_at)
            self._reports.add(account)
        return allowed

    def left(self, account: str, device: str) -> None:
        """Note that a device has no tunnel here any more; see Places."""
        self._news.left(account, device)

    # --- SharedAccounts, for limits

    def quota(self, account: str) -> Quota:
        """Return the part of an account's day that this process may use; see SharedAccounts."""
        limit, standings = self._config.bytes_per_day, self._standings

        def take(wanted: int) -> Deferred[Any]:
            return Deferred.fromCoroutine(self._engine.take_bytes(account, wanted, limit))

        return SlicedQuota(limit, take, self._clock, lambda: even_part(limit, standings.members))

    def begun(self, account: str, usage: AccountUsage) -> None:
        """Set the limits of an account that begins here: even parts, until its first exchange."""
        self._standings.begin(account, usage)

    def tunnel_closed(self, account: str) -> None:
        """Called when a tunnel does not count any more: near the limit, the others need its place.

        Else the next exchange says it.
        """
        if self._standings.is_near_limit(account):
            self._reports.add(account)

    # --- counts that others wait for

    def _heard(self, notice: Notice) -> Deferred[Any] | None:
        if isinstance(notice, CountAsked):
            return Deferred.fromCoroutine(self._report(notice.account))
        if isinstance(notice, DeviceMoved) and self._is_older(notice):
            return None
        return self._hear(notice)

    def _is_older(self, move: DeviceMoved) -> bool:
        """Return whether a device has moved before it came here; the engine has yet to hear that.

        If it moved later, the engine has admitted it here although its answer was lost.
        """
        came_at = self._news.came_at(move.account, move.device)
        return came_at is not None and self._clock.seconds() - came_at < move.age_s

    async def _report(self, account: str) -> None:
        """Send the tunnels and devices of one account now, and give up its places."""
        usage = self._limits.by_account.get(account)
        tunnels = 0 if usage is None else self._tunnels(account, usage)
        await self._send({account: with_tunnels(self._standings.own(account), tunnels)})

    def _tunnels(self, account: str, usage: AccountUsage) -> int:
        """Return the tunnels to report: an admission that is not answered yet may be granted."""
        limit = self._config.max_tunnels_per_account
        return max(usage.tunnels, min(limit, usage.tunnels + self._pending[account]))

    # --- exchange

    def _call(self, call: Coroutine[Deferred[Any], Any, Any]) -> Deferred[Any]:
        """Run a call whose result nobody needs. The health reports an EngineError."""
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
        self._standings.members = max(self._workers, len(members))

    def _exchange(self) -> Deferred[Any]:
        demands = self._demands()
        if not demands:
            return succeed(None)
        called = Deferred.fromCoroutine(self._send(demands))
        return called.addErrback(self._not_exchanged).addErrback(self._not_called)

    def _demands(self) -> dict[str, Demand]:
        """Return the demands since the last exchange, of all accounts with something to report."""
        now = self._clock.seconds()
        passed_s, self._at = max(0.001, now - self._at), now
        usages, known = self._limits.by_account, {*self._standings, *self._news.accounts}
        demands = {
            account: self._standings.parts.demand(usage, self._tunnels(account, usage), passed_s)
            for account, usage in usages.items()
        }
        demands = {
            account: each
            for account, each in demands.items()
            if each.tunnels or each.substreams or account in known
        }
        for account in known - usages.keys():
            demands[account] = Demand()  # its usage was forgotten
        return demands

    async def _send(self, demands: Mapping[str, Demand]) -> None:
        """Exchange these demands, with the news of their devices."""
        news = {name: self._news.of(name) for name in self._news.accounts & demands.keys()}
        left_out = {account: each.left_out for account, each in news.items() if each.left_out}
        own = {
            account: with_tunnels(each, each.tunnels + left_out.get(account, 0))
            for account, each in demands.items()
        }
        arrived = [(account, name) for account, each in news.items() for name in each.arrived]
        departed = {account: [*each.departed] for account, each in news.items() if each.departed}
        with self._standings.asking(own):
            totals = await self._engine.exchange(self._name, own, arrived, departed=departed)
            for account, each in totals.items():
                self._standings.answered(account, each, own.get(account, Demand()))
        for account, found in news.items():
            self._sent(account, found, self._news.sent)

    def _sent(self, account: str, news: News, note: Callable[[str, News], None]) -> None:
        """Forget news that was reported to the engine; the rest follows soon."""
        note(account, news)
        if news.left_out:
            self._reports.add(account)

    def _not_exchanged(self, failure: Failure) -> Failure:
        self._standings.end_stale()
        return failure
