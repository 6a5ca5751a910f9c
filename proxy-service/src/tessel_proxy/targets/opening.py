"""Open a connection to a target: look up, check the rules, connect, and for `tls` the handshake.

All steps share one timeout. The caller is notified after each step. Cancelling stops the step that
is under way: the look-up leaves its queue, attempts are stopped, a handshake ends with a reset.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from streamplex.conversation import ConnectRequest, SubstreamKind
from tessel_proxy.egress import policy
from tessel_proxy.egress.policies import KnownTarget, Policies
from tessel_proxy.egress.policy import OwnMachine
from tessel_proxy.egress.rules import EgressMode
from tessel_proxy.records import log_lines
from tessel_proxy.records.durations import Durations
from tessel_proxy.records.traces import Step, StepTrace
from tessel_proxy.targets import node_errors
from tessel_proxy.targets.connecting import Connect, NewConnection
from tessel_proxy.targets.deadlines import Deadlines
from tessel_proxy.targets.dial import dial
from tessel_proxy.targets.layered import SecureTarget
from tessel_proxy.targets.lookup import Lookups, NotNowError
from tessel_proxy.targets.node_errors import TargetError
from tessel_proxy.targets.securing import begin_tls, handshake_failure
from tessel_proxy.targets.target import OpeningOwner, Target, UnderWay
from tessel_proxy.targets.trust import TargetTrust, TargetVerification

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
    deadlines: Deadlines = field(init=False)

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
        opening = _Opening(
            opener=self,
            known=known,
            request=request,
            kind=kind,
            account=account,
            tunnel=tunnel,
            asker=asker,
            trace=trace,
            began=self.clock.seconds(),
        )
        if known.refusal_of_name is not None:
            opening.refused_by(known.refusal_of_name)
        if known.address:
            opening.dial_allowed((known.address,))
        else:
            opening.look_up(str(known.wanted.host))
        if opening.step is None:
            return None
        self.deadlines.add(opening)
        return opening


@dataclass(slots=True, eq=False, kw_only=True)
class _Opening:
    """One connection that is being opened: the listener of its steps.

    Each step may end inside the call that begins it. `step` is the one that is under way, None
    between two steps and after the last one.
    """

    opener: Opener
    known: KnownTarget
    request: ConnectRequest
    kind: SubstreamKind
    account: str
    tunnel: int
    asker: OpeningOwner
    trace: StepTrace | None
    began: float  # the step that is under way
    step: Step | None = None
    _stop: Callable[[], object] | None = None  # stops the step; None while none had to be awaited
    _address: str = ""  # the first that is tried, then the one that is connected
    _reported: bool = False

    # --- look-up

    def look_up(self, name: str) -> None:
        """Look up the name of the target, and connect to what is found."""
        self.step = Step.LOOKUP
        looking_up = self.opener.lookups.resolve(name, self.account, self.tunnel)
        self._stop = looking_up.cancel
        looking_up.addCallbacks(self._found, self._not_found).addErrback(self._fail)

    def _found(self, addresses: Sequence[str]) -> None:
        self._step_ended(Step.LOOKUP)
        self.asker.target_looked_up()  # also if the name has no address
        host, port = self.request.host, self.request.port
        if not addresses:
            raise node_errors.not_found(host)
        if len(addresses) > MAX_ANSWERS:
            raise node_errors.denied(host, port, "", policy.TOO_MANY_ADDRESSES)
        self.dial_allowed(addresses)

    def _not_found(self, why: Failure) -> None:
        if self.step is None:
            return  # it was cancelled
        self._step_ended(Step.LOOKUP)
        self.asker.target_looked_up()
        not_now = why.check(NotNowError)
        self._fail(Failure(node_errors.not_found_now(self.request.host)) if not_now else why)

    # --- connect

    def dial_allowed(self, addresses: Sequence[str]) -> None:
        """Connect to the first of `addresses` that answers.

        Raises TargetError if a rule refuses one of them.
        """
        opener, standings = self.opener, self.known.standings
        for address in addresses:  # one refused address refuses the name: ordinary names have none
            rule = standings[address].refusal(opener.own)
            if rule is not None:
                self.refused_by(rule, address)
        self.step = Step.DIAL
        self._address, port = addresses[0], self.request.port
        if len(addresses) == 1:
            attempt = opener.connect(self._address, port, self)
        else:
            attempt = dial(opener.connect, opener.clock, addresses, port, self)
        if self.step is Step.DIAL:
            self._stop = attempt.stop

    def refused_by(self, rule: str, address: str = "") -> None:
        """Raise TargetError, or report once, that a rule refuses the target or its address."""
        host, port = self.request.host, self.request.port
        if self.known.policy.mode is not EgressMode.REPORT:
            raise node_errors.denied(host, port, address, rule)
        if not self._reported:  # once for each connection, as a refusal would be
            self._reported = True
            target = f"{host}:{port}"
            log_lines.would_be_refused(self.tunnel, self.account, target, address, rule)

    def connected(self, address: str, connection: NewConnection) -> None:
        """Called when an attempt has connected: takes the connection over."""
        opener, asker = self.opener, self.asker
        self._step_ended(Step.DIAL)
        if self.kind is not SubstreamKind.NET:
            self._secure(address, connection)
            return
        target = connection.relay_for(asker, opener.clock, opener.sockets)
        asker.target_connected(address)
        if self._stop is not None:
            self._stop_waiting()
        try:
            asker.target_opened(target)
        except Exception:  # noqa: BLE001 -- as an errback gets any
            asker.target_not_opened(Failure())

    def failed(self, address: str, why: Failure) -> None:
        """Called when no attempt has connected; `address` is the first that was tried."""
        self._step_ended(Step.DIAL)
        self._fail(Failure(node_errors.not_connected(address, self.request.port, why)))

    # --- TLS

    def _secure(self, address: str, connection: NewConnection) -> None:
        opener = self.opener
        target = SecureTarget(self.asker, opener.clock, opener.sockets)
        verification = TargetVerification(opener.trust, self.known.wanted.host)
        self.step, self._stop = Step.TLS, target.secured.cancel
        self._address = address
        begin_tls(connection, target, verification, opener.clock)
        self.asker.target_connected(address)
        target.secured.addCallbacks(
            lambda _: self._secured(target), lambda why: self._not_secured(why, verification)
        ).addErrback(self._fail)

    def _secured(self, target: SecureTarget) -> None:
        self._step_ended(Step.TLS)
        self.asker.target_secured()
        self._stop_waiting()
        self.asker.target_opened(target)

    def _not_secured(self, why: Failure, verification: TargetVerification) -> None:
        if self.step is None:
            return  # it was cancelled
        self._step_ended(Step.TLS)
        self._fail(handshake_failure(why, verification, self._address, self.request.port))

    # --- the end

    def _fail(self, failure: Failure) -> None:
        self._stop_waiting()
        self.asker.target_not_opened(failure)

    def expire(self) -> None:
        """Called when the time of the opening has passed: gives up, and notifies the asker."""
        step = self.step
        self.cancel()
        if step is Step.LOOKUP:
            self.asker.target_looked_up()
        self.asker.target_not_opened(Failure(self._too_late(step)))

    def _too_late(self, step: Step | None) -> TargetError:
        if step is Step.LOOKUP:
            return node_errors.not_found_now(self.request.host)
        if step is Step.TLS:
            return node_errors.tls_timed_out(self._address, self.request.port)
        return node_errors.connect_timed_out(self._address, self.request.port)

    def cancel(self) -> None:
        """Stop the step that is under way, if any; nobody is notified."""
        step, stop = self.step, self._stop
        self._stop_waiting()
        if step is not None and stop is not None:
            self._step_ended(step)
            stop()

    def _stop_waiting(self) -> None:
        self._stop = None  # would be a cycle, which keeps the substream in memory
        self.opener.deadlines.remove(self)

    def _step_ended(self, step: Step) -> None:
        self.step = None
        now = self.opener.clock.seconds()
        took = self.opener.durations
        if step is Step.DIAL:
            took.dial.observe(now - self.began)
        elif step is Step.LOOKUP:
            took.lookup.observe(now - self.began)
        else:
            took.target_tls.observe(now - self.began)
        if self.trace is not None:
            self.trace.step(step, self.began, now)
        self.began = now
