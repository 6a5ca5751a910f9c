"""TCP connections to targets: one that is the target itself, and one that carries TLS."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from struct import pack
from typing import Final

from twisted.internet import error
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IProtocol, IReactorFDSet, IReactorTime
from twisted.internet.main import CONNECTION_LOST
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.tcp import Connection
from twisted.python.failure import Failure

from streamplex.messages import BytesLike
from streamplex.spaced import SpacedData
from streamplex.tx.bulk import (
    MAX_PIECES,
    READ_BYTES,
    TELLS_NOTHING,
    behind,
    read_view,
    room_for_data,
    shared_buffer,
)
from streamplex.tx.tcp import unsent_bytes
from tessel_proxy.targets.target import NO_OWNER, Target, TargetLoss, TargetOwner

_RESET_ON_CLOSE: Final = pack("ii", 1, 0)  # struct linger: on, 0 seconds

BULK_BYTES = 32 * 1024
"""After a read of so much, the next one leaves room for the headers of frames, which saves a copy.
Such a read takes some more time, which small data is not worth."""

_NO_PROTOCOL = Protocol()
"""The protocol of all connections that have none yet: a lost connection notifies its protocol."""


def reset_on_close(made: socket.socket) -> None:
    """Let the system send a reset when the socket is closed, in place of an orderly end."""
    made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)


class TargetConnection(Connection):
    """Twisted's TCP connection to a target, without the parts that only Twisted's own client needs.

    `carry` gives it a protocol, such as TLS.
    """

    logstr = "target"
    bufferSize = READ_BYTES

    def __init__(self, made: socket.socket, reactor: IReactorFDSet) -> None:
        # Sets the same attributes as Twisted's two constructors, which a test compares. They would
        # make the socket non-blocking, which it is.
        self.reactor = reactor
        self.socket = made
        self.fileno = made.fileno
        self.protocol = _NO_PROTOCOL
        self._tempDataBuffer: list[bytes] = []
        self._tempDataLen = 0
        self.connected = 1

    def carry(self, protocol: IProtocol) -> None:
        """Give the connection its protocol, begin to read, and notify the protocol."""
        self.protocol = protocol
        self.reactor.addReader(self)
        protocol.makeConnection(self)

    def loseConnection(self) -> None:
        """Close after all queued bytes are sent; at once after a half close."""
        if self.connected and not self.disconnecting and self._writeDisconnected:
            self.connectionLost(connectionDone)
        else:
            super().loseConnection()  # type: ignore[no-untyped-call]  # Twisted's

    def connectionLost(self, reason: Failure) -> None:
        """Close the socket, and notify the protocol. Does as Twisted's with half of the calls."""
        if self.disconnected:
            return  # a protocol may abort inside a call that then fails
        producer, self.producer = self.producer, None
        if producer is not None:
            producer.stopProducing()
        self.reactor.removeWriter(self)
        protocol = self.protocol
        self._close_socket(reason)
        protocol.connectionLost(reason)

    def _close_socket(self, reason: Failure) -> None:
        # No other process has the descriptor, so closing it ends the connection. The `shutdown`
        # that Twisted adds "to be safe" is a system call that fails after each half close.
        self.disconnected, self.connected = 1, 0
        self.reactor.removeReader(self)
        if isinstance(reason.value, error.ConnectionAborted):
            reset_on_close(self.socket)
        self.socket.close()
        del self.protocol, self.socket, self.fileno

    def doRead(self) -> ConnectionLost | ConnectionDone | None:  # type: ignore[override]
        """Called by the reactor when data can be read: passes the data to the protocol as a view.

        Returns the reason if the connection has ended, else None.
        """
        # The protocol above is TLS, which accepts views.
        return read_view(self, self.protocol.dataReceived)  # type: ignore[arg-type]

    def getHost(self) -> IPv4Address | IPv6Address:
        """Return the address and port of the proxy's end of the connection."""
        return _named(self.socket.getsockname())

    def getPeer(self) -> IPv4Address | IPv6Address:
        """Return the address and port of the target's end of the connection."""
        return _named(self.socket.getpeername())


def _named(found: tuple[str, int] | tuple[str, int, int, int]) -> IPv4Address | IPv6Address:
    return IPv6Address("TCP", *found) if len(found) > 2 else IPv4Address("TCP", *found)  # noqa: PLR2004


