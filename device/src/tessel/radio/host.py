"""RADIO=host: the machine's own sockets, through the reactor handed in."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Sequence
from functools import partial
from typing import cast
from weakref import WeakSet

from twisted.internet import error, tcp, udp
from twisted.internet.abstract import isIPv6Address
from twisted.internet.defer import Deferred, fail, gatherResults, maybeDeferred, succeed
from twisted.internet.interfaces import (
    IAddress,
    IConnector,
    IListeningPort,
    IProtocol,
    IReactorMulticast,
    IReactorTCP,
    IReactorUDP,
)
from twisted.internet.protocol import ClientFactory, DatagramProtocol, Protocol, ServerFactory
from twisted.python.failure import Failure
from zope.interface import implementer

from tessel.radio import interface as radio
from tessel.radio.interface import (
    IDatagramOptions,
    IRadio,
    IRadioPort,
    LinkState,
    RadioError,
)
from tessel.radio.resolver_names import asked
from tessel_service_kit.happy_eyeballs import interleaved, race_dials
from tessel_service_kit.resolver import IResolvingReactor, resolver_of

DIAL_TIMEOUT_S = 60.0  # one address; what waits above has a limit of its own
LARGEST_DATAGRAM = 65_507  # what IPv4 can carry


class IHostReactor(IReactorTCP, IReactorUDP, IResolvingReactor):
    """What of a reactor this radio needs."""


@implementer(IRadio)
class HostRadio:
    """Sockets of this machine. Its link is up whenever its power is."""

    ipv6 = True

    def __init__(self, reactor: IHostReactor) -> None:
        self._reactor = reactor
        self._names = resolver_of(reactor)
        self.link = LinkState.OFF
        self.connections_opened = 0
        self._watchers: list[Callable[[LinkState], None]] = []
        self._connectors: WeakSet[IConnector] = WeakSet()
        self._ports: WeakSet[IListeningPort] = WeakSet()
        self._accepted: WeakSet[tcp.Server] = WeakSet()

    def power_on(self) -> Deferred[None]:
        self._change_link(LinkState.UP)
        return succeed(None)

    def power_off(self) -> Deferred[None]:
        self._change_link(LinkState.OFF)
        for connector in list(self._connectors):
            connector.disconnect()
        for transport in list(self._accepted):
            transport.loseConnection()
        stopping = [_HostPort(port).stop() for port in list(self._ports)]
        return gatherResults(stopping).addCallback(lambda _: None)

    def watch_link(self, changed: Callable[[LinkState], None]) -> Callable[[], None]:
        self._watchers.append(changed)
        return lambda: self._watchers.remove(changed)

    def owns(self, selectable: object) -> bool:
        """Is this, among the reactor's, a socket of this radio?"""
        return (
            selectable in self._ports
            or getattr(selectable, "connector", None) in self._connectors
            or selectable in self._accepted
        )

    # Connections.

    def connect(
        self, addresses: Sequence[str], port: int, factory: Callable[[], IProtocol]
    ) -> Deferred[IProtocol]:
        if self.link is not LinkState.UP:
            return fail(radio.NetworkUnreachableError("the radio is off"))
        in_turn = interleaved(addresses, isIPv6Address)
        dials = [partial(self._dial, address, port, factory) for address in in_turn]
        return race_dials(dials, self._reactor)

    def _dial(
        self, address: str, port: int, factory: Callable[[], IProtocol]
    ) -> Deferred[IProtocol]:
        dial = _Dial(self, factory)
        connector = self._reactor.connectTCP(address, port, dial, timeout=DIAL_TIMEOUT_S)
        self._connectors.add(connector)
        dial.result.addErrback(_as_radio_error)
        return dial.result

    # Ports.

    def listen(
        self, port: int, factory: Callable[[], IProtocol], *, address: str, backlog: int
    ) -> Deferred[IRadioPort]:
        accepting = _Accepting(factory, self._accepted)
        everywhere = ["::", "0.0.0.0"] if not address else [address]  # noqa: S104 - as asked for
        try:
            return succeed(self._listen(port, accepting, everywhere, backlog))
        except error.CannotListenError as fault:
            return fail(_listen_error(fault))

    def _listen(
        self, port: int, factory: _Accepting, addresses: Sequence[str], backlog: int
    ) -> IRadioPort:
        first, *others = addresses
        try:
            listening = self._reactor.listenTCP(port, factory, backlog, first)
        except error.CannotListenError as fault:
            if not others or _errno(fault) not in _NO_IPV6:
                raise
            return self._listen(port, factory, others, backlog)
        return self._kept(listening)

    def bind_udp(
        self, port: int, protocol: DatagramProtocol, *, address: str
    ) -> Deferred[IRadioPort]:
        reactor = cast("IReactorMulticast", self._reactor)
        bound = _DatagramPort(port, protocol, address, LARGEST_DATAGRAM, reactor)
        try:
            bound.startListening()  # type: ignore[no-untyped-call]  # Twisted's
            return succeed(self._kept(bound))
        except error.CannotListenError as fault:
            return fail(_listen_error(fault))

    def _kept(self, port: IListeningPort) -> IRadioPort:
        self._ports.add(port)
        return _HostPort(port)

    # Names.

    def lookup(self, name: str) -> Deferred[Sequence[str]]:
        if self.link is not LinkState.UP:
            return fail(radio.NetworkUnreachableError("the radio is off"))
        return asked(name, self._names, self._reactor)

    def _change_link(self, state: LinkState) -> None:
        changed, self.link = self.link is not state, state
        if changed:
            for watcher in list(self._watchers):
                watcher(state)


