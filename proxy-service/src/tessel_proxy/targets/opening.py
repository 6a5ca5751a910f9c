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
from twisted.internet.interfaces import IDelayedCall, IReactorTime
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
from tessel_proxy.targets.dial import dial, in_turn
from tessel_proxy.targets.layered import SecureTarget
from tessel_proxy.targets.lookup import Lookups, NotNowError
from tessel_proxy.targets.node_errors import TargetError
from tessel_proxy.targets.securing import begin_tls, end_of_handshake
from tessel_proxy.targets.target import OpeningOwner, Target
from tessel_proxy.targets.trust import TargetTrust, TargetVerification
from tessel_service_kit.happy_eyeballs import Attempt

T = TypeVar("T")

MAX_ANSWERS = 64
"""Addresses of one name. Each is compared with every rule, and the owner of a name chooses their
number. Ordinary names have at most some thirty.
"""


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

    def open(
        self,
        request: ConnectRequest,
        kind: SubstreamKind,
        account: str,
        tunnel: int,
        asker: OpeningOwner,
        *,
        trace: StepTrace | None = None,
    ) -> Target | Deferred[Target]:
        """Return a new connection for a device, with TLS if `kind` is TLS.

        If it takes a while, a Deferred with the connection is returned, which may be cancelled.
        `account` and `tunnel` (its number) are those of the device. `asker` is notified after each
        step, and will own the target. `trace`, if there is one, records the steps. Raises
        TargetError, or the Deferred fails with it.
        """
        try:
            known = self.policies.known(account, request.host, request.port)
        except ValueError:
            asker.target_looked_up()
            raise node_errors.not_found(request.host) from None
        opening = _Opening(
            self,
            known,
            request=request,
            kind=kind,
            account=account,
            tunnel=tunnel,
            asker=asker,
            trace=trace,
        )
        if known.refusal_of_name is not None:
            opening.refused_by(known.refusal_of_name)
        if known.standing is not None and kind is SubstreamKind.NET:  # it needs one step only
            rule = known.standing.refusal(self.own)
            if rule is not None:
                opening.refused_by(rule, known.address)
            return opening.dial_one(known.address)
        run = opening.run()
        try:
            run.send(None)
        except StopIteration as ended:  # it did not have to wait: it needs no Deferred
            return cast("Target", ended.value)
        return Deferred.fromCoroutine(run)  # continues at the Deferred that it waits for


