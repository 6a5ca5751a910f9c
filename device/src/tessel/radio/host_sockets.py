"""Sockets of this machine: connection attempts, accepted connections, ports."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import cast
from weakref import WeakSet

from twisted.internet import tcp, udp
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IAddress, IConnector, IListeningPort, IProtocol
from twisted.internet.protocol import ClientFactory, Protocol, ServerFactory
from twisted.python.failure import Failure
from zope.interface import implementer

from tessel.radio.interface import IDatagramOptions, IRadioPort, RadioRefusedError


@implementer(IRadioPort)
class HostPort:
    """A TCP or UDP port of Twisted's reactor, with the interface of a radio's port."""

    def __init__(self, port: IListeningPort, ended: Callable[[], object]) -> None:
        """`ended` is called when the port is stopped."""
        self._port = port
        self._ended = ended
        self._stopping: Deferred[object] | None = None

    def getHost(self) -> IAddress:
        return self._port.getHost()

    def stop(self) -> Deferred[None]:
        """Stop the port; a further call waits for the same end. Twisted's ports stop only once."""
        if self._stopping is None:
            self._stopping = maybeDeferred(self._port.stopListening).addBoth(self._stopped)
        stopped: Deferred[None] = Deferred()
        self._stopping.addCallbacks(lambda _: stopped.callback(None), stopped.errback)
        return stopped

    def _stopped(self, result: object) -> object:
        self._ended()
        return result


@implementer(IDatagramOptions)
class HostDatagramPort(udp.MulticastPort):
    """A UDP port of this machine with options for multicast and TTL."""

    def set_ttl(self, ttl: int) -> None:
        self.socket.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)

    def set_interface(self, address: str) -> None:
        number = socket.inet_aton(address)
        self.socket.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, number)


class AcceptFactory(ServerFactory):
    """A Twisted factory that gives each accepted connection the protocol that `build` makes."""

    noisy = False

    def __init__(self, build: Callable[[], IProtocol], accepted: WeakSet[tcp.Server]) -> None:
        """`accepted` receives the transport of each accepted connection."""
        self._build = build
        self._accepted = accepted

    def buildProtocol(self, addr: IAddress) -> _Arrival:  # type: ignore[override]  # until connected
        """Return a placeholder, which the protocol of `build` replaces once it has a transport."""
        del addr
        return _Arrival(self._arrived)

    def _arrived(self, transport: tcp.Connection) -> None:
        self._accepted.add(cast("tcp.Server", transport))
        _take_over(transport, self._build())


class DialFactory(ClientFactory):
    """A Twisted factory for one connection attempt.

    `result` fires with the protocol that `build` makes, or fails. Cancelling it stops the attempt.
    """

    noisy = False

    def __init__(self, build: Callable[[], IProtocol], connected: Callable[[], None]) -> None:
        """`build` makes the protocol, after `connected` has been called."""
        self._build = build
        self._connected = connected
        self._connector: IConnector | None = None
        self.result: Deferred[IProtocol] = Deferred(self._give_up)

    def startedConnecting(self, connector: IConnector) -> None:
        """Called when the attempt starts: keeps the connector, to be able to stop the attempt."""
        self._connector = connector

    def buildProtocol(self, addr: IAddress) -> _Arrival:  # type: ignore[override]  # until connected
        """Return a placeholder, which the protocol of `build` replaces once it has a transport."""
        del addr
        return _Arrival(self._arrived)

    def _arrived(self, transport: tcp.Connection) -> None:
        if transport.getHost() == transport.getPeer():
            # TCP connects a socket to itself if the system gives it, as its own port, the ephemeral
            # port of this machine that it dials, and on which nothing listens.
            transport.abortConnection()
            self.result.errback(Failure(RadioRefusedError("the connection leads to itself")))
            return
        self._connected()
        protocol = self._build()
        _take_over(transport, protocol)
        self.result.callback(protocol)

    def clientConnectionFailed(self, connector: IConnector, reason: Failure) -> None:
        """Called when the attempt has failed: `result` fails with the reason."""
        del connector
        self.result.errback(reason)

    def _give_up(self, _: Deferred[IProtocol]) -> None:
        if self._connector is not None:
            self._connector.stopConnecting()


class _Arrival(Protocol):
    """A placeholder until the connection has its transport; then the real protocol replaces it.

    Twisted calls `makeConnection` after `buildProtocol` has returned. The result of an attempt must
    come after that, and before another attempt of the same race can connect.
    """

    def __init__(self, arrived: Callable[[tcp.Connection], None]) -> None:
        self._arrived = arrived

    def connectionMade(self) -> None:
        self._arrived(cast("tcp.Connection", self.transport))


def _take_over(transport: tcp.Connection, protocol: IProtocol) -> None:
    transport.protocol = protocol
    protocol.makeConnection(transport)
