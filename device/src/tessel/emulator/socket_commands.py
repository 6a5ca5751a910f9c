"""Commands that open, bind and close sockets and set options; and events without a command."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.logger import Logger

from tessel.cc3000.hci import sockets as hci
from tessel.cc3000.hci.codes import AF_INET, Code, Option, SocketKind
from tessel.cc3000.hci.events import CloseWait, SendFailed
from tessel.cc3000.hci.packets import DataPacket, EventPacket
from tessel.cc3000.hci.replies import Bits, Result
from tessel.emulator.air import Air
from tessel.emulator.buffers import PacketBuffers
from tessel.emulator.datagram_queue import DatagramQueue
from tessel.emulator.inactivity import InactivityTimer
from tessel.emulator.peer_connection import PeerConnection
from tessel.emulator.pending_answers import PendingAnswers
from tessel.emulator.quirks import Quirks
from tessel.emulator.socket_table import ChipSocket, SocketTable, TcpSocket, UdpSocket

Packets: TypeAlias = Sequence[EventPacket | DataPacket]
Answer: TypeAlias = "Packets | Deferred[Packets]"
Say: TypeAlias = Callable[[EventPacket | DataPacket], None]

MOST_CLOSING = 16
"""Connections of closed sockets whose peers have not taken all. One more resets the oldest."""

GARBLED = 0x0008_7B63  # the answer of a real chip to a valid option, from a capture of its start

_log = Logger()


class SocketCommands:
    """Carries out commands that open, bind, close and configure sockets.

    It owns the table of sockets, the send buffers, and the commands that wait for an answer. Each
    method that takes a command returns the answer to it.
    """

    def __init__(
        self, air: Air, quirks: Quirks, inactivity_s: int, is_online: Callable[[], bool], say: Say
    ) -> None:
        """`is_online` returns True while the chip has an address. `say` sends an event."""
        self.quirks = quirks
        self.table = SocketTable(quirks.sockets, air.clock)
        self.waiting: PendingAnswers[Packets] = PendingAnswers(air.clock)
        self.buffers = PacketBuffers(
            quirks.buffers,
            air.clock,
            lambda freed: say(freed.packet()),
            late=quirks.late_free_buffers,
        )
        self._air = air
        self._is_online = is_online
        self._say = say
        self._inactivity = InactivityTimer(inactivity_s, air.clock, self._expired)
        # Closed by the host, while their peers have not taken everything.
        self._closing: dict[PeerConnection, None] = {}

    def set_inactivity(self, limit_s: int) -> None:
        """Set the limit of the inactivity timer in seconds; 0 turns it off."""
        self._inactivity.change(limit_s)

    # Commands.

    def open(self, command: hci.OpenSocket) -> Answer:
        """Open a TCP or UDP socket and answer with its number or an error code."""
        return [command.reply_packet(Result(self._opened(command)))]

    def _opened(self, command: hci.OpenSocket) -> int:
        if not self._is_online():
            return Code.FAILED
        if command.family != AF_INET or command.kind not in tuple(SocketKind):
            return Code.NOT_SUPPORTED
        if not self.table.has_room:
            return self.quirks.no_socket_code
        if command.kind == SocketKind.DATAGRAM:
            return self.table.open_udp().sd
        return self.new_tcp().sd

    def new_tcp(self) -> TcpSocket:
        """Open a TCP socket and start its inactivity timer.

        The caller checks that the table has room.
        """
        opened = self.table.open_tcp()
        self._inactivity.watch(opened)
        return opened

    def bind(self, command: hci.Bind) -> Answer:
        """Bind a socket to a port.

        A UDP port is opened now, a TCP port when the socket listens.
        """
        return [command.reply_packet(Result(self._bound(command)))]

    def _bound(self, command: hci.Bind) -> int:
        socket = self.table.get(command.sd)
        if socket is None:
            return Code.NO_SUCH_SOCKET
        port = command.address.port
        kin = (other for other in self.table if type(other) is type(socket))
        if port and any(other.bound_port == port for other in kin):
            return Code.SOCKET_EXISTS
        socket.bound_port = port
        if isinstance(socket, UdpSocket):
            return Code.FAILED if self.datagrams(socket) is None else 0
        return 0

    def datagrams(self, socket: UdpSocket) -> DatagramQueue | None:
        """Return the datagram queue of a UDP socket, opening its port at the first call.

        Returns None if the port cannot be opened.
        """
        if socket.datagrams is None:
            datagrams = DatagramQueue(self.quirks.datagrams_held, self.waiting.changed)
            try:
                socket.port = self._air.bind(socket.bound_port, datagrams)
            except CannotListenError as fault:
                _no_port(socket, fault)
                return None
            socket.datagrams = datagrams
        return socket.datagrams

    def may_accept(self, socket: TcpSocket) -> bool:
        """Return True if a connection is waiting and a socket is free for it."""
        return bool(socket.listener) and self.table.has_room

    def set_option(self, command: hci.SetSocketOption) -> Answer:
        """Set an option of a socket."""
        return [command.reply_packet(Result(self._option_set(command)))]

    def _option_set(self, command: hci.SetSocketOption) -> int:
        socket = self.table.get(command.sd)
        if socket is None:
            return Code.NO_SUCH_SOCKET
        if command.option not in socket.options:
            return Code.FAILED
        socket.options[command.option] = int.from_bytes(command.value[:4], "little")
        garbled = command.option == Option.ACCEPT_NONBLOCK and len(command.value) == _TWO
        return GARBLED if garbled and self.quirks.garbled_option_answer else 0

    def get_option(self, command: hci.GetSocketOption) -> Answer:
        """Answer with the value of a socket's option."""
        socket = self.table.get(command.sd)
        value = None if socket is None else socket.options.get(command.option)
        if value is None:
            return [command.reply_packet(Bits(0), status=Code.FAILED & 0xFF)]
        return [command.reply_packet(Bits(value))]

    def close(self, command: hci.CloseSocket) -> Answer:
        """Close a socket. The answer comes when its port is free again."""
        socket = self.table.drop(command.sd)
        if socket is None:
            return [command.reply_packet(Result(Code.INACTIVE))]
        closed = self._close(socket)
        result = Result(Code.INACTIVE if socket.is_over else 0)
        return closed.addCallback(lambda _: [command.reply_packet(result)])

    def _close(self, socket: ChipSocket) -> Deferred[None]:
        if isinstance(socket, TcpSocket):
            self._inactivity.forget(socket)
            self._leave(socket)
        closed = socket.close()
        self.waiting.changed()
        return closed

    def _leave(self, socket: TcpSocket) -> None:
        stream = socket.stream
        if stream is None or stream.lost:
            return
        stream.settle()  # the peer may take the rest, but the chip's buffers are free
        freed = 0 if self.quirks.close_leaks_buffers else stream.taken()
        self.buffers.done(socket.sd, freed, awaited=bool(self.waiting))
        self._closing[stream] = None
        if len(self._closing) > MOST_CLOSING:
            next(iter(self._closing)).abort()
        stream.changed = lambda: self._closing_changed(stream)

    def _closing_changed(self, stream: PeerConnection) -> None:
        if stream.lost:
            self._closing.pop(stream, None)

    # Events without a command.

    def new_stream(self) -> PeerConnection:
        """Return a new, not yet connected `PeerConnection` for a socket."""
        return PeerConnection(self._air.clock, self.quirks.receive_window, nagle=self.quirks.nagle)

    def adopt(self, socket: TcpSocket, stream: PeerConnection) -> None:
        """Give `socket` the connected `stream`, and report changes of it to the host."""
        socket.stream = stream
        stream.changed = lambda: self._stream_changed(socket, stream)
        if stream.is_over:  # it ended before it was accepted
            stream.changed()

    def _stream_changed(self, socket: TcpSocket, stream: PeerConnection) -> None:
        self.buffers.done(socket.sd, stream.taken(), awaited=bool(self.waiting))
        self._report_send_failed(socket, stream)
        self.report_close_wait(socket)
        self.waiting.changed()

    def _report_send_failed(self, socket: TcpSocket, stream: PeerConnection) -> None:
        """Report that the peer has reset the connection before it took all sends."""
        if stream.unsent:
            stream.unsent = False
            self._say(SendFailed(socket.sd).packet())

    def report_close_wait(self, socket: TcpSocket) -> None:
        """Report to the host, once, that the peer has closed its side.

        `Quirks` decides whether the report comes before or after the peer's bytes are read. A reset
        is not reported: the event is known only for a FIN, and means that all bytes came.
        """
        stream = socket.stream
        if stream is None or not stream.finished or socket.close_wait_reported or socket.dead:
            return
        if self.quirks.early_close_wait or not stream.received:
            socket.close_wait_reported = True
            self._say(CloseWait(socket.sd).packet())

    def _expired(self, socket: TcpSocket) -> None:
        _log.debug("the inactivity timer closes socket {sd}", sd=socket.sd)
        socket.dead = True
        _unwaited(socket.close())
        self.waiting.changed()

    def cut(self) -> None:
        """Mark all sockets as dead. Called when the Wi-Fi link is lost.

        The host still has to close each of them.
        """
        for socket in self.table:
            if isinstance(socket, TcpSocket):
                self._inactivity.forget(socket)
            _unwaited(socket.cut())
        self.waiting.changed()

    def stop(self) -> None:
        """Close everything and report nothing more. Called when the power is switched off."""
        self.waiting.stop()
        self._inactivity.stop()
        for stream in list(self._closing):
            stream.abort()
        self.cut()
        self.buffers.stop()


_TWO = 2


def _no_port(socket: ChipSocket, fault: CannotListenError) -> None:
    _log.debug("port {port} cannot be opened: {fault}", port=socket.bound_port, fault=fault)


def _unwaited(stopping: Deferred[None]) -> None:
    """Log the failure of a port that is closed in the background."""
    stopping.addErrback(lambda fault: _log.failure("a port could not be closed", fault))
