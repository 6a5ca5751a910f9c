"""What is around the chip: access points in range, and behind them this machine's network.

Whoever plays with the air (a test, the board) puts access points up and takes them away; the chip
that listens here notices. An address that the chip dials is dialled by this machine as it is, so
that 127.0.0.1 is this machine and the lease's own address is nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import cast
from weakref import WeakSet

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.error import ConnectionRefusedError as RefusedError
from twisted.internet.interfaces import (
    IAddress,
    IConnector,
    IListeningPort,
    IProtocol,
    IReactorTCP,
    IReactorTime,
    IReactorUDP,
)
from twisted.internet.protocol import (
    ClientFactory,
    DatagramProtocol,
    Factory,
    Protocol,
    ServerFactory,
)
from twisted.internet.tcp import Connection
from zope.interface import implementer

from tessel.cc3000.hci.codes import Security
from tessel.cc3000.hci.replies import Lease
from tessel.cc3000.hci.wlan import ANY_BSSID

HELD_BY_KERNEL = 50  # connections that the chip is not yet ready for: a peer would repeat its SYN
LARGEST_DATAGRAM = 65_507

Lookup = Callable[[str], "Deferred[Sequence[str]]"]


class IAirReactor(IReactorTCP, IReactorUDP, IReactorTime):
    """What of a reactor the air needs."""


LEASE = Lease("10.10.220.131", "255.255.255.0", "10.10.220.1", "10.10.220.1", "10.10.220.1")


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessPoint:
    """One that the chip can hear. Without a `lease` it lets the chip in but gives no address."""

    ssid: bytes
    security: int = Security.OPEN
    key: bytes = field(default=b"", repr=False)
    bssid: bytes = bytes.fromhex("00 11 22 33 44 55")
    rssi: int = 0x72  # in the chip's seven bits, as in TI's driver's example
    lease: Lease | None = LEASE

    def lets_in(self, security: int, key: bytes) -> bool:
        return (security, key) == (self.security, self.key)

    def is_named(self, ssid: bytes, bssid: bytes) -> bool:
        return ssid == self.ssid and bssid in (self.bssid, ANY_BSSID)


class Air:
    """The access points in range, and this machine behind them.

    `lookup` asks this machine's resolver. Ports that the chip opens are opened on `interface`;
    datagrams from them reach no further than that. "" is everywhere.
    `clock` is the reactor's, or one that knows whose calls are whose.
    """

    def __init__(
        self,
        reactor: IAirReactor,
        lookup: Lookup,
        *,
        clock: IReactorTime | None = None,
        interface: str = "127.0.0.1",
    ) -> None:
        self.clock = reactor if clock is None else clock
        self.lookup = lookup
        self.access_points: list[AccessPoint] = []
        self._reactor = reactor
        self._interface = interface
        self._listeners: list[Callable[[], None]] = []
        self._connectors: WeakSet[IConnector] = WeakSet()
        self._ports: WeakSet[IListeningPort] = WeakSet()

    # Access points.

    def appear(self, access_point: AccessPoint) -> None:
        """Into range, or on; in the place of one with the same BSSID."""
        self._without(access_point.bssid)
        self.access_points.append(access_point)
        self._changed()

    def vanish(self, access_point: AccessPoint) -> None:
        """Out of range, or off."""
        self._without(access_point.bssid)
        self._changed()

    def listen_in(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Be told when access points come and go; call what is returned to be told no more."""
        self._listeners.append(changed)
        return lambda: self._listeners.remove(changed)

    def _without(self, bssid: bytes) -> None:
        self.access_points = [known for known in self.access_points if known.bssid != bssid]

    def _changed(self) -> None:
        for changed in list(self._listeners):
            changed()

    # This machine.

    def owns(self, selectable: object) -> bool:
        """Is this, among what the reactor watches, a socket of the chip's?"""
        return (
            selectable in self._ports
            or getattr(selectable, "connector", None) in self._connectors
            or getattr(selectable, "server", None) in self._ports
        )

    def dial(
        self, host: str, port: int, protocol: Protocol, *, from_port: int, timeout_s: float
    ) -> Deferred[IProtocol]:
        """Fails with a ConnectError, or a CancelledError when cancelled."""
        bind = ("", from_port) if from_port else None
        dialler = _Dialler(self._reactor, self._connectors)
        endpoint = TCP4ClientEndpoint(dialler, host, port, timeout_s, bind)
        return endpoint.connect(_Once(protocol)).addCallback(_unless_itself)

    def listen(self, port: int, factory: ServerFactory) -> IListeningPort:
        """Raises CannotListenError."""
        return self._kept(self._reactor.listenTCP(port, factory, HELD_BY_KERNEL, self._interface))

    def bind(self, port: int, protocol: DatagramProtocol) -> IListeningPort:
        """A UDP port; 0: any, which can send everywhere. Raises CannotListenError."""
        interface = self._interface if port else ""
        return self._kept(self._reactor.listenUDP(port, protocol, interface, LARGEST_DATAGRAM))

    def _kept(self, port: IListeningPort) -> IListeningPort:
        self._ports.add(port)
        return port


def _unless_itself(protocol: IProtocol) -> IProtocol:
    """Refuse a connection of a socket with itself.

    TCP makes one when it happens to give the socket the port that it is to reach.
    """
    transport = cast("Connection", cast("Protocol", protocol).transport)
    if transport.getHost() == transport.getPeer():
        transport.abortConnection()
        raise RefusedError
    return protocol


@implementer(IReactorTCP)
class _Dialler:
    """The reactor as an endpoint needs it; remembers what it began."""

    def __init__(self, reactor: IReactorTCP, begun: WeakSet[IConnector]) -> None:
        self._reactor = reactor
        self._begun = begun
        self.listenTCP = reactor.listenTCP

    def connectTCP(  # type: ignore[override]  # only the stubs' factories are generic
        self,
        host: str,
        port: int,
        factory: ClientFactory,
        timeout: float = 30,
        bindAddress: tuple[str, int] | None = None,
    ) -> IConnector:
        connector = self._reactor.connectTCP(host, port, factory, timeout, bindAddress)
        self._begun.add(connector)
        return connector


class _Once(Factory):
    noisy = False

    def __init__(self, protocol: Protocol) -> None:
        self._protocol = protocol

    def buildProtocol(self, addr: IAddress) -> Protocol:  # type: ignore[override]  # as in the stubs
        del addr
        return self._protocol
