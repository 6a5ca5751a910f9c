"""The network of a program: each connection goes directly or through the tunnel, by its route.

Settings are read at the first use, because a program may set them itself.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import cast

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IProtocol, ITransport
from twisted.internet.protocol import DatagramProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from tessel.errors import NodeError
from tessel.network.direct import DirectNetwork
from tessel.network.interface import (
    BACKLOG,
    IConnectWatcher,
    IListening,
    INetwork,
    ProtocolFactory,
    Target,
    TlsOptions,
)
from tessel.network.route import Route, Way, route
from tessel.network.tunneled import TunneledNetwork
from tessel.settings import Settings

PROGRAMS_TLS = TlsOptions(check_name=False)  # the program checks, so the proxy cannot do it
MAX_HOST_CHARACTERS = 253  # a DNS name without a final dot; addresses are shorter

log = Logger(namespace="tessel")


@dataclass(frozen=True, slots=True)
class JoinedNetworks:
    """The settings of a device, with its direct network and its network through the tunnel."""

    settings: Settings
    direct: DirectNetwork
    tunneled: TunneledNetwork | None  # None without a token


@implementer(INetwork)
class RoutedNetwork:
    """The network of a program: sends each connection directly or through the tunnel.

    It logs the route of each connection.
    """

    def __init__(
        self, join: Callable[[], Coroutine[Deferred[object], object, JoinedNetworks]]
    ) -> None:
        """`join` is called when the network is first needed, and again after a failure."""
        self._join = join
        self._joining = False
        self._joined: JoinedNetworks | None = None
        self._waiting: list[Deferred[JoinedNetworks]] = []

    def ready(self) -> Deferred[object]:
        """Switch the radio on and join its network, unless that is done; see INetwork.ready."""
        return self._ready().addCallback(lambda _: None)

    def connect(
        self,
        target: Target,
        factory: ProtocolFactory,
        *,
        proxy: bool = True,
        encrypted: bool = False,
        watcher: IConnectWatcher | None = None,
    ) -> Deferred[IProtocol]:
        """Connect to a target without TLS, by the route for it; see INetwork.connect."""
        watching = cast("IConnectWatcher", watcher or NoWatcher())
        tls = PROGRAMS_TLS if encrypted else None
        return Deferred.fromCoroutine(self._connect(target, factory, tls, watching, proxy=proxy))

    def connect_tls(
        self,
        target: Target,
        factory: ProtocolFactory,
        tls: TlsOptions,
        *,
        proxy: bool = True,
        watcher: IConnectWatcher | None = None,
    ) -> Deferred[IProtocol]:
        """Connect to a target over TLS, by the route for it; see INetwork.connect_tls."""
        watching = cast("IConnectWatcher", watcher or NoWatcher())
        return Deferred.fromCoroutine(
            self._connect_tls(target, factory, tls, watching, proxy=proxy)
        )

    def lookup(self, name: str, family: int = 0) -> Deferred[Sequence[str]]:
        """Look a name up from the device, never from the proxy; see INetwork.lookup."""

        async def look_up() -> Sequence[str]:
            return await (await self._ready()).direct.lookup(name, family)

        return Deferred.fromCoroutine(look_up())

    def listen(
        self, port: int, factory: ProtocolFactory, *, host: str = "", backlog: int = BACKLOG
    ) -> Deferred[IListening]:
        """Accept TCP connections on a port of the device; see INetwork.listen."""

        async def listen() -> IListening:
            return await (await self._ready()).direct.listen(port, factory, host, backlog)

        return Deferred.fromCoroutine(listen())

    def bind_udp(
        self, port: int, protocol: DatagramProtocol, *, host: str = ""
    ) -> Deferred[IListening]:
        """Bind a UDP port of the device; see INetwork.bind_udp."""

        async def bind() -> IListening:
            return await (await self._ready()).direct.bind_udp(port, protocol, host)

        return Deferred.fromCoroutine(bind())

    async def finish(self) -> None:
        """Close the connections through the tunnels cleanly, then the tunnels.

        A program that has ended calls this. Without a tunnel it does nothing.
        """
        if self._joined is not None and self._joined.tunneled is not None:
            await self._joined.tunneled.finish()

    def close(self) -> Deferred[None]:
        """Close the tunnels, if there are any; fires when they are closed."""
        if self._joined is None or self._joined.tunneled is None:
            return succeed(None)
        return self._joined.tunneled.close()

    # Routing.

    async def _connect(
        self,
        target: Target,
        factory: ProtocolFactory,
        tls: TlsOptions | None,
        watcher: IConnectWatcher,
        *,
        proxy: bool,
    ) -> IProtocol:
        """Connect without TLS. `tls` is only for the route: that of the program itself."""
        _check(target)
        joined = await self._ready()
        chosen = route(target.host, tls, joined.settings, proxy=proxy)
        if chosen.way is Way.DIRECT or joined.tunneled is None:
            _log_direct(f"{target} (net)", chosen)
            return await joined.direct.connect(target, factory, watcher)
        return await joined.tunneled.connect(target, factory, watcher, chosen.reason)

    async def _connect_tls(
        self,
        target: Target,
        factory: ProtocolFactory,
        tls: TlsOptions,
        watcher: IConnectWatcher,
        *,
        proxy: bool,
    ) -> IProtocol:
        _check(target)
        joined = await self._ready()
        chosen = route(target.host, tls, joined.settings, proxy=proxy)
        tunneled = joined.tunneled
        if chosen.way is Way.DIRECT or tunneled is None:
            _log_direct(f"{target} (tls)", chosen)
            return await joined.direct.connect_tls(target, factory, tls, watcher)
        if chosen.way is Way.TLS_SUBSTREAM:
            return await tunneled.connect_tls_at_proxy(target, factory, watcher, chosen.reason)
        return await tunneled.connect_end_to_end(target, factory, tls, watcher, chosen.reason)

    # Joining.

    def _ready(self) -> Deferred[JoinedNetworks]:
        if self._joined is not None:
            return succeed(self._joined)
        waiter: Deferred[JoinedNetworks] = Deferred(self._waiting.remove)
        self._waiting.append(waiter)
        if not self._joining:
            self._joining = True
            joining = Deferred.fromCoroutine(self._join())
            joining.addCallbacks(self._has_joined, self._has_failed)
        return waiter

    def _has_joined(self, joined: JoinedNetworks) -> None:
        self._joining = False
        self._joined = joined
        for waiter in self._taken():
            waiter.callback(joined)

    def _has_failed(self, failure: Failure) -> None:
        self._joining = False
        for waiter in self._taken():
            waiter.errback(failure.value)

    def _taken(self) -> list[Deferred[JoinedNetworks]]:
        waiting, self._waiting = self._waiting, []
        return waiting


@implementer(IConnectWatcher)
class NoWatcher:
    """Ignores the steps of a connection attempt. It stands for a watcher that was not given."""

    def opened(self, transport: ITransport) -> None:
        pass

    def looked_up(self, error: NodeError | None, address: str | None, family: int | None) -> None:
        pass

    def connected(self) -> None:
        pass


def _check(target: Target) -> None:
    """Raise ENOTFOUND for a host that cannot be looked up or sent to the proxy."""
    host = target.host
    fits = 0 < len(host.removesuffix(".")) <= MAX_HOST_CHARACTERS
    if not fits or "\0" in host or not _is_utf8(host):
        shown = repr(host[: MAX_HOST_CHARACTERS + 1])
        raise NodeError(f"getaddrinfo ENOTFOUND {shown}", "ENOTFOUND")


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _log_direct(what: str, chosen: Route) -> None:
    log.debug("{what} directly: {why}", what=what, why=chosen.reason)
