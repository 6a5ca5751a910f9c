"""The proxy as a whole: what is joined to what; start and stop.

device -> TCP -> TLS -> TunnelProtocol -> Session -> Outbound -> target
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from random import SystemRandom
from typing import cast

from twisted.application.service import Service
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import (
    IListeningPort,
    IOpenSSLServerConnectionCreator,
    IReactorFDSet,
    IReactorThreads,
)
from twisted.internet.task import deferLater
from twisted.logger import Logger

from streamplex.tx.tls import TLSFactory
from tessel_proxy.auth import Authenticator
from tessel_proxy.auth.wrappers import AuthResult, ReportingAuthenticator, ResultListener
from tessel_proxy.egress.own import OwnAddresses
from tessel_proxy.egress.policies import Policies
from tessel_proxy.files.reloadable import Reloadable
from tessel_proxy.front.balancers import ProxyProtocolFactory
from tessel_proxy.front.expiry import ExpiryWatch
from tessel_proxy.front.listening import IListeningReactor, listen
from tessel_proxy.front.tls import ServerTLS
from tessel_proxy.limits.accounts import AccountLimits
from tessel_proxy.limits.descriptors import PLENTY
from tessel_proxy.limits.memory import MemoryWatch
from tessel_proxy.limits.penalties import Penalties
from tessel_proxy.monitoring.admin import AdminPort, admin_site
from tessel_proxy.monitoring.ledger import Ledger
from tessel_proxy.monitoring.metrics import Sources, registry_of
from tessel_proxy.monitoring.readiness import Readiness
from tessel_proxy.records.accounting import Listener
from tessel_proxy.records.error_codes import ErrorCode
from tessel_proxy.records.repeated_lines import RepeatedLines
from tessel_proxy.startup.config import Config
from tessel_proxy.startup.listeners import AdmissionFactory, TunnelFactory
from tessel_proxy.startup.reload import Reloader
from tessel_proxy.targets.connecting import TCPConnector
from tessel_proxy.targets.lookup import Lookups, lookup_threads, system_resolver
from tessel_proxy.targets.opening import Opener
from tessel_proxy.targets.trust import TargetTrust
from tessel_proxy.tunnel.drain import Drain
from tessel_proxy.tunnel.shared_state import SharedState
from tessel_proxy.tunnel.unanswered import UnansweredWatch
from tessel_service_kit.clocks import WallTime
from tessel_service_kit.names import HELPER_THREADS, IThreadsAndTime
from tessel_service_kit.texts import counted

STOP_GRACE_S = 5.0
"""How long a stop waits for devices and targets to take what is on its way to them."""

LEGACY_WARNING = (
    "port {port} takes TLS 1.0 and 1.1 without forward secrecy: let nothing but Tessel 1 boards "
    "come to it"
)

SAY_WHOSE_TOKENS = ("AUTH_FILE", "AUTH_HARDCODED_FILE", "AUTH_TESSEL_OA2_FILE")
"""When one of these has changed, a token that was wrong may be right."""

STOP_LOOK_S = 0.05
"""How often it looks whether they have."""


class IProxyReactor(IListeningReactor, IReactorFDSet, IThreadsAndTime, IReactorThreads):
    """What the proxy needs of the reactor."""


@dataclass(frozen=True, slots=True)
class ListeningAddress:
    host: str
    port: int
    listener: Listener = Listener.MAIN


class ProxyService(Service):
    """One proxy."""

    _log = Logger()

    def __init__(
        self,
        config: Config,
        reactor: IProxyReactor,
        authenticator: Authenticator,
        server_tls: IOpenSSLServerConnectionCreator,
        reloadables: Sequence[Reloadable] = (),
        *,
        legacy_tls: IOpenSSLServerConnectionCreator | None = None,
        certificate_ends: Callable[[], float | None] = lambda: None,
        revocations_end: Callable[[], float | None] = lambda: None,
        wall_time: WallTime = time.time,
        log_dropped: Callable[[], int] = lambda: 0,
        token_service: ResultListener | None = None,
        descriptors: int = PLENTY,
    ) -> None:
        """`certificate_ends` tells when what devices are shown expires, in seconds since 1970, and
        `revocations_end` when the first revocation list does.

        Raises ConfigError if TARGET_CA_FILE or POLICY_FILE is of no use.
        """
        self._config = config
        self._reactor = reactor
        self._threads, self._helpers = lookup_threads(), lookup_threads(HELPER_THREADS)
        self._lookups = Lookups(system_resolver(reactor, self._threads, self._helpers))
        trust = TargetTrust(config.target_ca_file)
        self._own = OwnAddresses()
        self.policies = Policies(config)
        policies = [self.policies] if self.policies.paths else []  # without a file: none to reload
        self._reloader = Reloader(
            reactor, [trust, *policies, *reloadables], config.reload_look_s, self._reloaded
        )
        opener = Opener(
            reactor,
            TCPConnector(reactor, keep_alive=config.keep_alive),
            self._lookups,
            trust,
            self.policies,
            self._own,
            config.connect_timeout_s,
        )
        self._readiness = Readiness(
            reactor, lambda: bool(self._ports), lambda: self._memory.is_full
        )
        self._ledger = Ledger()
        self._lines = RepeatedLines(reactor)
        for each in (server_tls, legacy_tls):
            if isinstance(each, ServerTLS):
                each.lines = self._lines
        watched = ReportingAuthenticator(authenticator, self._token_checked)
        if token_service is not None:
            token_service.listener = self._token_service_answered
        limits = AccountLimits(config, reactor, descriptors)
        if limits.shares.is_short:
            self._warn_of_few(descriptors, limits.shares.tunnels)
        penalties = Penalties(config.max_wrong_tokens, config.auth_penalty_s)
        self._shared = SharedState(
            config,
            reactor,
            watched,
            opener,
            limits,
            penalties,
            witness=self._ledger,
            lines=self._lines,
        )
        self._memory = MemoryWatch(
            reactor, config.memory_max_mib, lambda: [*self._shared.tunnels.all, *limits.tallies]
        )
        self._unanswered = UnansweredWatch(reactor, self._shared.tunnels, config.keep_alive.lost_s)
        self._expiry = ExpiryWatch(reactor, certificate_ends, wall_time)
        self._admin = AdminPort(
            config,
            reactor,
            admin_site(
                self._readiness,
                registry_of(
                    Sources(
                        config=config,
                        ledger=self._ledger,
                        tunnels=self._shared.tunnels,
                        limits=limits,
                        lookups=self._lookups,
                        readiness=self._readiness,
                        certificate_ends=certificate_ends,
                        revocations_end=revocations_end,
                        log_dropped=log_dropped,
                    )
                ),
            ),
        )
        self._numbers = count(1)  # of tunnels, whatever port they come to
        self._door = self._door_with(server_tls, Listener.MAIN)
        self._legacy_door = legacy_tls and self._door_with(legacy_tls, Listener.LEGACY)
        self._ports: list[tuple[Listener, IListeningPort]] = []

    def _door_with(
        self, tls: IOpenSSLServerConnectionCreator, listener: Listener
    ) -> ProxyProtocolFactory:
        tunnels = TunnelFactory(self._shared, self._numbers, listener)
        door = AdmissionFactory(
            self._shared, self._memory, TLSFactory(tls, False, tunnels, self._reactor)
        )
        config = self._config
        return ProxyProtocolFactory(
            door,
            config.proxy_protocol_from,
            self._reactor,
            config.max_unauthenticated,
            self._ledger,
            lines=self._lines,
        )

    def _warn_of_few(self, descriptors: int, tunnels: int) -> None:
        self._log.warn(
            "MAX_TUNNELS={asked}, but {descriptors} descriptors leave room for {tunnels}: raise "
            "the hard limit of open files (LimitNOFILE=, ulimits)",
            event="few_descriptors",
            error=ErrorCode.FEW_DESCRIPTORS.value,
            asked=self._config.max_tunnels,
            descriptors=descriptors,
            tunnels=tunnels,
        )

    def _reloaded(self, name: str) -> None:
        if name in SAY_WHOSE_TOKENS:
            self._shared.penalties.forget_wrong()

    def _token_checked(self, result: AuthResult) -> None:
        self._ledger.auth_answers[result] += 1

    def _token_service_answered(self, result: AuthResult) -> None:
        if result is AuthResult.MISCONFIGURED:
            self._readiness.credentials_wrong()
        elif result in (AuthResult.ACCEPTED, AuthResult.REFUSED):
            self._readiness.credentials_right()

    @property
    def admin_port(self) -> int | None:
        """Where health and metrics are, if anywhere."""
        return self._admin.port

    @property
    def addresses(self) -> Sequence[ListeningAddress]:
        """Where it listens: with PORT=0 there is no other way to know."""
        hosts = [
            (listener, cast("IPv4Address | IPv6Address", port.getHost()))
            for listener, port in self._ports
        ]
        return [ListeningAddress(each.host, each.port, listener) for listener, each in hosts]

    def startService(self) -> None:
        """Listen. Raises CannotListenError."""
        self._admin.start()
        self._listen(Listener.MAIN, self._config.port, self._door)
        if self._legacy_door and self._config.legacy_port is not None:
            self._listen(Listener.LEGACY, self._config.legacy_port, self._legacy_door)
        self._threads.start()
        self._helpers.start()
        self._reloader.start()
        self._expiry.start()
        self._memory.start()
        self._unanswered.start()
        super().startService()  # type: ignore[no-untyped-call] # Twisted's has no types
        if self.admin_port is not None:
            self._own.add_listener(self._config.admin_host or "::", self.admin_port)
        for each in self.addresses:
            self._own.add_listener(each.host, each.port)
            self._log.info(
                "listening on {host}, port {port}",
                event="listening",
                host=each.host,
                port=each.port,
                listener=each.listener.value,
            )
            if each.listener is Listener.LEGACY:
                self._log.warn(LEGACY_WARNING, event="legacy_listening", port=each.port)

    def _listen(self, listener: Listener, port: int, door: ProxyProtocolFactory) -> None:
        self._ports.append((listener, listen(self._reactor, self._config.host, port, door)))

    def reload(self) -> None:
        """Use all files as they are now, those that cannot be used excepted."""
        self._reloader.reload_all()

    def stopService(self) -> Deferred[None]:
        """Take no more tunnels; end those there are, when they are done or time is up."""
        super().stopService()  # type: ignore[no-untyped-call] # Twisted's has no types
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        self._readiness.draining = True
        await self._be_found_not_ready()
        self._expiry.stop()
        await self._stop_listening()
        await Drain(
            self._shared.tunnels, self._reactor, SystemRandom().randint, self._targets_lack
        ).run(self._config.drain_s, self._config.drain_return_s)
        self._reloader.stop()  # a token that is withdrawn during the drain ends its tunnel
        await self._end_all()
        self._memory.stop()
        self._unanswered.stop()
        await self._admin.stop()
        self._stop_lookups()
        self._lines.flush()

    async def _be_found_not_ready(self) -> None:
        """Take new tunnels for as long as load balancers may need to ask /readyz."""
        delay_s = self._config.drain_delay_s
        if not delay_s or not self._ports:
            return
        self._log.info(
            "not ready any more; new tunnels are taken for {seconds:g} s",
            event="drain_delayed",
            seconds=delay_s,
        )
        await deferLater(self._reactor, delay_s)

    def _targets_lack(self) -> bool:
        return any(each.unsent_bytes for each in self._shared.opener.sockets)

    async def _stop_listening(self) -> None:
        ports, self._ports = self._ports, []
        for _listener, port in ports:
            await maybeDeferred(port.stopListening)
        for door in (self._door, self._legacy_door):
            if door:
                door.abort()

    async def _end_all(self) -> None:
        for session in list(self._shared.tunnels.all):
            session.stop()
        await self._all_gone(STOP_GRACE_S)
        self.abort()
        await self._all_gone(STOP_LOOK_S)

    def abort(self) -> None:
        """Cut everything now: with a reset, for nothing that is cut may look whole."""
        for session in list(self._shared.tunnels.all):
            session.abort()
        for target in list(self._shared.opener.sockets):
            target.abort()
        self._lines.flush()  # after a second signal nothing else does it

    def _stop_lookups(self) -> None:
        if self._lookups.under_way:
            # Their threads do not keep the process, and waiting for them would.
            count = self._lookups.under_way
            self._log.warn(
                "given up: {log_lookups}",
                event="lookups_left",
                log_lookups=counted(count, "look-up"),
                count=count,
            )
        for pool in (self._threads, self._helpers):
            if pool.started and not pool.working:
                pool.stop()

    async def _all_gone(self, within_s: float) -> None:
        deadline = self._reactor.seconds() + within_s
        while self._shared.tunnels.all or self._shared.opener.sockets:
            if self._reactor.seconds() >= deadline:
                return
            await deferLater(self._reactor, STOP_LOOK_S)