@implementer(IDatagramOptions)
class _DatagramPort(udp.MulticastPort):
    """Any UDP port may join groups."""

    def set_ttl(self, ttl: int) -> None:
        self.socket.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)

    def set_interface(self, address: str) -> None:
        number = socket.inet_aton(address)
        self.socket.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, number)


class _Accepting(ServerFactory):
    """What comes to a port."""

    noisy = False

    def __init__(self, build: Callable[[], IProtocol], accepted: WeakSet[tcp.Server]) -> None:
        self._build = build
        self._accepted = accepted

    def buildProtocol(self, addr: IAddress) -> _Arrival:  # type: ignore[override]  # stands in
        del addr
        return _Arrival(self._arrived)

    def _arrived(self, transport: tcp.Connection) -> None:
        self._accepted.add(cast("tcp.Server", transport))
        _take_over(transport, self._build())


class _Dial(ClientFactory):
    """One attempt, as Twisted's reactor wants it, and its result."""

    noisy = False

    def __init__(self, owner: HostRadio, build: Callable[[], IProtocol]) -> None:
        self._owner = owner
        self._build = build
        self._connector: IConnector | None = None
        self.result: Deferred[IProtocol] = Deferred(self._give_up)

    def startedConnecting(self, connector: IConnector) -> None:
        self._connector = connector

    def buildProtocol(self, addr: IAddress) -> _Arrival:  # type: ignore[override]  # stands in
        del addr
        return _Arrival(self._arrived)

    def _arrived(self, transport: tcp.Connection) -> None:
        if transport.getHost() == transport.getPeer():
            # TCP connects a socket with itself when it happens to give it the port that it is to
            # reach: an ephemeral one of this machine, on which nothing listens.
            transport.abortConnection()
            self.result.errback(Failure(radio.RadioRefusedError("the connection leads to itself")))
            return
        self._owner.connections_opened += 1
        protocol = self._build()
        _take_over(transport, protocol)
        self.result.callback(protocol)

    def clientConnectionFailed(self, connector: IConnector, reason: Failure) -> None:
        del connector
        self.result.errback(reason)

    def _give_up(self, _: Deferred[IProtocol]) -> None:
        if self._connector is not None:
            self._connector.stopConnecting()


class _Arrival(Protocol):
    """Stands in until the transport is there, and then makes room for the real protocol.

    Twisted calls makeConnection behind buildProtocol's back; an attempt's result must come after
    it, and before another attempt of the same race can stand.
    """

    def __init__(self, arrived: Callable[[tcp.Connection], None]) -> None:
        self._arrived = arrived

    def connectionMade(self) -> None:
        self._arrived(cast("tcp.Connection", self.transport))


def _take_over(transport: tcp.Connection, protocol: IProtocol) -> None:
    transport.protocol = protocol
    protocol.makeConnection(transport)


@implementer(IRadioPort)
class _HostPort:
    def __init__(self, port: IListeningPort) -> None:
        self._port = port

    def getHost(self) -> IAddress:
        return self._port.getHost()

    def stop(self) -> Deferred[None]:
        return cast("Deferred[None]", maybeDeferred(self._port.stopListening))


_NO_IPV6 = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)

_BY_ERRNO: dict[int, type[RadioError]] = {
    errno.ECONNREFUSED: radio.RadioRefusedError,
    errno.ETIMEDOUT: radio.RadioTimedOutError,
    errno.EHOSTUNREACH: radio.HostUnreachableError,
    errno.ENETUNREACH: radio.NetworkUnreachableError,
    errno.ECONNRESET: radio.ResetError,
    errno.EADDRINUSE: radio.AddressInUseError,
    errno.EADDRNOTAVAIL: radio.AddressNotAvailableError,
    errno.EACCES: radio.PermissionDeniedError,
    errno.EPERM: radio.PermissionDeniedError,
    errno.EMFILE: radio.NoSocketError,
    errno.ENFILE: radio.NoSocketError,
}


def _as_radio_error(failure: Failure) -> Failure:
    """A failed attempt in the radio's terms; a cancelled one stays as it is."""
    if not failure.check(error.ConnectError):
        return failure
    return Failure(_radio_error(failure.value))


def _radio_error(fault: BaseException | None) -> RadioError:
    if isinstance(fault, error.TimeoutError):
        return radio.RadioTimedOutError(_words(fault))
    return _BY_ERRNO.get(_errno(fault), RadioError)(_words(fault))


def _listen_error(fault: error.CannotListenError) -> RadioError:
    return _BY_ERRNO.get(_errno(fault), RadioError)(_words(fault))


def _words(fault: BaseException | None) -> str:
    """The system's words, if it was the system: Twisted's are sentences about them."""
    number = _errno(fault)
    if number:
        return os.strerror(number)
    return "no answer" if isinstance(fault, error.TimeoutError) else str(fault)


def _errno(fault: BaseException | None) -> int:
    number = getattr(fault, "osError", None)
    if number is None:
        number = getattr(getattr(fault, "socketError", None), "errno", None)
    return number if isinstance(number, int) else 0
