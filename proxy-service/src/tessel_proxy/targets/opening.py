"""Open a connection to a target: look up, check the rules, connect, and for `tls` the handshake.

All steps share one timeout. The caller is notified after each step. Cancelling stops the step that
is under way: the look-up leaves its queue, attempts are stopped, a handshake ends with a reset.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from typing import Protocol as Interface
from typing import TypeVar, cast

from OpenSSL import SSL
from twisted.internet import error
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IProtocol, IProtocolFactory, IReactorTime
from zope.interface import implementer

from streamplex.conversation import ConnectRequest, SubstreamKind
from streamplex.tx.endings import openssl_reasons
from tessel_proxy.egress import hosts, policy
from tessel_proxy.egress.addresses import Address
from tessel_proxy.egress.policies import Policies
from tessel_proxy.egress.policy import OwnMachine, RequestedTarget
from tessel_proxy.egress.rules import EgressMode
from tessel_proxy.records import log_lines
from tessel_proxy.records.durations import Durations, Histogram
from tessel_proxy.records.traces import Step, StepTrace
from tessel_proxy.targets import node_errors
from tessel_proxy.targets.connecting import Connect
from tessel_proxy.targets.dial import dial, dial_one, in_turn
from tessel_proxy.targets.lookup import Lookups, NotNowError
from tessel_proxy.targets.node_errors import TargetError
from tessel_proxy.targets.target import SecureFactory, SecureTarget, Target, TargetOwner
from tessel_proxy.targets.trust import TargetTrust, TargetVerification

T = TypeVar("T")

MAX_ANSWERS = 64
"""Addresses of one name. Each is compared with every rule, and the owner of a name chooses their
number. Ordinary names have at most some thirty.
"""


class OpeningOwner(TargetOwner, Interface):
    """The caller that wants a connection and will own it.

    `target_looked_up` is called when the look-up has ended, also if it failed; `target_connected`
    when TCP is connected to `address`; `target_secured` after the TLS handshake.
    """

    def target_looked_up(self) -> None: ...
    def target_connected(self, address: Address) -> None: ...
    def target_secured(self) -> None: ...


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
        run = _Opening(self, request, account, tunnel, asker, trace=trace).run(kind)
        try:
            run.send(None)
        except StopIteration as ended:  # it did not have to wait: it needs no Deferred
            return cast("Target", ended.value)
        return Deferred.fromCoroutine(run)  # continues at the Deferred that it waits for


class _Opening:
    """One connection that is being opened."""

    def __init__(
        self,
        opener: Opener,
        request: ConnectRequest,
        account: str,
        tunnel: int,
        asker: OpeningOwner,
        *,
        trace: StepTrace | None,
    ) -> None:
        self._opener = opener
        self._trace = trace
        self._request = request
        self._account = account
        self._tunnel = tunnel
        self._asker = asker
        self._policy = opener.policies.of(account)
        self._reported = False
        self._began = opener.clock.seconds()  # the step that is under way
        self._deadline = self._began + opener.timeout_s

    async def run(self, kind: SubstreamKind) -> Target:
        host = self._host()
        wanted = RequestedTarget(host, self._request.port)
        self._judge(self._policy.refusal_of_name(wanted))
        addresses = await self._addresses(host)
        if len(addresses) > MAX_ANSWERS:
            raise node_errors.denied(
                self._request.host, self._request.port, "", policy.TOO_MANY_ADDRESSES
            )
        for address in addresses:  # one refused address refuses the name: ordinary names have none
            self._judge(self._policy.refusal(wanted, address, self._opener.own), address)
        match kind:
            case SubstreamKind.NET:
                return await self._dialled(addresses)
            case SubstreamKind.TLS:
                return await self._secured(addresses, TargetVerification(self._opener.trust, host))

    def _host(self) -> Address | str:
        try:
            return hosts.canonical(self._request.host)
        except ValueError:
            self._asker.target_looked_up()
            raise node_errors.not_found(self._request.host) from None

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

    def _judge(self, rule: str | None, address: Address | str = "") -> None:
        if rule is None:
            return
        host, port = self._request.host, self._request.port
        if self._policy.mode is not EgressMode.REPORT:
            raise node_errors.denied(host, port, address, rule)
        if not self._reported:  # once for each connection, as a refusal would be
            self._reported = True
            target = f"{host}:{port}"
            log_lines.would_be_refused(self._tunnel, self._account, target, str(address), rule)

    async def _dial(
        self, addresses: Sequence[Address], protocol: Callable[[], IProtocol]
    ) -> Address:
        opener, port = self._opener, self._request.port
        try:
            if len(addresses) == 1:
                dialled = dial_one(opener.connect, addresses[0], port, protocol)
            else:
                dialled = dial(opener.connect, opener.clock, in_turn(addresses), port, protocol)
            if isinstance(dialled, IPv4Address | IPv6Address):
                address = dialled
            else:
                address = await self._in_time(
                    dialled, lambda: node_errors.connect_timed_out(addresses[0], port)
                )
        finally:
            self._step_ended(Step.DIAL, opener.durations.dial)
        self._asker.target_connected(address)
        return address

    async def _dialled(self, addresses: Sequence[Address]) -> Target:
        opener = self._opener
        target = Target(self._asker, opener.clock, opener.sockets)
        await self._dial(addresses, lambda: target)
        return target

    async def _secured(
        self, addresses: Sequence[Address], verification: TargetVerification
    ) -> Target:
        opener = self._opener
        target = SecureTarget(self._asker, opener.clock, opener.sockets)
        below = SecureFactory(verification, True, _Built(target), opener.clock)
        address = await self._dial(addresses, lambda: below.buildProtocol(None))
        port = self._request.port
        try:
            await self._in_time(target.secured, lambda: node_errors.tls_timed_out(address, port))
        except SSL.Error as why:
            failed = node_errors.tls_failed(address, port, openssl_reasons(why) or "TLS failed")
            raise verification.fault or failed from why
        except (error.ConnectionLost, error.ConnectionDone):
            raise node_errors.tls_cut() from None
        finally:
            self._step_ended(Step.TLS, opener.durations.target_tls)
        self._asker.target_secured()
        return target

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


@implementer(IProtocolFactory)
class _Built:
    """A factory for one protocol that exists already. It lives as long, so it is small."""

    __slots__ = ("_target",)

    def __init__(self, target: Target) -> None:
        self._target = target

    def buildProtocol(self, addr: IAddress) -> Target:  # noqa: ARG002 -- the interface's
        return self._target

    def doStart(self) -> None:
        """Do nothing; part of the interface of Twisted factories."""

    def doStop(self) -> None:
        """Do nothing; part of the interface of Twisted factories."""
