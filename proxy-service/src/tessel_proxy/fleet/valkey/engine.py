"""The state of a fleet in Valkey or Redis: an Engine for all processes of one host.

docs/fleet-engine.md describes the keys. Each method is one script, which the server executes in one
step, so hosts never see half of a change.
"""

from __future__ import annotations

from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import replace
from secrets import token_hex
from typing import Any, Final, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as TookTooLongError
from twisted.internet.interfaces import IReactorTime

from tessel_proxy.fleet.engine import (
    CALL_TIMEOUT_S,
    NOBODY,
    Admission,
    Demand,
    EngineError,
    Slice,
    Totals,
)
from tessel_proxy.fleet.kept import Kept, NothingKept
from tessel_proxy.fleet.notices import Hear
from tessel_proxy.fleet.parted import all_of
from tessel_proxy.fleet.valkey.accounts import LIVES_MS, SWEEP, Accounts
from tessel_proxy.fleet.valkey.days import Days
from tessel_proxy.fleet.valkey.devices import Devices
from tessel_proxy.fleet.valkey.dialing import Dialer
from tessel_proxy.fleet.valkey.health import EngineHealth
from tessel_proxy.fleet.valkey.hearing import Hearing
from tessel_proxy.fleet.valkey.link import Link
from tessel_proxy.fleet.valkey.members import LivingMembers
from tessel_proxy.fleet.valkey.publishing import Publishing
from tessel_proxy.fleet.valkey.questions import EngineQuestions
from tessel_proxy.fleet.valkey.rebuilding import REBUILD_S, Rebuilding
from tessel_proxy.fleet.valkey.rules import CopyOfRules, RulesFollower
from tessel_proxy.fleet.valkey.scripts import (
    CONFIRM,
    LEAVE,
    RENEW,
    WRONG_TOKENS,
)
from tessel_proxy.fleet.valkey.usage import EngineUsage

T = TypeVar("T")

CONFIRMED_KEPT_S: Final = 60


