"""The radio for RADIO=host: it uses the sockets of this machine, through a Twisted reactor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import cast
from weakref import WeakSet

from twisted.internet import error, tcp
from twisted.internet.abstract import isIPv6Address
from twisted.internet.defer import Deferred, fail, gatherResults, succeed
from twisted.internet.interfaces import (
    IConnector,
    IListeningPort,
    IProtocol,
    IReactorMulticast,
    IReactorTCP,
    IReactorUDP,
)
from twisted.internet.protocol import DatagramProtocol
from zope.interface import implementer

from tessel.radio.host_errors import as_radio_error, is_without_ipv6, listen_error
from tessel.radio.host_sockets import AcceptFactory, DialFactory, HostDatagramPort, HostPort
from tessel.radio.interface import IRadio, IRadioPort, LinkState, NetworkUnreachableError
from tessel.radio.resolver_names import asked
from tessel_service_kit.happy_eyeballs import interleaved, race_dials
from tessel_service_kit.resolver import IResolvingReactor, resolver_of

DIAL_TIMEOUT_S = 60.0
"""Seconds for an attempt at one address. Callers have a shorter limit of their own."""

LARGEST_DATAGRAM = 65_507
"""Bytes that one datagram can carry over IPv4."""


class IHostReactor(IReactorTCP, IReactorUDP, IResolvingReactor):
    """The interfaces of a Twisted reactor that HostRadio uses."""


@implementer(IRadio)
class HostRadio:
    """A radio made of this machine's sockets. Its link is up while its power is on."""

    ipv6 = True

    def __init__(self, reactor: IHostReactor) -> None:
        self._reactor = reactor
        self._names = resolver_of(reactor)
        self.link = LinkState.OFF
        self.connections_opened = 0
        self._watchers: list[Callable[[LinkState], None]] = []
        self._connectors: WeakSet[IConnector] = WeakSet()
        self._ports: dict[IListeningPort, HostPort] = {}  # until they are stopped
        self._accepted: WeakSet[tcp.Server] = WeakSet()

    def power_on(self) -> Deferred[None]:
        """Allow connections: the link is up at once."""
        self._change_link(LinkState.UP)
        return succeed(None)

    def power_off(self) -> Deferred[None]:
        """Close all connections and ports; fires when the ports are closed."""
        self._change_link(LinkState.OFF)
        for connector in list(self._connectors):
            connector.disconnect()
        for transport in list(self._accepted):
            transport.loseConnection()
        stopping = [port.stop() for port in list(self._ports.values())]
        return gatherResults(stopping).addCallback(lambda _: None)

    def watch_link(self, changed: Callable[[LinkState], None]) -> Callable[[], None]:
        """Call `changed` when the power goes on or off; see IRadio.watch_link."""
        self._watchers.append(changed)
        return lambda: self._watchers.remove(changed)

    def owns(self, selectable: object) -> bool:
        """Return whether this reader or writer of the reactor is a socket of this radio."""
        return (
            selectable in self._ports
            or getattr(selectable, "connector", None) in self._connectors
            or selectable in self._accepted
        )

    # Connections.

    def connect(
        self, addresses: Sequence[str], port: int, factory: Callable[[], IProtocol]
    ) -> Deferred[IProtocol]:
        """Connect to the first address that answers, trying several at once; see IRadio.connect."""
        if self.link is not LinkState.UP:
            return fail(NetworkUnreachableError("the radio is off"))
        in_turn = interleaved(addresses, isIPv6Address)
        dials = [partial(self._dial, address, port, factory) for address in in_turn]
        return race_dials(dials, self._reactor)

    def _dial(
        self, address: str, port: int, factory: Callable[[], IProtocol]
    ) -> Deferred[IProtocol]:
        dial = DialFactory(factory, self._count_opened)
        connector = self._reactor.connectTCP(address, port, dial, timeout=DIAL_TIMEOUT_S)
        self._connectors.add(connector)
        dial.result.addErrback(as_radio_error)
        return dial.result

    def _count_opened(self) -> None:
        self.connections_opened += 1

    # Ports.

    def listen(
        self, port: int, factory: Callable[[], IProtocol], *, address: str, backlog: int
    ) -> Deferred[IRadioPort]:
        """Accept TCP connections on a port of this machine; see IRadio.listen.

        `address` "": on all IPv6 and IPv4 addresses.
        """
        accepting = AcceptFactory(factory, self._accepted)
        everywhere = ["::", "0.0.0.0"] if not address else [address]  # noqa: S104 - the caller asked for all
        try:
            return succeed(self._listen(port, accepting, everywhere, backlog))
        except error.CannotListenError as fault:
            return fail(listen_error(fault))

    def _listen(
        self, port: int, factory: AcceptFactory, addresses: Sequence[str], backlog: int
    ) -> IRadioPort:
        first, *others = addresses
        try:
            listening = self._reactor.listenTCP(port, factory, backlog, first)
        except error.CannotListenError as fault:
            if not others or not is_without_ipv6(fault):
                raise
            return self._listen(port, factory, others, backlog)
        return self._kept(listening)

    def bind_udp(
        self, port: int, protocol: DatagramProtocol, *, address: str
    ) -> Deferred[IRadioPort]:
        """Bind a UDP port of this machine; see IRadio.bind_udp."""
        reactor = cast("IReactorMulticast", self._reactor)
        bound = HostDatagramPort(port, protocol, address, LARGEST_DATAGRAM, reactor)
        try:
            bound.startListening()  # type: ignore[no-untyped-call]  # of Twisted
            return succeed(self._kept(bound))
        except error.CannotListenError as fault:
            return fail(listen_error(fault))

    def _kept(self, port: IListeningPort) -> IRadioPort:
        kept = self._ports[port] = HostPort(port, lambda: self._ports.pop(port, None))
        return kept

    # Names.

    def lookup(self, name: str) -> Deferred[Sequence[str]]:
        """Look a name up with this machine's resolver; see IRadio.lookup."""
        if self.link is not LinkState.UP:
            return fail(NetworkUnreachableError("the radio is off"))
        return asked(name, self._names, self._reactor)

    def _change_link(self, state: LinkState) -> None:
        changed, self.link = self.link is not state, state
        if changed:
            for watcher in list(self._watchers):
                watcher(state)