class PlainTarget(TargetConnection, Target):
    """A target without TLS: the TCP connection itself, with no protocol between it and its owner.

    Bytes are queued only while the target accepts none. So it knows itself whether it waits for the
    reactor to write, and needs no producer.
    """

    def __init__(
        self,
        made: socket.socket,
        reactor: IReactorFDSet,
        owner: TargetOwner,
        clock: IReactorTime,
        sockets: set[Target],
    ) -> None:
        super().__init__(made, reactor)
        self._owner = owner
        self._clock = clock
        self._sockets = sockets
        self._is_full = False  # whether bytes are queued, and the reactor polls for room
        self._is_bulk = False  # whether the last read returned much
        self._is_reset = False  # by the target, as a write has found
        self.is_open = True
        sockets.add(self)
        reactor.addReader(self)

    # --- for the owner; Target explains the methods

    def write_pieces(self, pieces: Sequence[BytesLike]) -> None:
        sent = 0
        if not self._is_full:
            if len(pieces) > MAX_PIECES:
                pieces = (b"".join(pieces),)
            try:
                sent = self.socket.sendmsg(pieces)
            except OSError as why:  # the next turn meets it again, and closes the connection
                self._is_reset = self._is_reset or why.errno not in TELLS_NOTHING
        if sent < sum(map(len, pieces)):
            self._is_full = True
            self.write(b"".join(behind(sent, pieces)))  # type: ignore[no-untyped-call]  # Twisted's
            self._owner.target_is_full()

    def doWrite(self) -> int | ConnectionLost | ConnectionDone | None:  # type: ignore[override]
        """Called by the reactor when there is room: sends queued bytes."""
        why = super().doWrite()  # type: ignore[no-untyped-call]  # Twisted's
        if self._is_full and not self.unsent_bytes:
            self._is_full = False
            self._owner.target_has_room()
        return why  # type: ignore[no-any-return]  # Twisted's

    def half_close(self) -> None:
        if self._is_full:
            self.loseWriteConnection()  # type: ignore[no-untyped-call]  # Twisted's
        else:
            self._writeDisconnecting = self._writeDisconnected = True
            self._closeWriteConnection()

    def _closeWriteConnection(self) -> None:
        try:  # noqa: SIM105 -- `suppress` takes three calls
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the target has reset the connection, which a read finds

    def close(self) -> None:
        self._owner = NO_OWNER
        if self._is_full:
            super().loseConnection()
            self._linger_from_now()
        else:
            self._close_socket(connectionDone)
            self.is_open = False
            self._sockets.discard(self)  # nobody else waits for the end of an open connection

    def abort(self) -> None:
        self._owner = NO_OWNER
        self.abortConnection()  # type: ignore[no-untyped-call]  # Twisted's

    @property
    def unsent_bytes(self) -> int:
        return unsent_bytes(self)

    def read_at_most(self, nbytes: int) -> None:
        self.bufferSize = nbytes

    def pause(self) -> None:
        self.reactor.removeReader(self)

    def resume(self) -> None:
        self.resumeProducing()  # type: ignore[no-untyped-call]  # Twisted's

    def _close_again(self) -> None:
        """Do nothing: when all bytes are sent, TCP closes."""

    # --- from the reactor

    def doRead(self) -> ConnectionLost | None:  # type: ignore[override]
        """Called by the reactor when data can be read: passes a view of it to the owner.

        Returns the reason if the connection is lost, else None.
        """
        # Not by `read_view`, as TLS: that knows neither reads with room nor an end that only stops
        # reading.
        is_bulk = self._is_bulk and self.bufferSize == READ_BYTES
        try:
            if is_bulk:
                nbytes = self.socket.recvmsg_into(room_for_data)[0]
            else:
                nbytes = self.socket.recv_into(shared_buffer, self.bufferSize)
        except BlockingIOError:
            return None
        except OSError:
            return CONNECTION_LOST
        if nbytes:
            self._is_bulk = nbytes >= BULK_BYTES
            self._owner.target_received(
                SpacedData(shared_buffer, nbytes) if is_bulk else shared_buffer[:nbytes]
            )
            return None
        if self._is_reset:  # the system reports each error once, here to an earlier write
            return CONNECTION_LOST
        self._owner.target_ended()  # which mostly closes the connection
        if self.connected:
            self.reactor.removeReader(self)
        return None

    def readConnectionLost(self, reason: Failure) -> None:  # noqa: ARG002 -- Twisted's
        """Called by the reactor if its poll reports the end alone: notifies the owner."""
        self._owner.target_ended()

    def connectionLost(self, reason: Failure) -> None:
        """Close the socket, and notify the owner, unless it has closed or aborted the target."""
        if self.disconnected:
            return
        if self._is_full:
            self.reactor.removeWriter(self)
        self._close_socket(reason)
        self._over(reason)

    def _loss(self, reason: Failure) -> TargetLoss:
        ended = isinstance(reason.value, error.ConnectionDone)
        return TargetLoss.ENDED if ended else TargetLoss.RESET
