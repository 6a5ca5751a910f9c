"""The ports for devices: admission of connections, then one TunnelProtocol and Session for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Final, cast

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import maybeDeferred
from twisted.internet.interfaces import (
    IAddress,
    IListeningPort,
    IOpenSSLServerConnectionCreator,
    IReactorTime,
)
from twisted.internet.protocol import ServerFactory
from twisted.logger import Logger
from twisted.protocols.tls import TLSMemoryBIOProtocol

from streamplex import Side
from streamplex.tx import TunnelProtocol
from streamplex.tx.tls import TLSFactory
from tessel_proxy.fleet.place import Place
from tessel_proxy.front.balancers import ProxyProtocolFactory
from tessel_proxy.front.listening import IListeningReactor, listen, take_devices
from tessel_proxy.front.settings import FrontSettings
from tessel_proxy.limits.memory import MemoryWatch
from tessel_proxy.records.accounting import Listener, TunnelRecord, log_refused
from tessel_proxy.records.ends import Refusal
from tessel_proxy.records.peers import peer_name
from tessel_proxy.tunnel.session import Session
from tessel_proxy.tunnel.shared_state import SharedState

LEGACY_WARNING: Final = (
    "port {port} accepts TLS 1.0 and 1.1 without forward secrecy: make it reachable for Tessel 1 "
    "boards only"
)


class TunnelFactory(ServerFactory[TunnelProtocol]):
    """A factory that makes a TunnelProtocol and its Session for each TLS connection of a device.

    `numbers` yields the tunnel numbers for the log; `listener` is the port of the connections.
    """

    noisy = False

    def __init__(self, shared: SharedState, numbers: Iterator[int], listener: Listener) -> None:
        self._shared = shared
        self._numbers = numbers
        self._listener = listener

    def buildProtocol(self, addr: IAddress | None) -> TunnelProtocol:
        """Called for each TLS connection: returns its TunnelProtocol, with a new tunnel number."""
        record = TunnelRecord(
            tunnel=next(self._numbers),
            peer=_peer(addr),
            started_at=self._shared.clock.seconds(),
            listener=self._listener,
            witness=self._shared.witness,
            lines=self._shared.lines,
        )
        return TunnelProtocol(Side.A, Session(self._shared, record), self._shared.clock)


class AdmissionFactory(ServerFactory[TLSMemoryBIOProtocol]):
    """A factory that starts TLS on a connection, or refuses it if a limit of the proxy is reached.

    The limits are memory, open tunnels, unauthenticated tunnels and TLS handshakes. Addresses that
    the operator refuses cost no handshake. `tunnels` is the factory of TLS connections.
    """

    noisy = False

    def __init__(
        self,
        shared: SharedState,
        memory: MemoryWatch,
        tunnels: TLSFactory,
        room: Callable[[], int] | None = None,
    ) -> None:
        """`room`: of a worker, how many tunnels it may have now; None: MAX_TUNNELS."""
        self._room = room
        self._refusals = shared.refusals
        self._tunnels = shared.tunnels
        self._witness = shared.witness
        self._lines = shared.lines
        self._memory = memory
        self._config = shared.config
        self._shares = shared.limits.shares
        self._factory = tunnels

    def buildProtocol(self, addr: IAddress | None) -> TLSMemoryBIOProtocol | None:
        """Called for each connection: returns its TLS protocol, or None to close it at once.

        A refusal is counted and logged.
        """
        if why := self._refused(addr) or self._no_room():
            log_refused(_peer(addr), why, self._witness, self._lines)
            return None  # the connection is closed at once
        return self._factory.buildProtocol(addr)

    def _refused(self, addr: IAddress | None) -> Refusal | None:
        if isinstance(addr, IPv4Address | IPv6Address) and self._refusals.of_address(addr.host):
            return Refusal.REFUSED_BY_OPERATOR
        return None

    def _no_room(self) -> Refusal | None:
        tunnels, config = self._tunnels, self._config
        if self._memory.is_full:
            return Refusal.MEMORY_FULL
        if len(tunnels.all) >= self._shares.tunnels or self._others_leave_none():
            return Refusal.TOO_MANY_TUNNELS
        if len(tunnels.unauthenticated) >= config.max_unauthenticated:
            return Refusal.TOO_MANY_UNAUTHENTICATED
        if len(tunnels.handshaking) >= config.max_handshakes:
            return Refusal.TOO_MANY_HANDSHAKES
        return None

    def _others_leave_none(self) -> bool:
        return self._room is not None and len(self._tunnels.all) >= self._room()


@dataclass(frozen=True, slots=True)
class ListeningAddress:
    """An address and port on which the proxy accepts devices; `listener`: PORT or LEGACY_PORT."""

    host: str
    port: int
    listener: Listener = Listener.MAIN


class ITimedListeningReactor(IListeningReactor, IReactorTime):
    """The reactor interfaces that DevicePorts uses: listening and timers."""


class DevicePorts:
    """The ports for devices: PORT, and LEGACY_PORT if it is set."""

    _log = Logger()

    def __init__(
        self,
        config: FrontSettings,
        reactor: ITimedListeningReactor,
        shared: SharedState,
        memory: MemoryWatch,
        *,
        server_tls: IOpenSSLServerConnectionCreator,
        legacy_tls: IOpenSSLServerConnectionCreator | None,
        place: Place | None = None,
    ) -> None:
        """`place`: of a worker, whose sockets listen already; None: `open` makes the sockets."""
        self._config = config
        self._inherited = place.sockets if place else {}
        self._room = place.max_tunnels if place else None
        self._reactor = reactor
        self._shared = shared
        self._memory = memory
        self._numbers = count(1)  # of tunnels, over both ports
        self._main = self._factory(server_tls, Listener.MAIN)
        self._legacy = legacy_tls and self._factory(legacy_tls, Listener.LEGACY)
        self._ports: list[tuple[Listener, IListeningPort]] = []

    def _factory(
        self, tls: IOpenSSLServerConnectionCreator, listener: Listener
    ) -> ProxyProtocolFactory:
        tunnels = TunnelFactory(self._shared, self._numbers, listener)
        below = TLSFactory(tls, False, tunnels, self._reactor)
        return ProxyProtocolFactory(
            AdmissionFactory(self._shared, self._memory, below, self._room),
            self._config.proxy_protocol_from,
            self._reactor,
            self._shared.config.max_unauthenticated,
            self._shared.witness,
            lines=self._shared.lines,
        )

    @property
    def are_open(self) -> bool:
        """Whether at least one port is listening."""
        return bool(self._ports)

    @property
    def addresses(self) -> Sequence[ListeningAddress]:
        """The addresses of the ports that are open, with the real port numbers."""
        hosts = [
            (listener, cast("IPv4Address | IPv6Address", port.getHost()))
            for listener, port in self._ports
        ]
        return [ListeningAddress(each.host, each.port, listener) for listener, each in hosts]

    def open(self) -> None:
        """Listen on all ports; raises CannotListenError if one is in use or not allowed."""
        self._listen(Listener.MAIN, self._config.port, self._main)
        if self._legacy and self._config.legacy_port is not None:
            self._listen(Listener.LEGACY, self._config.legacy_port, self._legacy)

    def _listen(self, listener: Listener, port: int, factory: ProxyProtocolFactory) -> None:
        opened = self._opened(listener, port, factory)
        take_devices(opened)
        self._ports.append((listener, opened))

    def _opened(
        self, listener: Listener, port: int, factory: ProxyProtocolFactory
    ) -> IListeningPort:
        inherited = self._inherited.get(listener)
        if inherited is None:
            return listen(self._reactor, self._config.host, port, factory)
        with inherited:  # the reactor duplicates the descriptor
            return self._reactor.adoptStreamPort(inherited.fileno(), inherited.family, factory)

    def log(self) -> None:
        """Log each listening address, with a warning for LEGACY_PORT."""
        for each in self.addresses:
            self._log.info(
                "listening on {host}, port {port}",
                event="listening",
                host=each.host,
                port=each.port,
                listener=each.listener.value,
            )
            if each.listener is Listener.LEGACY:
                self._log.warn(LEGACY_WARNING, event="legacy_listening", port=each.port)

    @property
    def waiting(self) -> int:
        """Number of connections of load balancers that wait for their PROXY header."""
        return sum(len(each.waiting) for each in (self._main, self._legacy) if each)

    async def stop_listening(self) -> None:
        """Stop listening; connections stay open."""
        ports, self._ports = self._ports, []
        for _listener, port in ports:
            await maybeDeferred(port.stopListening)

    async def close(self) -> None:
        """Stop listening, and close connections that wait for a PROXY header; tunnels stay open."""
        await self.stop_listening()
        for factory in (self._main, self._legacy):
            if factory:
                factory.abort()


def _peer(addr: IAddress | None) -> str:
    return "" if addr is None else peer_name(addr)
