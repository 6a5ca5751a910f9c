"""Connect to an address over TCP. Failures are Twisted's errors. There is no timeout here.

Twisted's own client waits for a turn of the reactor before it begins, calls `connect` twice and
changes its poll five times; its connector and the state of the attempt live as long as the
connection. Here a connection that the system makes at once, as on loopback, is established inside
the call, a slower one costs one poll, and nothing remains but the connection.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from errno import EALREADY, ECONNREFUSED, EINPROGRESS, EISCONN
from ipaddress import IPv4Address as IPv4
from os import strerror
from struct import pack
from typing import Final, TypeAlias, cast
from typing import Protocol as Interface

from twisted.internet import error
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IProtocol, IReactorFDSet, IWriteDescriptor
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.tcp import Connection
from twisted.python.failure import Failure
from zope.interface import implementer

from streamplex.tx.bulk import READ_BYTES, read_view
from streamplex.tx.tcp import KeepAliveTimes, probe_peer
from tessel_proxy.egress.addresses import Address
from tessel_service_kit.happy_eyeballs import Attempt, AttemptListener

_DEFAULT_TIMES: Final = KeepAliveTimes()
_RESET_ON_CLOSE: Final = pack("ii", 1, 0)  # struct linger: on, 0 seconds
_UNDER_WAY = (EINPROGRESS, EALREADY)
_ESTABLISHED = (0, EISCONN)

MakeSocket: TypeAlias = Callable[[socket.AddressFamily, socket.SocketKind], socket.socket]


class NewConnection(Interface):
    """An established TCP connection that has no protocol yet."""

    def carry(self, protocol: IProtocol) -> None:
        """Give the connection its protocol, begin to read, and notify the protocol."""


Caller: TypeAlias = AttemptListener[Address, NewConnection]
"""Is notified of the result of an attempt."""


class Connect(Interface):
    """A callable that begins a TCP connection attempt to `address` and `port`.

    It returns the attempt, and reports the result to `caller`, possibly before it returns.
    """

    def __call__(self, address: Address, port: int, caller: Caller) -> Attempt: ...


_NO_PROTOCOL = Protocol()
"""The protocol of all connections that have none yet: a lost connection notifies its protocol."""


class TargetConnection(Connection):
    """Twisted's TCP connection, without the parts that only Twisted's own client needs."""

    logstr = "target"
    # No other process has the descriptor, so closing it ends the connection. The `shutdown` that
    # Twisted adds "to be safe" is a system call that fails after each half close.
    _shouldShutdown = False
    bufferSize = READ_BYTES

    def __init__(self, made: socket.socket, reactor: IReactorFDSet) -> None:
        super().__init__(made, _NO_PROTOCOL, reactor)

    def carry(self, protocol: IProtocol) -> None:
        """Give the connection its protocol, begin to read, and notify the protocol."""
        self.protocol = protocol
        self.connected = 1
        self.startReading()  # type: ignore[no-untyped-call]  # Twisted's
        protocol.makeConnection(self)

    def loseConnection(self) -> None:
        """Close after all queued bytes are sent; at once after a half close."""
        if self.connected and not self.disconnecting and self._writeDisconnected:
            self.connectionLost(connectionDone)
        else:
            super().loseConnection()  # type: ignore[no-untyped-call]  # Twisted's

    def connectionLost(self, reason: Failure) -> None:
        """Close the socket, and notify the protocol. Does as Twisted's with half of the calls."""
        if not hasattr(self, "socket"):
            return  # a protocol may abort inside a call that then fails
        self.disconnected, self.connected = 1, 0
        producer, self.producer = self.producer, None
        if producer is not None:
            producer.stopProducing()
        self.reactor.removeReader(self)
        self.reactor.removeWriter(self)
        aborted = isinstance(reason.value, error.ConnectionAborted)
        self._closeSocket(not aborted)  # type: ignore[no-untyped-call]  # Twisted's
        protocol = self.protocol
        del self.protocol, self.socket, self.fileno
        protocol.connectionLost(reason)

    def doRead(self) -> ConnectionLost | ConnectionDone | None:  # type: ignore[override]
        """Called by the reactor when data can be read: passes the data to the protocol as a view.

        Returns the reason if the connection has ended, else None.
        """
        # Both protocols that a target can have accept views.
        return read_view(self, self.protocol.dataReceived)  # type: ignore[arg-type]

    def getHost(self) -> IPv4Address | IPv6Address:
        """Return the address and port of the proxy's end of the connection."""
        return _named(self.socket.getsockname())

    def getPeer(self) -> IPv4Address | IPv6Address:
        """Return the address and port of the target's end of the connection."""
        return _named(self.socket.getpeername())


def _named(found: tuple[str, int] | tuple[str, int, int, int]) -> IPv4Address | IPv6Address:
    return IPv6Address("TCP", *found) if len(found) > 2 else IPv4Address("TCP", *found)  # noqa: PLR2004


