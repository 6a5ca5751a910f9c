"""The proxy as a whole: joins its parts, starts and stops them.

device -> TCP -> TLS -> TunnelProtocol -> Session -> Outbound -> target
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IOpenSSLServerConnectionCreator,
    IReactorThreads,
)
from twisted.logger import Logger

from tessel_proxy.auth import Authenticator
from tessel_proxy.auth.wrappers import (
    AuthResult,
    ResultListener,
)
from tessel_proxy.files.reloadable import Reloadable
from tessel_proxy.fleet.joining import Fleet, SharedGuesses, member_name, member_of
from tessel_proxy.fleet.notice_actions import NoticeActions
from tessel_proxy.fleet.notices import Hear
from tessel_proxy.fleet.place import Place
from tessel_proxy.front.expiry import ExpiryWatch
from tessel_proxy.front.tls import ServerTLS
from tessel_proxy.limits.descriptors import PLENTY
from tessel_proxy.limits.memory import MemoryWatch
from tessel_proxy.monitoring.admin import AdminPort, admin_site
from tessel_proxy.monitoring.lag import LagWatch
from tessel_proxy.monitoring.readiness import Readiness
from tessel_proxy.startup.config import Config
from tessel_proxy.startup.joining import invitations_of
from tessel_proxy.startup.listeners import DevicePorts, ITimedListeningReactor, ListeningAddress
from tessel_proxy.startup.reload import Reloader
from tessel_proxy.startup.stopping import (
    NEWCOMERS_S,
    OpenConnections,
    wait_for_load_balancers,
)
from tessel_proxy.startup.tunnel_parts import ITunnelReactor, TunnelParts
from tessel_proxy.startup.withdrawing import WithdrawnTokens
from tessel_proxy.tunnel.unanswered import UnansweredWatch
from tessel_service_kit.clocks import WallTime

TOKEN_SOURCES = ("AUTH_FILE", "AUTH_HARDCODED_FILE", "AUTH_TESSEL_OA2_FILE")
"""Files of tokens. When one is reloaded, penalties for wrong tokens end: a token that was wrong may
now be accepted."""


class IProxyReactor(ITimedListeningReactor, ITunnelReactor, IReactorThreads):
    """The reactor interfaces that the proxy uses."""


class ProxyService(Service):
    """A whole proxy: `startService` listens, `reload` reads files again, `stopService` ends it.

    `member` is its name among all processes. `hear` acts on a notice, such as that tokens were
    revoked.

    If `successors_serve` is set before the stop, other processes accept on the same sockets: the
    stop does not wait for load balancers, lets handshakes finish, and asks devices to return soon.
    """

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
        doubt: Callable[[], None] = lambda: None,
        take_withdrawn: Callable[[], Collection[str]] = frozenset,
        descriptors: int = PLENTY,
        place: Place | None = None,
        fleet: Fleet | None = None,
    ) -> None:
        """Build and join all parts of the proxy; it listens only after `startService`.

        Args:
            config: the settings.
            reactor: Twisted's reactor.
            authenticator: checks the tokens.
            server_tls: TLS for PORT.
            reloadables: objects that are reloaded when their files change, besides those of
                TARGET_CA_FILE and POLICY_FILE.
            legacy_tls: TLS for LEGACY_PORT; None: no such port.
            certificate_ends: returns when the first server certificate expires, in seconds since
                1970; None: there is none.
            revocations_end: returns when the first revocation list expires, in seconds since 1970;
                None: there is none.
            wall_time: returns the current time in seconds since 1970.
            log_dropped: returns how many log lines were dropped.
            token_service: reports each answer of the token service, on which readiness depends;
                None: no token service.
            doubt: makes the authenticator forget that it has checked tokens lately.
            take_withdrawn: returns the accounts that have lost a token at a reload since its last
                call.
            descriptors: how many files and sockets the process may have open.
            place: of a worker, with the sockets that it inherits; None: a proxy of one process.
            fleet: the state that other processes share with this one; None: there are none.

        Raises:
            ConfigError: TARGET_CA_FILE or POLICY_FILE cannot be used.
        """
        self._config = config
        self._reactor = reactor
        self._place = place
        self.successors_serve = False
        self._parts = TunnelParts(
            config, reactor, wall_time, descriptors, 1 if fleet is None else fleet.workers
        )
        self.refusing, self.usage = self._parts.refusing, self._parts.usage
        self._reloader = Reloader(
            reactor,
            [*self._parts.reloadables, *reloadables],
            config.reload_look_s,
            self._reloaded,
        )
        self._readiness = Readiness(
            reactor, lambda: self._ports.are_open, lambda: self._memory.is_full
        )
        self.member = member_name() if fleet is None else fleet.member
        self._lag = LagWatch(reactor, self._parts.ledger.durations.reactor_lag)
        for each in (server_tls, legacy_tls):
            if isinstance(each, ServerTLS):
                each.lines = self._parts.lines
        if token_service is not None:
            token_service.listener = self._token_service_answered
        self._doubt = doubt
        limits, tunnels = self._parts.limits, self._parts.tunnels
        actions = NoticeActions(tunnels, self._doubt_tokens, self.refusing)
        self.hear: Hear = actions.hear
        engine = None if fleet is None else fleet.engine
        self._withdrawn = WithdrawnTokens(take_withdrawn, actions.check_accounts, engine, reactor)
        self._member = (
            None
            if fleet is None
            else member_of(fleet, config, reactor, limits, tunnels=tunnels, hear=self.hear)
        )
        self._shared = self._parts.shared_state(
            authenticator,
            places=self._member,
            guesses=None if engine is None else SharedGuesses(engine, config.max_wrong_tokens),
            invitations=invitations_of(
                config,
                reactor,
                wall_time,
                lambda: self._reloader.load_changed(TOKEN_SOURCES),
                fleet,
            ),
        )
        self._memory = MemoryWatch(
            reactor, config.memory_max_mib, lambda: [*tunnels.all, *limits.tallies]
        )
        self._unanswered = UnansweredWatch(reactor, tunnels, config.keep_alive.lost_s)
        self._expiry = ExpiryWatch(reactor, certificate_ends, wall_time)
        self.metrics = self._parts.registry(
            self._readiness,
            certificate_ends=certificate_ends,
            revocations_end=revocations_end,
            log_dropped=log_dropped,
        )
        self.admin_site = admin_site(self._readiness, self.metrics)
        self._admin = AdminPort(config, reactor, self.admin_site)
        role = "proxy" if place is None else "worker"
        self.operated = self._parts.operated(self.member, role, wall_time, self._readiness)
        self._ports = DevicePorts(
            config,
            reactor,
            self._shared,
            self._memory,
            server_tls=server_tls,
            legacy_tls=legacy_tls,
            place=place,
        )
        self._open = OpenConnections(self._shared, self._ports, reactor)

    def _reloaded(self, name: str) -> None:
        if name in TOKEN_SOURCES:
            self._shared.penalties.forget_wrong()
            self._withdrawn.reloaded()

    def _doubt_tokens(self) -> Sequence[str]:
        faulty = self._reloader.load_changed(TOKEN_SOURCES)
        self._doubt()
        return faulty

    def _token_service_answered(self, result: AuthResult) -> None:
        if result is AuthResult.MISCONFIGURED:
            self._readiness.credentials_wrong()
        elif result in (AuthResult.ACCEPTED, AuthResult.REFUSED):
            self._readiness.credentials_right()

    @property
    def obstacles(self) -> Sequence[str]:
        """The reasons, in words, why this process should get no new tunnels; empty: none."""
        return self._readiness.obstacles

    @property
    def tunnels(self) -> int:
        """Number of open tunnels, also of those whose token is not accepted yet."""
        return len(self._shared.tunnels.all)

    @property
    def admin_port(self) -> int | None:
        """The port number for health and metrics; None if the proxy does not listen on one."""
        return self._admin.port

    @property
    def addresses(self) -> Sequence[ListeningAddress]:
        """The addresses on which the proxy accepts devices, with the real port if PORT is 0."""
        return self._ports.addresses

    def startService(self) -> None:
        """Listen, and start threads and timers; raises CannotListenError if a port is in use."""
        self._admin.start()
        self._ports.open()
        self._parts.start()
        self._reloader.start()
        self._expiry.start()
        self._memory.start()
        self._unanswered.start()
        self._lag.start()
        if self.operated is not None:
            self.operated.history.start()
        if self._member is not None:
            self._member.start()
        super().startService()  # type: ignore[no-untyped-call] # Twisted's has no types
        if self.admin_port is not None:
            self._parts.own.add_listener(self._config.admin_host or "::", self.admin_port)
        for each in self.addresses:
            self._parts.own.add_listener(each.host, each.port)
        for host, port in self._place.listening if self._place else ():
            self._parts.own.add_listener(host, port)
        self._ports.log()

    def reload(self) -> None:
        """Reload all files, changed or not. A faulty file leaves its former content in use.

        The other processes are notified of tokens that are no longer in a file.
        """
        self._reloader.reload_all()
        self._withdrawn.notify()

    def stopService(self) -> Deferred[None]:
        """Stop the proxy; the Deferred fires when all is closed.

        The proxy accepts tunnels for DRAIN_DELAY_S more, waits up to DRAIN_S for open substreams to
        end, then closes all tunnels.
        """
        super().stopService()  # type: ignore[no-untyped-call] # Twisted's has no types
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        self._readiness.draining = True
        if self.successors_serve:
            await self._ports.stop_listening()
            await self._open.wait_for_newcomers()
        elif self._ports.are_open:
            await wait_for_load_balancers(self._reactor, self._config.drain_delay_s)
        self._expiry.stop()
        await self._ports.close()
        drain = self._open.drain()
        if self.successors_serve:
            await drain.run(self._config.drain_s, 0.0, NEWCOMERS_S)
        else:
            await drain.run(self._config.drain_s, self._config.drain_return_s)
        self._reloader.stop()  # not before: a token revoked during the drain ends its tunnel
        await self._open.end()
        self._memory.stop()
        self._unanswered.stop()
        self._lag.stop()
        if self.operated is not None:
            self.operated.history.stop()
        if self._parts.traces is not None:
            await self._parts.traces.stop()
        if self._member is not None:
            await self._member.stop()
        await self._admin.stop()
        self._parts.stop()

    def abort(self) -> None:
        """Reset all connections of devices and targets now, so that no cut data looks complete."""
        self._open.abort()
        self._parts.lines.flush()  # after a second signal nothing else flushes
