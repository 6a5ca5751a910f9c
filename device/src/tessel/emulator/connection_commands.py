"""Commands that connect sockets to peers: connect, listen, accept."""

from __future__ import annotations

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError, ConnectError, ConnectingCancelledError
from twisted.internet.error import TimeoutError as DialTimeoutError
from twisted.internet.interfaces import IProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from tessel.cc3000.hci import sockets as hci
from tessel.cc3000.hci.codes import OPTION_ON, Code, Option
from tessel.cc3000.hci.fields import SocketAddress
from tessel.cc3000.hci.replies import Accepted, Result
from tessel.emulator.air import Air
from tessel.emulator.peer_connection import PeerConnection
from tessel.emulator.socket_commands import Answer, Packets, SocketCommands
from tessel.emulator.socket_table import AcceptQueue, TcpSocket, UdpSocket
from tessel.emulator.station import WifiStation

_NOWHERE = SocketAddress()

_log = Logger()


class ConnectionCommands:
    """Carries out the commands connect, listen and accept.

    Sockets connect only while the station has an address.
    """

    def __init__(self, sockets: SocketCommands, air: Air, station: WifiStation) -> None:
        self._sockets = sockets
        self._quirks = sockets.quirks
        self._table = sockets.table
        self._air = air
        self._station = station

    # Connecting.

    def connect(self, command: hci.Connect) -> Answer:
        """Connect a TCP socket, or set the peer of a UDP socket; return the answer."""
        socket = self._table.get(command.sd)
        if isinstance(socket, UdpSocket):
            return [command.reply_packet(Result(self._connect_udp(socket, command.address)))]
        refusal = self._why_not(socket)
        if refusal or socket is None:
            return [command.reply_packet(Result(refusal))]
        if not self._station.can_dial(command.address.host):
            return [command.reply_packet(Result(self._failed_code(Code.TCP_OPEN_FAILED)))]
        answer = self._dial(socket, command.address)
        return answer.addCallback(lambda result: [command.reply_packet(Result(result))])

    def _why_not(self, socket: TcpSocket | None) -> int:
        if socket is None:
            return Code.NO_SUCH_SOCKET
        if not self._station.is_online:
            return Code.NOT_CONNECTED
        return 0 if socket.is_fresh else Code.SOCKET_EXISTS

    def _connect_udp(self, socket: UdpSocket, peer: SocketAddress) -> int:
        datagrams = self._sockets.datagrams(socket)
        if datagrams is None:
            return Code.FAILED
        datagrams.peer = peer
        return 0

    def _dial(self, socket: TcpSocket, peer: SocketAddress) -> Deferred[int]:
        stream = self._sockets.new_stream()
        dial = self._air.dial(
            peer.host,
            peer.port,
            stream,
            from_port=socket.bound_port,
            timeout_s=self._quirks.connect_timeout_s,
        )
        socket.dial = dial

        def over(result: IProtocol | Failure) -> int | Failure:
            socket.dial = None
            if isinstance(result, Failure):
                return result
            self._sockets.adopt(socket, stream)
            return 0

        answer: Deferred[int] = dial.addBoth(over).addErrback(self._not_connected)
        return answer.addCallback(self._dialled)

    def _dialled(self, result: int) -> int:
        """A chip that works on several commands at once may have a select that waits for this."""
        self._sockets.waiting.changed()
        return result

    def _not_connected(self, failure: Failure) -> int:
        failure.trap(ConnectError, ConnectingCancelledError)
        _log.debug("a connection failed: {fault}", fault=failure.value)
        silent = failure.check(DialTimeoutError)
        return self._failed_code(Code.TIMED_OUT if silent else Code.TCP_OPEN_FAILED)

    def _failed_code(self, why: int) -> int:
        return self._quirks.connect_failed_code or why

    # Accepting.

    def listen(self, command: hci.Listen) -> Answer:
        """Let a TCP socket listen at its port; return the answer."""
        return [command.reply_packet(Result(self._listening(self._table.tcp(command.sd))))]

    def _listening(self, socket: TcpSocket | None) -> int:
        refusal = self._why_not(socket)
        if refusal or socket is None:
            return refusal
        sockets = self._sockets
        listener = AcceptQueue(
            sockets.new_stream, self._quirks.accept_depth, sockets.waiting.changed
        )
        try:
            listener.port = self._air.listen(socket.bound_port, listener)
        except CannotListenError as fault:
            _log.debug("port {port} cannot be opened: {fault}", port=socket.bound_port, fault=fault)
            return Code.FAILED
        socket.listener = listener
        return 0

    def accept(self, command: hci.Accept) -> Answer:
        """Accept a connection; return the answer with the new socket and its peer.

        Without a connection, a socket in blocking mode waits for one; others get Code.PENDING.
        """
        socket = self._table.tcp(command.sd)
        waits = socket is not None and socket.options[Option.ACCEPT_NONBLOCK] != OPTION_ON
        return self._sockets.waiting.until(
            lambda: self._accepted(command),
            None if waits else 0,
            lambda: _no_connection(command, Code.PENDING),
        )

    def _accepted(self, command: hci.Accept) -> Packets | None:
        socket = self._table.tcp(command.sd)
        if socket is None or socket.listener is None:
            return _no_connection(command, Code.FAILED)
        if not self._sockets.may_accept(socket):
            return None
        stream = socket.listener.pop()
        arrived = self._sockets.new_tcp()
        self._sockets.adopt(arrived, stream)
        return [command.reply_packet(Accepted(command.sd, arrived.sd, _peer(stream)))]


def _peer(stream: PeerConnection) -> SocketAddress:
    peer = stream.transport.getPeer()
    return SocketAddress(peer.host, peer.port) if isinstance(peer, IPv4Address) else _NOWHERE


def _no_connection(command: hci.Accept, code: int) -> Packets:
    return [command.reply_packet(Accepted(command.sd, code, _NOWHERE))]