@implementer(IWriteDescriptor)
class ConnectionAttempt:
    """One attempt to connect to one address over TCP.

    To save an object, the reactor polls the attempt itself.
    """

    __slots__ = ("_address", "_caller", "_reactor", "_sockaddr", "_socket", "_waits")

    _socket: socket.socket

    def __init__(self, reactor: IReactorFDSet, address: Address, caller: Caller) -> None:
        self._reactor = reactor
        self._address = address
        self._caller: Caller | None = caller  # None after success, failure or stop
        self._waits = False  # for the reactor's poll

    def begin(self, port: int, make_socket: MakeSocket) -> None:
        """Make the socket and begin to connect to `port`.

        The caller may be notified of the result before this returns. Raises nothing if the socket
        cannot be made: the attempt fails.
        """
        try:
            self._sockaddr = _sockaddr(self._address, port)
            self._socket = make_socket(_family(self._address), socket.SOCK_STREAM)
        except OSError as why:  # too many descriptors, or a family this machine does not have
            self._report_failure(error.ConnectBindError(why.errno, why.strerror))
            return
        self._socket.setblocking(False)
        # On loopback the connection is established at once, which only a second call reports.
        if self._step() and self._step():
            self._waits = True
            self._reactor.addWriter(self)

    def _step(self) -> bool:
        """Ask the system for the state of the attempt. True: it is still under way."""
        number = self._socket.connect_ex(self._sockaddr)
        if number in _UNDER_WAY:
            return True
        if number not in _ESTABLISHED:
            self._fail(number)
        elif self._leads_to_itself():
            self._refuse_itself()
        else:
            self._connected()
        return False

    def _leads_to_itself(self) -> bool:
        """Whether TCP has connected this socket to itself.

        That happens if the target is an ephemeral port of this machine where nothing listens, and
        the system chooses the same port for this end.
        """
        own = self._socket.getsockname()
        if own[1] != self._sockaddr[1]:
            return False
        try:
            return bool(own == self._socket.getpeername())
        except OSError:  # there was another peer, and it has reset the connection
            return False

    def _refuse_itself(self) -> None:
        # With a reset: otherwise the port would stay in TIME_WAIT for a minute.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._fail(ECONNREFUSED)

    def doWrite(self) -> None:
        """Called by the reactor when the attempt has ended: notifies the caller of the result."""
        # SO_ERROR first: after a failure some systems begin a new attempt, or return EINVAL.
        number = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if number:
            self._fail(number)
        else:
            self._step()

    def _connected(self) -> None:
        self._stop_polling()
        caller, self._caller = self._caller, None
        connection = TargetConnection(self._socket, self._reactor)
        try:
            cast("Caller", caller).connected(self._address, connection)
        except Exception:
            connection.abortConnection()  # type: ignore[no-untyped-call]  # Twisted's
            raise

    def _fail(self, number: int) -> None:
        self._close()
        self._report_failure(error.getConnectError((number, strerror(number))))

    def _report_failure(self, why: Exception) -> None:
        caller, self._caller = self._caller, None
        cast("Caller", caller).failed(self._address, Failure(why))

    def stop(self) -> None:
        """Give up and close the socket. The caller is not notified.

        Does nothing after the end of the attempt.
        """
        if self._caller is not None:
            self._caller = None
            self._close()

    def _close(self) -> None:
        self._stop_polling()
        self._socket.close()

    def _stop_polling(self) -> None:
        if self._waits:
            self._waits = False
            self._reactor.removeWriter(self)

    # --- called by the reactor

    def fileno(self) -> int:
        """Return the descriptor of the socket, for the reactor's poll."""
        return self._socket.fileno()

    def logPrefix(self) -> str:
        """Return the name of the attempt in Twisted's own log lines."""
        return "connecting"

    def connectionLost(self, reason: Failure) -> None:
        """Called by the reactor when its poll reports only an error: the attempt fails.

        Also called when the reactor stops.
        """
        if self._caller is not None:
            number = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if number:
                self._fail(number)
            else:
                self._close()
                self._report_failure(error.ConnectError(string=reason.getErrorMessage()))


def _family(address: Address) -> socket.AddressFamily:
    return socket.AF_INET if isinstance(address, IPv4) else socket.AF_INET6


def _sockaddr(address: Address, port: int) -> tuple[str, int] | tuple[str, int, int, int]:
    if isinstance(address, IPv4) or address.scope_id is None:
        return (str(address), port)
    # A scope counts only as a number: this looks up the number of the interface, and no host.
    numeric = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    ((*_, found),) = socket.getaddrinfo(str(address), port, type=socket.SOCK_STREAM, flags=numeric)
    return cast("tuple[str, int, int, int]", found)


class TCPConnector:
    """Begins TCP connection attempts.

    Keepalive probes are switched on for each socket, because a target that loses power sends no
    FIN.
    """

    def __init__(
        self,
        reactor: IReactorFDSet,
        make_socket: MakeSocket = socket.socket,
        keep_alive: KeepAliveTimes = _DEFAULT_TIMES,
    ) -> None:
        self._reactor = reactor
        self._keep_alive = keep_alive
        self._make_socket = make_socket

    def __call__(self, address: Address, port: int, caller: Caller) -> Attempt:
        attempt = ConnectionAttempt(self._reactor, address, caller)
        attempt.begin(port, self._probed_socket)
        return attempt

    def _probed_socket(
        self, family: socket.AddressFamily, kind: socket.SocketKind
    ) -> socket.socket:
        made = self._make_socket(family, kind)
        probe_peer(made, self._keep_alive)  # a target that loses power sends no FIN
        return made
