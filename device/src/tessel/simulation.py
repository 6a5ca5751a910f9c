"""A simulated chip in a simulated network: an access point, and this machine behind it.

The sockets that the chip opens on this machine are the runtime's own: an idle one must not keep a
program alive.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast
from weakref import WeakSet

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IConnector,
    IDelayedCall,
    IListeningPort,
    IReactorTime,
)
from twisted.internet.protocol import ClientFactory, DatagramProtocol, ServerFactory
from zope.interface import implementer

from tessel.cc3000.bus import IBus
from tessel.cc3000.simulated import SimulatedBus
from tessel.emulator.air import AccessPoint, Air, IAirReactor
from tessel.emulator.chip import Chip
from tessel.emulator.profiles import PROFILES
from tessel.radio.cc3000 import AccessPoint as Credentials


@dataclass(frozen=True, slots=True)
class Simulated:
    """A chip at the end of its bus, and the air around it, for whoever plays with it."""

    bus: IBus
    air: Air
    owns: Callable[[object], bool]  # is this, among what the reactor watches, the air's?


def simulated(
    point: Credentials,
    profile: str,
    reactor: IAirReactor,
    clock: IReactorTime,
    lookup: Callable[[str], Deferred[Sequence[str]]],
) -> Simulated:
    """A chip of that profile in reach of one access point, which lets these credentials in."""
    sockets = AirSockets(reactor, clock)
    # Ports of the chip are this machine's, and as open as those of RADIO=host.
    air = Air(cast("IAirReactor", sockets), lookup, interface="")
    air.appear(AccessPoint(ssid=point.ssid, security=point.security, key=point.key))
    bus = SimulatedBus(Chip(air, PROFILES[profile]))
    return Simulated(cast("IBus", bus), air, sockets.owns)


@implementer(IAirReactor)
class AirSockets:
    """A reactor's sockets and another's time, remembering which sockets were made."""

    def __init__(self, reactor: IAirReactor, clock: IReactorTime) -> None:
        self._reactor = reactor
        self._clock = clock
        self._connectors: WeakSet[IConnector] = WeakSet()
        self._ports: WeakSet[IListeningPort] = WeakSet()

    def owns(self, selectable: object) -> bool:
        return (
            selectable in self._ports
            or getattr(selectable, "connector", None) in self._connectors
            or getattr(selectable, "server", None) in self._ports  # a connection it accepted
        )

    # IReactorTCP, IReactorUDP.

    def connectTCP(  # type: ignore[override]  # the stubs alone are generic
        self,
        host: str,
        port: int,
        factory: ClientFactory,
        timeout: float = 30,
        bindAddress: tuple[str, int] | None = None,
    ) -> IConnector:
        connector = self._reactor.connectTCP(host, port, factory, timeout, bindAddress)
        self._connectors.add(connector)
        return connector

    def listenTCP(
        self, port: int, factory: ServerFactory, backlog: int = 50, interface: str = ""
    ) -> IListeningPort:
        return self._kept(self._reactor.listenTCP(port, factory, backlog, interface))

    def listenUDP(
        self,
        port: int,
        protocol: DatagramProtocol,
        interface: str = "",
        maxPacketSize: int = 8192,
    ) -> IListeningPort:
        return self._kept(self._reactor.listenUDP(port, protocol, interface, maxPacketSize))

    def _kept(self, port: IListeningPort) -> IListeningPort:
        self._ports.add(port)
        return port

    # IReactorTime.

    def seconds(self) -> float:
        return self._clock.seconds()

    def callLater(
        self,
        delay: float,
        callable: Callable[..., object],  # noqa: A002 - the interface names it so
        *args: object,
        **kw: object,
    ) -> IDelayedCall:
        return self._clock.callLater(delay, callable, *args, **kw)

    def getDelayedCalls(self) -> Sequence[IDelayedCall]:
        return self._clock.getDelayedCalls()
