"""The run of the gateway: its port, its board and, if asked for, the program that uses it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, cast

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IListeningPort, IReactorProcess
from twisted.logger import Logger

from tessel.board import Board
from tessel.gateway.client import Means
from tessel.gateway.command import Command
from tessel.gateway.limits import STOP_TIMEOUT_S
from tessel.gateway.listener import BACKLOG, Listener
from tessel.gateway.settings import Address, GatewaySettings
from tessel.radio.host import IHostReactor
from tessel.settings import Settings
from tessel_service_kit.serving import IServingReactor, Serving
from tessel_service_kit.systemd import Notifier
from tessel_service_kit.texts import counted

log = Logger(namespace="tessel")

PROTOCOLS: Final = "SOCKS5, SOCKS4a, HTTP"


class IGatewayReactor(IHostReactor, IServingReactor, IReactorProcess):
    """The interfaces of a Twisted reactor that the gateway uses."""


class GatewayRun:
    """Runs the gateway until a signal, or until the program that uses it has ended."""

    def __init__(
        self,
        reactor: IGatewayReactor,
        environ: Mapping[str, str],
        settings: GatewaySettings,
        random: Callable[[], float],
    ) -> None:
        self._reactor = reactor
        self._environ = environ
        self._settings = settings
        self._board = Board(reactor, environ, random, uncaught=_report_bug)
        means = Means(self._board.runtime.network, reactor, settings.handshake_timeout_s)
        self._listener = Listener(means, settings.credentials, settings.max_clients)
        self._port: IListeningPort | None = None
        self._command: Command | None = None
        self._serving = Serving(
            self._start,
            self._stop,
            reactor,
            stop_timeout_s=STOP_TIMEOUT_S,
            notifier=Notifier(environ),
        )

    def run(self, command: Sequence[str] = ()) -> int:
        """Run the gateway and return the exit code.

        `command`: a program and its arguments that runs with the gateway as its proxy. Its exit
        code is returned, and the gateway ends with it.
        """
        if command:
            self._command = Command(self._reactor, command, self._environ)
        code = self._serving.run()
        return code if code or self._command is None else self._command.exit_code

    def _start(self) -> None:
        listen = self._settings.listen
        self._port = self._reactor.listenTCP(listen.port, self._listener, BACKLOG, listen.host)
        address = Address(listen.host, getattr(self._port.getHost(), "port", listen.port))
        if self._command is None:
            log.info(
                "gateway on {address} ({protocols}); {way}",
                address=address,
                protocols=PROTOCOLS,
                way=_way(Settings.from_env(self._environ)),
            )
            return
        self._command.start(address, self._settings.credentials, self._serving.stop)

    async def _stop(self) -> None:
        if self._port is not None:
            await maybeDeferred(self._port.stopListening)
        if self._command is not None:
            self._command.end()
        if self._listener.count:
            log.info("cut: {count}", count=counted(self._listener.count, "connection"))
        self._listener.abort_all()
        await cast("Deferred[None]", Deferred.fromCoroutine(self._board.power_off()))


def _way(settings: Settings) -> str:
    """Return which way the connections go, for the first line."""
    if settings.token is None:
        return "all connections go directly: no token is set (PROXY_TOKEN)"
    return f"connections go through the tunnel to {settings.proxy_host}:{settings.proxy_port}"


def _report_bug(error: BaseException) -> None:
    """Report an exception that no connection has handled: a bug. The gateway runs on."""
    log.error("a connection has failed: {error!r}", error=error)
