"""Open a connection to a target: look up, check the rules, connect, and for `tls` the handshake.

All steps share one timeout. The caller is notified after each step. Cancelling stops the step that
is under way: the look-up leaves its queue, attempts are stopped, a handshake ends with a reset.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from typing import TypeVar, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from streamplex.conversation import ConnectRequest, SubstreamKind
from tessel_proxy.egress import policy
from tessel_proxy.egress.addresses import Address
from tessel_proxy.egress.policies import KnownTarget, Policies
from tessel_proxy.egress.policy import OwnMachine
from tessel_proxy.egress.rules import EgressMode
from tessel_proxy.records import log_lines
from tessel_proxy.records.durations import Durations, Histogram
from tessel_proxy.records.traces import Step, StepTrace
from tessel_proxy.targets import node_errors
from tessel_proxy.targets.connecting import Connect, NewConnection
from tessel_proxy.targets.deadlines import Deadlines
from tessel_proxy.targets.dial import dial, in_turn
from tessel_proxy.targets.layered import SecureTarget
from tessel_proxy.targets.lookup import Lookups, NotNowError
from tessel_proxy.targets.node_errors import TargetError
from tessel_proxy.targets.securing import begin_tls, end_of_handshake
from tessel_proxy.targets.target import OpeningOwner, Target, UnderWay
from tessel_proxy.targets.trust import TargetTrust, TargetVerification
from tessel_service_kit.happy_eyeballs import Attempt

T = TypeVar("T")

MAX_ANSWERS = 64
"""Addresses of one name. Each is compared with every rule, and the owner of a name chooses their
number. Ordinary names have at most some thirty."""


@dataclass(frozen=True, slots=True)
class Opener:
    """Opens connections to targets for all devices of the proxy.

    `timeout_s` is the time in seconds for all steps of one opening together. `sockets` holds all
    targets that are open. `durations` counts how long each step takes.
    """

    clock: IReactorTime
    connect: Connect
    lookups: Lookups
    trust: TargetTrust
    policies: Policies
    own: OwnMachine
    timeout_s: float
    sockets: set[Target] = field(default_factory=set)  # all that are open
    durations: Durations = field(default_factory=Durations)
    deadlines: Deadlines = field(init=False)  # of connections to an address

    def __post_init__(self) -> None:
        object.__setattr__(self, "deadlines", Deadlines(self.clock, self.timeout_s))

    def open(
        self,
        request: ConnectRequest,
        kind: SubstreamKind,
        account: str,
        tunnel: int,
        asker: OpeningOwner,
        *,
        trace: StepTrace | None = None,
    ) -> UnderWay | None:
        """Open a connection for a device, with TLS if `kind` is TLS, and pass it to `asker`.

        `asker` is notified after each step, and of the result, possibly inside this call: it then
        returns None, and otherwise what can be cancelled. `account` and `tunnel` (its number) are
        those of the device. `trace`, if there is one, records the steps. Raises TargetError if the
        connection fails before the first step.
        """
        try:
            known = self.policies.known(account, request.host, request.port)
        except ValueError:
            asker.target_looked_up()
            raise node_errors.not_found(request.host) from None
        now = self.clock.seconds()
        opening = _Opening(
            opener=self,
            known=known,
            request=request,
            kind=kind,
            account=account,
            tunnel=tunnel,
            asker=asker,
            trace=trace,
            began=now,
            deadline=now + self.timeout_s,
        )
        if known.refusal_of_name is not None:
            opening.refused_by(known.refusal_of_name)
        if known.standing is not None and kind is SubstreamKind.NET:  # it needs one step only
            rule = known.standing.refusal(self.own)
            if rule is not None:
                opening.refused_by(rule, known.address)
            if not opening.dial_one(known.address, asker.target_opened, asker.target_not_opened):
                return None
            self.deadlines.add(opening)
            return opening
        running = Deferred.fromCoroutine(opening.run())
        running.addCallback(asker.target_opened).addErrback(asker.target_not_opened)
        return running


@dataclass(slots=True, eq=False, kw_only=True)
class _Opening:
    """One connection that is being opened, and the listener of its attempt if there is only one."""

    opener: Opener
    known: KnownTarget
    request: ConnectRequest
    kind: SubstreamKind
    account: str
    tunnel: int
    asker: OpeningOwner
    trace: StepTrace | None
    began: float  # the step that is under way
    deadline: float
    _reported: bool = False
    _verification: TargetVerification | None = None  # of TLS
    _address: str = ""  # of the target, once it is connected
    # of the only attempt, while it is under way
    _opened: Callable[[Target], None] | None = None
    _not_opened: Callable[[Failure], None] | None = None
    _attempt: Attempt | None = None

    async def run(self) -> Target:
        """Look up the name, if it is one; check the addresses, connect, and secure with TLS."""
        addresses = await self._addresses(self.known.wanted.host)
        if len(addresses) > MAX_ANSWERS:
            raise node_errors.denied(
                self.request.host, self.request.port, "", policy.TOO_MANY_ADDRESSES
            )
        for address in addresses:  # one refused address refuses the name: ordinary names have none
            rule = self.known.policy.refusal(self.known.wanted, address, self.opener.own)
            if rule is not None:
                self.refused_by(rule, address)
        target = await self._dialled(addresses)
        if self._verification is not None:
            await self._secured(cast("SecureTarget", target), self._verification)
        return target

    async def _addresses(self, host: Address | str) -> Sequence[Address]:
        if isinstance(host, IPv4Address | IPv6Address):
            return (host,)
        try:
            addresses = await self._in_time(
                self.opener.lookups.resolve(host, self.account, self.tunnel),
                lambda: node_errors.not_found_now(self.request.host),
            )
        except TargetError:
            self.asker.target_looked_up()
            raise
        except NotNowError:
            self.asker.target_looked_up()
            raise node_errors.not_found_now(self.request.host) from None
        finally:
            self._step_ended(Step.LOOKUP, self.opener.durations.lookup)
        self.asker.target_looked_up()  # also if the name has no address
        if not addresses:
            raise node_errors.not_found(self.request.host)
        return addresses

    def refused_by(self, rule: str, address: Address | str = "") -> None:
        """Raise TargetError, or report once, that a rule refuses the target or its address."""
        host, port = self.request.host, self.request.port
        if self.known.policy.mode is not EgressMode.REPORT:
            raise node_errors.denied(host, port, address, rule)
        if not self._reported:  # once for each connection, as a refusal would be
            self._reported = True
            target = f"{host}:{port}"
            log_lines.would_be_refused(self.tunnel, self.account, target, str(address), rule)

    async def _dialled(self, addresses: Sequence[Address]) -> Target:
        opener, port = self.opener, self.request.port

        def too_late() -> TargetError:
            return node_errors.connect_timed_out(str(addresses[0]), port)

        if len(addresses) == 1:
            dialled: Deferred[Target] = Deferred(lambda _: self.cancel())
            self.dial_one(str(addresses[0]), dialled.callback, dialled.errback)
            return await self._in_time(dialled, too_late)
        try:
            return await self._in_time(
                dial(opener.connect, opener.clock, in_turn(addresses), port, self.connected),
                too_late,
            )
        except Exception:
            self._step_ended(Step.DIAL, opener.durations.dial)
            raise

    def dial_one(
        self,
        address: str,
        opened: Callable[[Target], None],
        not_opened: Callable[[Failure], None],
    ) -> bool:
        """Connect to the only address; return False if that has ended inside the call.

        `opened` or `not_opened` is called with the result, possibly inside this call, unless the
        opening is cancelled.
        """
        self._opened, self._not_opened = opened, not_opened
        attempt = self.opener.connect(address, self.request.port, self)
        if self._opened is None:
            return False
        self._attempt = attempt
        return True

    def connected(self, address: str, connection: NewConnection) -> Target:
        """Called when an attempt has connected: takes the connection over."""
        opener, asker = self.opener, self.asker
        self._step_ended(Step.DIAL, opener.durations.dial)
        self._address = address
        target: Target
        if self.kind is SubstreamKind.NET:
            target = connection.relay_for(asker, opener.clock, opener.sockets)
        else:
            target = SecureTarget(asker, opener.clock, opener.sockets)
            self._verification = TargetVerification(opener.trust, self.known.wanted.host)
            begin_tls(connection, target, self._verification, opener.clock)
        asker.target_connected(address)
        opened, not_opened = self._opened, self._not_opened
        self._opened = self._not_opened = None
        if self._attempt is not None:
            self._stop_waiting()
        if opened is not None and not_opened is not None:  # it is the only attempt
            try:
                opened(target)
            except Exception:  # noqa: BLE001 -- as an errback gets any
                not_opened(Failure())
        return target

    def failed(self, address: str, why: Failure) -> None:
        """Called when the only attempt has failed."""
        self._fail(node_errors.not_connected(address, self.request.port, why))

    def expire(self) -> None:
        """Called when the time of an opening to an address has passed."""
        if self._attempt is not None:
            self._attempt.stop()
        self._fail(node_errors.connect_timed_out(self.known.address, self.request.port))

    def _fail(self, fault: TargetError) -> None:
        not_opened = self._not_opened
        self._stop_waiting()
        self._step_ended(Step.DIAL, self.opener.durations.dial)
        if not_opened is not None:
            not_opened(Failure(fault))

    def cancel(self) -> None:
        """Stop the only attempt, if it is under way; nobody is notified."""
        if self._attempt is not None:
            self._attempt.stop()
            self._stop_waiting()
            self._step_ended(Step.DIAL, self.opener.durations.dial)

    def _stop_waiting(self) -> None:
        # The references would be cycles, which keep the substream in memory.
        self._opened = self._not_opened = self._attempt = None
        self.opener.deadlines.remove(self)

    async def _secured(self, target: SecureTarget, verification: TargetVerification) -> None:
        address, port = self._address, self.request.port
        in_time = self._in_time(target.secured, lambda: node_errors.tls_timed_out(address, port))
        try:
            await end_of_handshake(in_time, verification, address, port)
        finally:
            self._step_ended(Step.TLS, self.opener.durations.target_tls)
        self.asker.target_secured()

    def _step_ended(self, step: Step, took: Histogram) -> None:
        now = self.opener.clock.seconds()
        took.observe(now - self.began)
        if self.trace is not None:
            self.trace.step(step, self.began, now)
        self.began = now

    async def _in_time(self, step: Deferred[T], too_late: Callable[[], TargetError]) -> T:
        def expired(_result: object, _timeout_s: float) -> T:
            raise too_late()

        if step.called:  # mostly so where the system connects at once: needs no timer
            return await step
        left_s = max(0.0, self.deadline - self.opener.clock.seconds())
        return await step.addTimeout(left_s, self.opener.clock, expired)
