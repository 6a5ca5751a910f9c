"""Commands that transfer bytes and datagrams: send, receive, select."""

from __future__ import annotations

from collections.abc import Callable

from twisted.logger import Logger

from tessel.cc3000.hci import sockets as hci
from tessel.cc3000.hci.codes import OPTION_ON, Code, Option
from tessel.cc3000.hci.events import SendFailed
from tessel.cc3000.hci.fields import SocketAddress
from tessel.cc3000.hci.replies import Received, Selected, Sent
from tessel.emulator.nameserver import PORT, NameServer
from tessel.emulator.socket_commands import Answer, Packets, SocketCommands
from tessel.emulator.socket_table import FOREVER, ChipSocket, TcpSocket, UdpSocket
from tessel.emulator.station import WifiStation

BUFFER_SIZE = 1500  # bytes; the answer to READ_BUFFER_SIZE
_HAS_BYTES = 1  # flags of a read that returns bytes, from the captures

_log = Logger()


class TransferCommands:
    """Carries out send, receive and select; each method returns the chip's answer.

    Datagrams to the access point's name server are answered by `names`.
    """

    def __init__(
        self,
        sockets: SocketCommands,
        names: NameServer,
        station: WifiStation,
        wedge: Callable[[], None],
    ) -> None:
        """`wedge` stops the chip, after a send without a free buffer."""
        self._sockets = sockets
        self._quirks = sockets.quirks
        self._table = sockets.table
        self._waiting = sockets.waiting
        self._names = names
        self._station = station
        self._wedge = wedge

    # Sending. Each packet takes a buffer, even one that cannot be sent.

    def send(self, message: hci.Send) -> Answer:
        """Send bytes of a TCP connection, or a datagram to the peer of a UDP socket.

        It takes one send buffer, even if the send fails.
        """
        if not self._sockets.buffers.take():
            return self._overrun(message)
        socket = self._table.get(message.sd)
        if socket is None or not self._sends(socket, message.data):
            return self._failed(message)
        return [message.reply_packet(Sent(message.sd, len(message.data)))]

    def _sends(self, socket: ChipSocket, data: bytes) -> bool:
        if not socket.may_send(self._quirks):
            return False
        if isinstance(socket, UdpSocket):
            peer = None if socket.datagrams is None else socket.datagrams.peer
            return peer is not None and self._sends_datagram(socket, data, peer)
        if socket.stream is not None:
            socket.stream.send(data)
        return True

    def send_to(self, message: hci.SendTo) -> Answer:
        """Send a datagram to an address. It takes one send buffer, even if it fails."""
        if not self._sockets.buffers.take():
            return self._overrun(message)
        socket = self._table.get(message.sd)
        sent = isinstance(socket, UdpSocket) and self._sends_datagram(
            socket, message.data, message.address
        )
        if not sent:
            self._sockets.buffers.done(message.sd, 1, awaited=False)
        count = len(message.data) if sent else Code.INACTIVE
        return [message.reply_packet(Sent(message.sd, count))]

    def _sends_datagram(self, socket: UdpSocket, data: bytes, to: SocketAddress) -> bool:
        datagrams = self._sockets.datagrams(socket)
        if datagrams is None or socket.dead:
            return False
        if (to.host, to.port) == (self._station.name_server, PORT):
            self._names.ask(data, lambda answer: datagrams.deliver(answer, to))
        elif self._station.is_own(to.host):
            _log.debug("a datagram to {to} is lost: no host has that address", to=to.host)
        else:
            datagrams.send(data, to)
        self._sockets.buffers.done(socket.sd, 1, awaited=False)
        return True

    def _failed(self, message: hci.Send) -> Packets:
        """Answer a send that fails. The host's driver waits for the ordinary answer in any case."""
        self._sockets.buffers.done(message.sd, 1, awaited=False)
        ordinary = message.reply_packet(Sent(message.sd, len(message.data)))
        failure = SendFailed(message.sd).packet()
        return [ordinary, failure] if self._quirks.late_send_failure else [failure, ordinary]

    def _overrun(self, message: hci.Send | hci.SendTo) -> Packets:
        """The host has sent a packet though no buffer is free."""
        if self._quirks.overrun_wedges:
            self._wedge()
        return [message.reply_packet(Sent(message.sd, Code.NO_RESOURCES))]

    # Receiving.

    def receive(self, command: hci.Receive) -> Answer:
        """Read from a socket, waiting for data as long as its options say."""
        return self._receive(command, self._table.get(command.sd))

    def receive_from(self, command: hci.ReceiveFrom) -> Answer:
        """Read from a socket as `receive` does; the answer includes a datagram's sender."""
        return self._receive(command, self._table.get(command.sd))

    def _receive(self, command: hci.Receive | hci.ReceiveFrom, socket: ChipSocket | None) -> Answer:
        if socket is None:
            return _nothing(command, self._quirks.closed_read_code)
        return self._waiting.until(
            lambda: self._received(command, socket),
            _patience_s(socket),
            lambda: _nothing(command, self._quirks.empty_read_code),
        )

    def _received(
        self, command: hci.Receive | hci.ReceiveFrom, socket: ChipSocket
    ) -> Packets | None:
        limit = min(command.limit, self._quirks.largest_read)
        if isinstance(socket, UdpSocket):
            if socket.datagrams is not None and socket.datagrams.arrived:
                datagram, sender = socket.datagrams.arrived.popleft()
                named = sender if isinstance(command, hci.ReceiveFrom) else None
                return _received(command, datagram[:limit], named)
        elif socket.stream is not None and socket.stream.received:
            data = socket.stream.read(limit)
            self._sockets.report_close_wait(socket)
            return _received(command, data, None)
        over = socket.has_to_read() or (isinstance(socket, TcpSocket) and socket.stream is None)
        return _nothing(command, self._quirks.closed_read_code) if over else None

    # Select.

    def select(self, command: hci.Select) -> Answer:
        """Wait until one of several sockets is ready; answer with the ready ones."""
        timeout = command.timeout_us
        return self._waiting.until(
            lambda: self._selected(command),
            None if timeout is None else timeout / 1e6,
            lambda: [command.reply_packet(Selected(0, 0, 0))],
        )

    def _selected(self, command: hci.Select) -> Packets | None:
        readable = self._ready(command.readable, self._is_readable)
        writable = self._ready(command.writable, self._is_writable)
        exceptional = self._ready(command.exceptional, _was_cut)
        ready = readable.bit_count() + writable.bit_count() + exceptional.bit_count()
        if not ready:
            return None
        return [command.reply_packet(Selected(ready, readable, writable, exceptional))]

    def _ready(self, asked: int, is_ready: Callable[[ChipSocket], bool]) -> int:
        """Return the bits of the sockets in `asked` that are ready.

        A closed socket is ready, because each call on it fails at once. Numbers that were never
        used are ignored.
        """
        ready = 0
        while asked:
            bit = asked & -asked
            asked ^= bit
            sd = bit.bit_length() - 1
            socket = self._table.get(sd)
            if self._table.was_closed(sd) if socket is None else is_ready(socket):
                ready |= bit
        return ready

    def _is_readable(self, socket: ChipSocket) -> bool:
        may_accept = isinstance(socket, TcpSocket) and self._sockets.may_accept(socket)
        return may_accept or socket.has_to_read()

    def _is_writable(self, socket: ChipSocket) -> bool:
        """False without a free buffer: a send would stop the chip, whatever its socket is."""
        return socket.may_be_written and bool(self._sockets.buffers.free)


def _was_cut(socket: ChipSocket) -> bool:
    return socket.was_cut


def _patience_s(socket: ChipSocket) -> float | None:
    if socket.options[Option.RECV_NONBLOCK] == OPTION_ON:
        return 0
    timeout_ms = socket.options[Option.RECV_TIMEOUT_MS]
    return None if timeout_ms == FOREVER else timeout_ms / 1000


def _nothing(command: hci.Receive | hci.ReceiveFrom, code: int) -> Packets:
    return [command.reply_packet(Received(command.sd, code))]


def _received(
    command: hci.Receive | hci.ReceiveFrom, data: bytes, sender: SocketAddress | None
) -> Packets:
    if not data:
        return _nothing(command, 0)
    head = command.reply_packet(Received(command.sd, len(data), _HAS_BYTES))
    return [head, hci.Arrived(command.sd, data, sender).packet()]
