"""Connect to an address over TCP. Failures are Twisted's errors. There is no timeout here.

Twisted's own client waits for a turn of the reactor before it begins, calls `connect` twice and
changes its poll five times; its connector and the state of the attempt live as long as the
connection. Here a connection that the system makes at once, as on loopback, is established inside
the call, a slower one costs one poll, and nothing remains but the connection.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from errno import EALREADY, ECONNREFUSED, EINPROGRESS, EISCONN
from os import strerror
from typing import Final, TypeAlias, cast
from typing import Protocol as Interface

from twisted.internet import error
from twisted.internet.interfaces import IProtocol, IReactorFDSet, IReactorTime, IWriteDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

from streamplex.tx.tcp import KeepAliveTimes, SocketOption, probe_options
from tessel_proxy.targets.plain import PlainTarget, TargetConnection, reset_on_close
from tessel_proxy.targets.target import Target, TargetOwner
from tessel_service_kit.happy_eyeballs import Attempt, AttemptListener

_DEFAULT_TIMES: Final = KeepAliveTimes()
_UNDER_WAY = (EINPROGRESS, EALREADY)
_ESTABLISHED = (0, EISCONN)

_NON_BLOCKING: Final = getattr(socket, "SOCK_NONBLOCK", 0)
"""Makes a socket that does not block, without a call more; 0 where the system cannot."""

MakeSocket: TypeAlias = Callable[[socket.AddressFamily, int], socket.socket]

# The class in C below `socket.socket`, which adds two calls in Python to each close.
_new_socket: Final = cast("MakeSocket", socket.SocketType)


class NewConnection(Interface):
    """An established TCP connection, which one of these calls takes over.

    `carry` gives it a protocol, such as TLS. `relay_for` makes it a target without TLS.
    """

    def carry(self, protocol: IProtocol) -> None: ...
    def relay_for(
        self, owner: TargetOwner, clock: IReactorTime, sockets: set[Target]
    ) -> Target: ...


Caller: TypeAlias = AttemptListener[str, NewConnection]
"""Is notified of the result of an attempt."""


class Connect(Interface):
    """A callable that begins a TCP connection attempt to `address`, a text, and `port`.

    It returns the attempt, and reports the result to `caller`, possibly before it returns.
    """

    def __call__(self, address: str, port: int, caller: Caller) -> Attempt: ...


@implementer(IWriteDescriptor)
class ConnectionAttempt:
    """One attempt to connect to one address over TCP; after its success, the new connection.

    To save objects, the reactor polls the attempt itself, and the caller gets it as NewConnection.
    """

    __slots__ = (
        "_address",
        "_caller",
        "_made",
        "_reactor",
        "_sockaddr",
        "_socket",
        "_waits",
        "fileno",
    )

    fileno: Callable[[], int]  # for the reactor's poll
    _socket: socket.socket
    _sockaddr: tuple[str, int] | tuple[str, int, int, int]

    def __init__(self, reactor: IReactorFDSet, address: str, caller: Caller) -> None:
        self._reactor = reactor
        self._address = address
        self._caller: Caller | None = caller  # None after success, failure or stop
        self._made: TargetConnection | None = None  # for the caller
        self._waits = False  # for the reactor's poll

    def begin(self, port: int, make_socket: MakeSocket, options: Sequence[SocketOption]) -> None:
        """Make the socket with its options, and begin to connect to `port`.

        The caller may be notified of the result before this returns. Raises nothing if the socket
        cannot be made: the attempt fails.
        """
        address = self._address
        try:
            self._sockaddr = _scoped(address, port) if "%" in address else (address, port)
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            made = self._socket = make_socket(family, socket.SOCK_STREAM | _NON_BLOCKING)
        except OSError as why:  # too many descriptors, or a family this machine does not have
            self._report_failure(error.ConnectBindError(why.errno, why.strerror))
            return
        if not _NON_BLOCKING:
            made.setblocking(False)
        for option in options:
            made.setsockopt(*option)
        number = made.connect_ex(self._sockaddr)
        if number == EINPROGRESS:
            # On loopback the connection is established at once, which only a second call reports.
            number = made.connect_ex(self._sockaddr)
        if number in _UNDER_WAY:
            self._waits = True
            self.fileno = made.fileno
            self._reactor.addWriter(self)
        else:
            self._ended(number)

    def doWrite(self) -> None:
        """Called by the reactor when the attempt has ended: notifies the caller of the result."""
        # SO_ERROR first: after a failure some systems begin a new attempt, or return EINVAL.
        number = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if not number:
            number = self._socket.connect_ex(self._sockaddr)
        if number not in _UNDER_WAY:
            self._ended(number)

    def _ended(self, number: int) -> None:
        """Report the end of the attempt, for which `connect` has returned `number`."""
        if number not in _ESTABLISHED:
            self._fail(number)
            return
        if self._socket.getsockname()[1] == self._sockaddr[1] and self._leads_to_itself():
            # With a reset: otherwise the port would stay in TIME_WAIT for a minute.
            reset_on_close(self._socket)
            self._fail(ECONNREFUSED)
            return
        if self._waits:
            self._reactor.removeWriter(self)
        caller, self._caller = self._caller, None
        try:
            caller.connected(self._address, self)  # type: ignore[union-attr]  # it waits
        except Exception:
            self._cut()
            raise

    def _leads_to_itself(self) -> bool:
        """Whether TCP has connected this socket to itself.

        That happens if the target is an ephemeral port of this machine where nothing listens, and
        the system chooses the same port for this end.
        """
        try:
            return bool(self._socket.getsockname() == self._socket.getpeername())
        except OSError:  # there was another peer, and it has reset the connection
            return False

    def _cut(self) -> None:
        if self._made is not None:
            self._made.abortConnection()  # type: ignore[no-untyped-call]  # Twisted's
        else:
            reset_on_close(self._socket)
            self._socket.close()

    # --- as a new connection

    def carry(self, protocol: IProtocol) -> None:
        """Give the connection its protocol, begin to read, and notify the protocol."""
        self._made = TargetConnection(self._socket, self._reactor)
        self._made.carry(protocol)

    def relay_for(self, owner: TargetOwner, clock: IReactorTime, sockets: set[Target]) -> Target:
        """Return the connection as a target without TLS, and begin to read."""
        self._made = target = PlainTarget(self._socket, self._reactor, owner, clock, sockets)
        return target

    # --- failures

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
        if self._waits:
            self._reactor.removeWriter(self)
        self._socket.close()

    # --- called by the reactor

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


def _scoped(address: str, port: int) -> tuple[str, int, int, int]:
    # A scope counts only as a number: this looks up the number of the interface, and no host.
    numeric = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    ((*_, found),) = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM, flags=numeric)
    return cast("tuple[str, int, int, int]", found)


class TCPConnector:
    """Begins TCP connection attempts.

    Keepalive probes are switched on for each socket, because a target that loses power sends no
    FIN. Small pieces are sent without delay.
    """

    def __init__(
        self,
        reactor: IReactorFDSet,
        make_socket: MakeSocket = _new_socket,
        keep_alive: KeepAliveTimes = _DEFAULT_TIMES,
    ) -> None:
        self._reactor = reactor
        self._make_socket = make_socket
        self._options = (
            (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
            *probe_options(keep_alive),
        )

    def __call__(self, address: str, port: int, caller: Caller) -> Attempt:
        attempt = ConnectionAttempt(self._reactor, address, caller)
        attempt.begin(port, self._make_socket, self._options)
        return attempt