class ValkeyEngine:
    """Implements Engine with a Valkey or Redis server. `start` does not wait for the connection."""

    def __init__(
        self, clock: IReactorTime, dialer: Dialer, *, rebuild_s: float = REBUILD_S
    ) -> None:
        """`rebuild_s`: seconds without totals after the engine has lost its data."""
        self._clock = clock
        self._dialer = dialer
        self.health = EngineHealth(clock, str(dialer))
        self._link = Link(clock, dialer, self.health)
        self._hearing = Hearing(clock, dialer, self.health, self._confirm)
        self._devices = Devices(self._link)
        self._rebuilding = Rebuilding(clock, rebuild_s)
        self._days = Days(clock, self._link, self._rebuilding, token_hex(8))
        self._accounts = Accounts(clock, self._link, self._devices, self._rebuilding)
        self.usage = EngineUsage(self._link)
        self._rules: RulesFollower | None = None
        self.kept: Kept = NothingKept()
        self._epoch = ""
        self._living = LivingMembers(clock, self._rebuilding)
        self._publishing = Publishing(clock, self._link, self._living, self._rebuilding)
        self.publish = self._publishing.publish
        self._rebuilding.lost = self._lost
        self._link.connected = self._connected
        self._hearing.begun = self._begun
        self.questions = EngineQuestions(clock, self._link, self._hearing, self._living)

    @property
    def shown_url(self) -> str:
        """The address of the engine, without the login."""
        return str(self._dialer)

    def start(self) -> None:
        """Connect, and keep the connections until `stop`."""
        self._link.start()
        self._hearing.connection.start()
        if self._rules is not None:
            self._rules.start()

    def follow_rules(self, copy: CopyOfRules) -> None:
        """Keep this host's copy of the operator's rules as the engine has them; before `start`."""
        self._rules = RulesFollower(self._clock, self._link, copy, self._hearing.notify)
        self._hearing.overhear = self._rules.overhear

    def stop(self) -> None:
        """Close the connections. Members leave before, or their counts lapse."""
        if self._rules is not None:
            self._rules.stop()
        self._link.stop()
        self._hearing.connection.stop()

    def use_password(self, password: object) -> None:
        """Use another password for the next connections; a reload calls this."""
        self._dialer.credentials = replace(self._dialer.credentials, password=str(password))

    def use_sentinel_password(self, password: object) -> None:
        """Use another password of the Sentinels for the next connections."""
        new = replace(self._dialer.credentials, sentinel_password=str(password))
        self._dialer.credentials = new

    @property
    def is_up(self) -> bool:
        """Whether there is a connection for calls now."""
        return self._link.is_up

    async def renew(self, member: str) -> Sequence[str]:
        """Keep `member` among the living; return all live members. See Engine."""
        self._accounts.forget_old()
        reply = await self._link.run(RENEW, member, LIVES_MS, self._living.version, SWEEP)
        epoch = self._living.learn(reply)
        if self._epoch not in ("", epoch):
            await self._devices.send_again()
            await self._days.send_again()
        self._epoch = epoch  # if a call failed, all is sent again with the next renewal
        return self._living.names

    def _begun(self, epoch: str) -> None:
        """Called when an engine without data has begun anew, which other hosts may have noticed."""
        if self._rebuilding.epoch not in ("", epoch):
            self._touch_members()

    def _lost(self) -> None:
        """Called when a reply shows that the engine has lost data."""
        self._living.assume_last_seen()
        self._in_background(self._days.send_again())
        self._touch_members()

    def _touch_members(self) -> None:
        """Report to the engine now that the members of this host live."""
        self._in_background(all_of(self._accounts.touch(each) for each in self._hearing.members))

    def _in_background(self, work: Coroutine[Deferred[Any], Any, object]) -> None:
        """Do what the next renewal does again if the engine is away."""
        Deferred.fromCoroutine(work).addErrback(lambda failure: failure.trap(EngineError) and None)

    def _connected(self) -> None:
        self._touch_members()
        if self._rules is not None:
            self._rules.check_soon()

    def forget(self, member: str) -> None:
        """Remove a member that has died. If the engine is away, its counts lapse."""
        leaving = Deferred.fromCoroutine(self.leave(member))
        leaving.addErrback(lambda failure: failure.trap(EngineError) and None)

    def accounts(self) -> Sequence[Totals]:
        """Return the totals of each account that members of this host have exchanged lately."""
        return self._accounts.totals

    async def leave(self, member: str) -> None:
        """Remove a member with all its counts. See Engine."""
        self._hearing.forget(member)
        self._devices.forget_member(member)
        self._living.left(member)
        while await self._link.run(LEAVE, member, SWEEP) == "1":
            pass  # each call clears SWEEP accounts

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
        """Count one more tunnel, if fewer than `limit` are open in all. See Engine."""
        return await self._accounts.admit(member, account, device, own, limit, departed=departed)

    async def exchange(
        self,
        member: str,
        demands: Mapping[str, Demand],
        arrived: Sequence[tuple[str, str]] = (),
        *,
        departed: Mapping[str, Sequence[str]] = NOBODY,
    ) -> Mapping[str, Totals]:
        """Set the member's demands; return the totals of the same accounts. See Engine."""
        return await self._accounts.exchange(member, demands, arrived, departed=departed)

    async def take_bytes(self, account: str, wanted: int, limit: int) -> Slice:
        """Take bytes of the account's day in advance. See Engine."""
        return await self._in_time(self._days.take(account, wanted, limit))

    async def give_back_bytes(self, account: str, nbytes: int) -> None:
        """Give back what is left of a slice. See Engine."""
        await self._in_time(self._days.give_back(account, nbytes))

    async def wrong_tokens(self, source: str, more: int, allowance: int, refill_s: float) -> float:
        """Count wrong tokens from `source`; return how many count now. See Engine."""
        reply = await self._link.run(WRONG_TOKENS, source, more, allowance, round(refill_s * 1000))
        try:
            return float(reply)
        except ValueError:
            raise EngineError(f"wrong tokens: the engine answered {reply!r:.80}") from None

    def listen(self, member: str, hear: Hear) -> None:
        """Call `hear` with every notice from now on. See Engine."""
        self._hearing.listen(member, self._devices.hearing(member, hear))

    async def _confirm(self, notice_id: str, member: str) -> None:
        try:
            await self._link.run(CONFIRM, notice_id, CONFIRMED_KEPT_S, member)
        except EngineError:
            return  # the health reports it; the publisher reports this member as missing

    async def _in_time(self, work: Coroutine[Deferred[Any], Any, T]) -> T:
        """Await `work`, which may wait for an earlier call, for CALL_TIMEOUT_S at most."""
        try:
            return await Deferred.fromCoroutine(work).addTimeout(CALL_TIMEOUT_S, self._clock)
        except TookTooLongError:
            raise EngineError(f"no answer within {CALL_TIMEOUT_S:g} s") from None
