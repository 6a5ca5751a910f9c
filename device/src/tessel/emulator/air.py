"""The surroundings of the chip: access points in range, and behind them this machine's network.

A test or the board adds access points and removes them, and the chip notices. This machine dials an
address that the chip dials, unchanged. So 127.0.0.1 is this machine, and the chip's own address in
the simulated network is unreachable.
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

HELD_BY_KERNEL = 50
"""Connections that wait in the kernel until the chip accepts them. At a real chip the peer would
repeat its SYN instead."""

LARGEST_DATAGRAM = 65_507

Lookup = Callable[[str], "Deferred[Sequence[str]]"]


class IAirReactor(IReactorTCP, IReactorUDP, IReactorTime):
    """The parts of a reactor that the air needs."""


LEASE = Lease("10.10.220.131", "255.255.255.0", "10.10.220.1", "10.10.220.1", "10.10.220.1")


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessPoint:
    """A Wi-Fi access point. If `lease` is None, the chip can join but gets no address."""

    ssid: bytes
    security: int = Security.OPEN
    key: bytes = field(default=b"", repr=False)
    bssid: bytes = bytes.fromhex("00 11 22 33 44 55")
    rssi: int = 0x72  # as the chip reports it, in 7 bits; the value of an example in TI's driver
    lease: Lease | None = LEASE

    def lets_in(self, security: int, key: bytes) -> bool:
        """Return True if the security and key are those of this access point."""
        return (security, key) == (self.security, self.key)

    def is_named(self, ssid: bytes, bssid: bytes) -> bool:
        """Return True if `ssid` and `bssid` match this access point.

        ANY_BSSID matches every BSSID.
        """
        return ssid == self.ssid and bssid in (self.bssid, ANY_BSSID)


class Air:
    """The chip's surroundings: access points in range, and this machine's network."""

    def __init__(
        self,
        reactor: IAirReactor,
        lookup: Lookup,
        *,
        clock: IReactorTime | None = None,
        interface: str = "127.0.0.1",
    ) -> None:
        """`lookup` looks a name up. `clock` replaces the reactor's clock.

        Ports that the chip opens are opened on `interface`, "" for all interfaces. Datagrams from
        them reach only that interface.
        """
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
        """Put an access point into range, replacing one with the same BSSID."""
        self._without(access_point.bssid)
        self.access_points.append(access_point)
        self._changed()

    def vanish(self, access_point: AccessPoint) -> None:
        """Take an access point, identified by its BSSID, out of range."""
        self._without(access_point.bssid)
        self._changed()

    def listen_in(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Call `changed` after each change of the access points in range.

        Returns a function that ends these calls.
        """
        self._listeners.append(changed)
        return lambda: self._listeners.remove(changed)

    def _without(self, bssid: bytes) -> None:
        self.access_points = [known for known in self.access_points if known.bssid != bssid]

    def _changed(self) -> None:
        for changed in list(self._listeners):
            changed()

    # This machine.

    def owns(self, selectable: object) -> bool:
        """Return True if `selectable`, an object that the reactor watches, belongs to the chip."""
        return (
            selectable in self._ports
            or getattr(selectable, "connector", None) in self._connectors
            or getattr(selectable, "server", None) in self._ports
        )

    def dial(
        self, host: str, port: int, protocol: Protocol, *, from_port: int, timeout_s: float
    ) -> Deferred[IProtocol]:
        """Connect `protocol` by TCP to an IPv4 address and port, within `timeout_s` seconds.

        `from_port` is the local port, 0 for any. The Deferred fires with the protocol. It fails
        with a ConnectError, or with a CancelledError when cancelled.
        """
        bind = ("", from_port) if from_port else None
        dialler = _Dialler(self._reactor, self._connectors)
        endpoint = TCP4ClientEndpoint(dialler, host, port, timeout_s, bind)
        return endpoint.connect(_Once(protocol)).addCallback(_unless_itself)

    def listen(self, port: int, factory: ServerFactory) -> IListeningPort:
        """Listen for TCP connections on a port of this machine and return the open port.

        With `port` 0 the system picks a free one. Raises CannotListenError.
        """
        return self._kept(self._reactor.listenTCP(port, factory, HELD_BY_KERNEL, self._interface))

    def bind(self, port: int, protocol: DatagramProtocol) -> IListeningPort:
        """Open a UDP port of this machine for `protocol` and return it.

        With `port` 0 the system picks a free one, which can send to every address. Raises
        CannotListenError.
        """
        interface = self._interface if port else ""
        return self._kept(self._reactor.listenUDP(port, protocol, interface, LARGEST_DATAGRAM))

    def _kept(self, port: IListeningPort) -> IListeningPort:
        self._ports.add(port)
        return port


def _unless_itself(protocol: IProtocol) -> IProtocol:
    """Refuse a connection of a socket to itself.

    TCP makes one if the system gives the socket, as its own port, the port that it dials.
    """
    transport = cast("Connection", cast("Protocol", protocol).transport)
    if transport.getHost() == transport.getPeer():
        transport.abortConnection()
        raise RefusedError
    return protocol


@implementer(IReactorTCP)
class _Dialler:
    """A reactor for an endpoint. It adds the connectors of attempts to `begun`."""

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