class _Opening:
    """One connection that is being opened, and the listener of its attempt if there is only one."""

    def __init__(
        self,
        opener: Opener,
        known: KnownTarget,
        *,
        request: ConnectRequest,
        kind: SubstreamKind,
        account: str,
        tunnel: int,
        asker: OpeningOwner,
        trace: StepTrace | None,
    ) -> None:
        self._opener = opener
        self._known = known
        self._request = request
        self._kind = kind
        self._account = account
        self._tunnel = tunnel
        self._asker = asker
        self._trace = trace
        self._reported = False
        self._began = opener.clock.seconds()  # the step that is under way
        self._deadline = self._began + opener.timeout_s
        self._verification: TargetVerification | None = None  # of TLS
        self._address = ""  # of the target, once it is connected
        # of the only attempt
        self._target: Target | None = None
        self._fault: TargetError | None = None
        self._later: Deferred[Target] | None = None
        self._timeout: IDelayedCall | None = None

    async def run(self) -> Target:
        """Look up the name, if it is one; check the addresses, connect, and secure with TLS."""
        addresses = await self._addresses(self._known.wanted.host)
        if len(addresses) > MAX_ANSWERS:
            raise node_errors.denied(
                self._request.host, self._request.port, "", policy.TOO_MANY_ADDRESSES
            )
        for address in addresses:  # one refused address refuses the name: ordinary names have none
            rule = self._known.policy.refusal(self._known.wanted, address, self._opener.own)
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
                self._opener.lookups.resolve(host, self._account, self._tunnel),
                lambda: node_errors.not_found_now(self._request.host),
            )
        except TargetError:
            self._asker.target_looked_up()
            raise
        except NotNowError:
            self._asker.target_looked_up()
            raise node_errors.not_found_now(self._request.host) from None
        finally:
            self._step_ended(Step.LOOKUP, self._opener.durations.lookup)
        self._asker.target_looked_up()  # also if the name has no address
        if not addresses:
            raise node_errors.not_found(self._request.host)
        return addresses

    def refused_by(self, rule: str, address: Address | str = "") -> None:
        """Raise TargetError, or report once, that a rule refuses the target or its address."""
        host, port = self._request.host, self._request.port
        if self._known.policy.mode is not EgressMode.REPORT:
            raise node_errors.denied(host, port, address, rule)
        if not self._reported:  # once for each connection, as a refusal would be
            self._reported = True
            target = f"{host}:{port}"
            log_lines.would_be_refused(self._tunnel, self._account, target, str(address), rule)

    # --- TCP

    async def _dialled(self, addresses: Sequence[Address]) -> Target:
        opener, port = self._opener, self._request.port
        if len(addresses) == 1:
            dialled = self.dial_one(str(addresses[0]))
            return await dialled if isinstance(dialled, Deferred) else dialled
        try:
            return await self._in_time(
                dial(opener.connect, opener.clock, in_turn(addresses), port, self.connected),
                lambda: node_errors.connect_timed_out(str(addresses[0]), port),
            )
        except Exception:
            self._step_ended(Step.DIAL, opener.durations.dial)
            raise

    def dial_one(self, address: str) -> Target | Deferred[Target]:
        """Connect to the only address; return the target at once if that takes no time.

        Raises TargetError if it fails at once.
        """
        attempt = self._opener.connect(address, self._request.port, self)
        if self._target is not None:
            return self._target
        if self._fault is not None:
            raise self._fault
        clock = self._opener.clock
        left_s = max(0.0, self._deadline - clock.seconds())
        self._timeout = clock.callLater(left_s, self._too_late, address, attempt)
        self._later = Deferred(lambda _: self._stop(attempt))
        return self._later

    def connected(self, address: str, connection: NewConnection) -> Target:
        """Called when an attempt has connected: takes the connection over."""
        opener, asker = self._opener, self._asker
        self._step_ended(Step.DIAL, opener.durations.dial)
        self._address = address
        target: Target
        if self._kind is SubstreamKind.NET:
            target = connection.relay_for(asker, opener.clock, opener.sockets)
        else:
            target = SecureTarget(asker, opener.clock, opener.sockets)
            self._verification = TargetVerification(opener.trust, self._known.wanted.host)
            begin_tls(connection, target, self._verification, opener.clock)
        asker.target_connected(address)
        self._target = target
        if self._later is not None and (later := self._end_wait()) is not None:
            later.callback(target)
        return target

    def failed(self, address: str, why: Failure) -> None:
        """Called when the only attempt has failed."""
        self._fail(node_errors.not_connected(address, self._request.port, why))

    def _too_late(self, address: str, attempt: Attempt) -> None:
        attempt.stop()
        self._fail(node_errors.connect_timed_out(address, self._request.port))

    def _fail(self, fault: TargetError) -> None:
        self._fault = fault
        self._step_ended(Step.DIAL, self._opener.durations.dial)
        if (later := self._end_wait()) is not None:
            later.errback(fault)

    def _stop(self, attempt: Attempt) -> None:
        attempt.stop()
        self._end_wait()
        self._step_ended(Step.DIAL, self._opener.durations.dial)

    def _end_wait(self) -> Deferred[Target] | None:
        if self._timeout is not None and self._timeout.active():
            self._timeout.cancel()
        later, self._later = self._later, None  # else a reference cycle would keep the substream
        return later

    async def _secured(self, target: SecureTarget, verification: TargetVerification) -> None:
        address, port = self._address, self._request.port
        in_time = self._in_time(target.secured, lambda: node_errors.tls_timed_out(address, port))
        try:
            await end_of_handshake(in_time, verification, address, port)
        finally:
            self._step_ended(Step.TLS, self._opener.durations.target_tls)
        self._asker.target_secured()

    # --- each step

    def _step_ended(self, step: Step, took: Histogram) -> None:
        now = self._opener.clock.seconds()
        took.observe(now - self._began)
        if self._trace is not None:
            self._trace.step(step, self._began, now)
        self._began = now

    async def _in_time(self, step: Deferred[T], too_late: Callable[[], TargetError]) -> T:
        def expired(_result: object, _timeout_s: float) -> T:
            raise too_late()

        if step.called:  # mostly so where the system connects at once: needs no timer
            return await step
        left_s = max(0.0, self._deadline - self._opener.clock.seconds())
        return await step.addTimeout(left_s, self._opener.clock, expired)
