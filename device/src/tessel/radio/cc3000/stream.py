"""A TCP connection of the chip as a Twisted transport."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from typing import cast

from twisted.internet import error
from twisted.internet.address import IPv4Address
from twisted.internet.interfaces import (
    IConsumer,
    IProducer,
    IProtocol,
    IPushProducer,
    ITCPTransport,
)
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from tessel.cc3000.errors import CommandError
from tessel.radio.cc3000.incoming import Incoming
from tessel.radio.cc3000.outgoing import Outgoing
from tessel.radio.cc3000.socket_context import SocketContext
from tessel.radio.interface import IWeakTransport
from tessel.tcp_options import FixedTcpOptions

LINGER_S = 5.0
"""Seconds that a close waits until the peer has acknowledged the last packets: the chip drops those
that are outstanding when it closes a socket. After that, one of only four sockets must be freed."""

_log = Logger(namespace="tessel.radio")


class _Phase(Enum):
    """OPEN -> LOST -> GONE; OPEN -> GONE if the chip's socket goes first, or both at once."""

    OPEN = auto()
    LOST = auto()  # over for the protocol; the chip's socket is not yet closed
    GONE = auto()  # the chip's socket is closed


@implementer(ITCPTransport, IPushProducer, IConsumer, IWeakTransport)
class ChipStream(FixedTcpOptions):
    """A TCP connection over one socket of the chip.

    The chip cannot half-close, so `loseWriteConnection` closes the whole connection, and it has
    neither TCP_NODELAY nor a keepalive for each socket (it has one timer for all): those calls have
    no effect.
    """

    shares = True

    def __init__(
        self,
        sd: int,
        host: IPv4Address,
        peer: IPv4Address,
        context: SocketContext,
        left: Callable[[ChipStream], None],
    ) -> None:
        """Take over the connected socket `sd`.

        `left` is called when the chip's socket is closed, or lost together with the chip.
        """
        self.sd = sd
        self.disconnecting = False
        self.peer_closed = False  # bytes that came before may still be in the chip
        self.protocol: IProtocol | None = None
        self._host = host
        self._peer = peer
        self._sockets = context.sockets
        self._buffers = context.buffers
        self._poll = context.poll
        self._clock = context.clock
        self._write_limit = context.sizes.largest_write
        self._left = left
        self._phase = _Phase.OPEN
        self._incoming = Incoming(sd, context.sockets, context.sizes)
        self._outgoing = Outgoing()
        self._send_failed = False
        self._linger_until: float | None = None

    def carry(self, protocol: IProtocol) -> None:
        """Connect `protocol` to the stream, and begin to read for it."""
        self.protocol = protocol
        protocol.makeConnection(self)
        self._poll.add(self)

    def decline(self) -> None:
        """Close a connection that has no protocol, because the program no longer wants it."""
        self._phase = _Phase.LOST
        self._poll.add(self)

    @property
    def leaving(self) -> bool:
        """True if the connection is closing, so that its socket will soon be free."""
        return self.disconnecting or self._phase is not _Phase.OPEN

    @property
    def unsent_bytes(self) -> int:
        """The number of written bytes that the chip has not taken. A live link lets it decrease."""
        return len(self._outgoing)

    # ITransport, ITCPTransport.

    def write(self, data: bytes) -> None:
        if self._phase is _Phase.OPEN and not self._send_failed:
            self._outgoing.add(data)
            self._poll.wake()

    def writeSequence(self, iovec: list[bytes]) -> None:  # type: ignore[override]  # zope's own
        self.write(b"".join(iovec))

    def loseConnection(self) -> None:
        if self._phase is _Phase.OPEN and not self.disconnecting:
            self.disconnecting = True
            self._poll.wake()

    def loseWriteConnection(self) -> None:
        """Close the whole connection: the chip cannot half-close."""
        self.loseConnection()

    def abortConnection(self) -> None:
        if self._phase is _Phase.OPEN:
            self._outgoing.clear()
            self._phase = _Phase.LOST
            self._clock.callLater(0, self._report_loss, Failure(error.ConnectionAborted()))
            self._poll.wake()

    def getPeer(self) -> IPv4Address:
        return self._peer

    def getHost(self) -> IPv4Address:
        return self._host

    # IPushProducer: bytes from the chip.

    def pauseProducing(self) -> None:
        self._incoming.paused = True

    def resumeProducing(self) -> None:
        if self._incoming.paused and not self.disconnecting:
            self._incoming.paused = False
            self._poll.wake()

    def stopProducing(self) -> None:
        self.loseConnection()

    # IConsumer: bytes to the chip.

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        if self._phase is _Phase.OPEN:
            self._outgoing.register(producer, streaming)
        else:
            producer.stopProducing()

    def unregisterProducer(self) -> None:
        self._outgoing.unregister()

    # For the poll.

    @property
    def reads(self) -> bool:
        return self._phase is _Phase.OPEN and not self._incoming.paused and not self.disconnecting

    @property
    def looks(self) -> bool:
        over = self.peer_closed or self._send_failed
        return self.reads and (over or bool(self._incoming.unread))

    @property
    def sends(self) -> bool:
        return bool(self._outgoing) or self.disconnecting or self._phase is _Phase.LOST

    async def send_some(self) -> bool:
        if self._phase is _Phase.LOST:
            await self._close()
            return True
        if self._phase is not _Phase.OPEN:
            return False
        if self._outgoing:
            return self._has_room() and await self._send_packet()
        if self.disconnecting and self._may_close():
            await self._close()
            self._report_loss(Failure(self._reason("a send failed", lost=self._send_failed)))
            return True
        return False

    def _reason(self, why: str, *, lost: bool) -> Exception:
        """ConnectionDone if the peer has closed, even if a send failed later; else by `lost`."""
        cut = lost and not self.peer_closed
        return error.ConnectionLost(why) if cut else error.ConnectionDone()

    def _has_room(self) -> bool:
        share = self._buffers.room(self._poll.sharers())
        return self._buffers.has_room() and self._buffers.held(self.sd) < share

    async def _send_packet(self) -> bool:
        try:
            await self._sockets.send(self.sd, self._outgoing.take(self._write_limit))
        except CommandError as fault:
            _log.debug("{peer}: {fault}", peer=self._peer, fault=fault)
            self.send_failed()
        if self._phase is _Phase.OPEN:
            self._outgoing.sent()
        return True

    def _may_close(self) -> bool:
        """True if the peer has acknowledged everything, never will, or LINGER_S is over."""
        if self._linger_until is None:
            self._linger_until = self._clock.seconds() + LINGER_S
        unacknowledged = self._buffers.held(self.sd)
        may_come = unacknowledged and not (self._send_failed or self.peer_closed)
        return not may_come or self._clock.seconds() >= self._linger_until

    async def _close(self) -> None:
        self._phase = _Phase.GONE
        try:
            await self._sockets.close(self.sd)
        except CommandError as fault:
            _log.debug("{peer}: {fault}", peer=self._peer, fault=fault)
        self._leave()

    async def read_some(self) -> bool:
        incoming = self._incoming
        if not incoming.unread:
            try:
                incoming.unread = await incoming.read()
            except CommandError as fault:
                return await self._over(str(fault))
            if not incoming.unread:
                over = self.peer_closed or self._send_failed
                return over and await self._over("there was nothing more to read")
        if self.reads:
            self._deliver(incoming.take())
        return True

    def _deliver(self, data: bytes) -> None:
        try:
            cast("IProtocol", self.protocol).dataReceived(data)
        except Exception:  # noqa: BLE001 - as Twisted's reactors do: the connection is at fault
            failure = Failure()
            _log.failure("the program failed with received bytes", failure)
            self._outgoing.clear()
            self._phase = _Phase.LOST
            self._report_loss(failure)

    async def _over(self, why: str) -> bool:
        """End the connection: there is nothing more to read. Without the peer's FIN it is lost."""
        if self._phase is not _Phase.OPEN:
            return False
        reason = self._reason(why, lost=True)
        await self._close()
        self._report_loss(Failure(reason))
        return True

    # For the radio.

    def close_wait(self) -> None:
        """Called when the peer has closed its side. Bytes that came before can still be read."""
        self.peer_closed = True
        self._poll.wake()

    def send_failed(self) -> None:
        """Called when the chip could not send: drop all unsent bytes. Received ones stay."""
        self._send_failed = True
        self._outgoing.clear()
        self._poll.wake()
        if self._incoming.paused and not self.peer_closed:
            self._phase = _Phase.LOST
            lost = Failure(error.ConnectionLost("a send failed"))
            self._clock.callLater(0, self._report_loss, lost)

    def cut(self, why: Exception) -> None:
        """End the connection for the reason `why`: its socket, the network or the power is lost."""
        self._phase = _Phase.GONE
        self._outgoing.clear()
        self._leave()
        self._report_loss(Failure(error.ConnectionLost(str(why))))

    def _leave(self) -> None:
        self._poll.remove(self)
        self._left(self)

    def _report_loss(self, reason: Failure) -> None:
        """Call the protocol's connectionLost, once, and release the protocol."""
        self._outgoing.stop()
        protocol, self.protocol = self.protocol, None
        if protocol is not None:
            protocol.connectionLost(reason)
