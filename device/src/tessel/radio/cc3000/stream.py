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
from tessel.radio.cc3000.outgoing import Outgoing
from tessel.radio.cc3000.socket_context import SocketContext
from tessel.radio.interface import IWeakTransport

LINGER_S = 5.0
"""How long a close waits for the chip to have its last packets acknowledged: a socket closed with
some outstanding loses them. Past that, the one of few sockets is worth more."""

_log = Logger(namespace="tessel.radio")


class _Phase(Enum):
    OPEN = auto()
    LOST = auto()  # the protocol knows; the chip's socket is still to be closed
    GONE = auto()


@implementer(ITCPTransport, IPushProducer, IConsumer, IWeakTransport)
class ChipStream:
    """`left` is called when the chip's socket is free again, or lost with the chip."""

    disconnecting = False
    shares = True

    def __init__(
        self,
        sd: int,
        host: IPv4Address,
        peer: IPv4Address,
        context: SocketContext,
        left: Callable[[ChipStream], None],
    ) -> None:
        self.sd = sd
        self.peer_closed = False  # what it sent before is still in the chip
        self.protocol: IProtocol | None = None
        self._host = host
        self._peer = peer
        self._sockets = context.sockets
        self._buffers = context.buffers
        self._poll = context.poll
        self._clock = context.clock
        sizes = context.sizes
        self._read_limit, self._write_limit = sizes.largest_read, sizes.largest_write
        self._reads = sizes.reads
        self._left = left
        self._phase = _Phase.OPEN
        self._outgoing = Outgoing()
        self._unread = b""  # came while the protocol had paused
        self._paused = False
        self._send_failed = False
        self._linger_until: float | None = None

    def carry(self, protocol: IProtocol) -> None:
        """The protocol is there: from now on bytes come."""
        self.protocol = protocol
        protocol.makeConnection(self)
        self._poll.add(self)

    def decline(self) -> None:
        """Nobody wants it any more: it will carry nothing, and is closed."""
        self._phase = _Phase.LOST
        self._poll.add(self)

    @property
    def leaving(self) -> bool:
        """Its socket is about to be free."""
        return self.disconnecting or self._phase is not _Phase.OPEN

    @property
    def unsent_bytes(self) -> int:
        """What the chip has not taken yet: while it gets less, the link is alive."""
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
        """The chip knows no half close."""
        self.loseConnection()

    def abortConnection(self) -> None:
        if self._phase is _Phase.OPEN:
            self._outgoing.clear()
            self._phase = _Phase.LOST
            self._clock.callLater(0, self._tell, Failure(error.ConnectionAborted()))
            self._poll.wake()

    def getPeer(self) -> IPv4Address:
        return self._peer

    def getHost(self) -> IPv4Address:
        return self._host

    def getTcpNoDelay(self) -> bool:
        return False

    def setTcpNoDelay(self, enabled: bool) -> None:
        """The chip has no such option."""

    def getTcpKeepAlive(self) -> bool:
        return False

    def setTcpKeepAlive(self, enabled: bool) -> None:
        """The chip has one timer for all its sockets."""

    # IPushProducer: what comes from the chip.

    def pauseProducing(self) -> None:
        self._paused = True

    def resumeProducing(self) -> None:
        if self._paused and not self.disconnecting:
            self._paused = False
            self._poll.wake()

    def stopProducing(self) -> None:
        self.loseConnection()

    # IConsumer: who writes.

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
        return self._phase is _Phase.OPEN and not self._paused and not self.disconnecting

    @property
    def looks(self) -> bool:
        over = self.peer_closed or self._send_failed
        return self.reads and (over or bool(self._unread))

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
            self._tell(Failure(self._reason("a send failed", lost=self._send_failed)))
            return True
        return False

    def _reason(self, why: str, *, lost: bool) -> Exception:
        """After the peer's end a connection is done, whatever else became of it."""
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
        """What was sent is acknowledged, or will not be."""
        if self._linger_until is None:
            self._linger_until = self._clock.seconds() + LINGER_S
        unsure = self._buffers.held(self.sd) and not (self._send_failed or self.peer_closed)
        return not unsure or self._clock.seconds() >= self._linger_until

    async def _close(self) -> None:
        self._phase = _Phase.GONE
        try:
            await self._sockets.close(self.sd)
        except CommandError as fault:
            _log.debug("{peer}: {fault}", peer=self._peer, fault=fault)
        self._leave()

    async def read_some(self) -> bool:
        if not self._unread:
            try:
                self._unread = await self._read()
            except CommandError as fault:
                return await self._over(str(fault))
            if not self._unread:
                over = self.peer_closed or self._send_failed
                return over and await self._over("there was nothing more")
        if self.reads:
            nbytes, self._unread = self._unread, b""
            self._deliver(nbytes)
        return True

    async def _read(self) -> bytes:
        """One read, and as long as it was full the next, without asking whether there is more."""
        limit = self._read_limit
        data = await self._sockets.receive(self.sd, limit)
        if len(data) < limit or self._reads == 1:
            return data
        pieces = [data]
        while len(data) == limit and len(pieces) < self._reads:
            try:
                data = await self._sockets.receive(self.sd, limit)
            except CommandError:
                break  # the end: the next read will have the same answer
            pieces.append(data)
        return b"".join(pieces)

    def _deliver(self, data: bytes) -> None:
        try:
            cast("IProtocol", self.protocol).dataReceived(data)
        except Exception:  # noqa: BLE001 - as Twisted's reactors do: the connection is at fault
            failure = Failure()
            _log.failure("what a connection brought was not dealt with", failure)
            self._outgoing.clear()
            self._phase = _Phase.LOST
            self._tell(failure)

    async def _over(self, why: str) -> bool:
        """Nothing more can be read. Only where the peer has said so is it an end like any other."""
        if self._phase is not _Phase.OPEN:
            return False
        reason = self._reason(why, lost=True)
        await self._close()
        self._tell(Failure(reason))
        return True

    # For the radio.

    def close_wait(self) -> None:
        self.peer_closed = True
        self._poll.wake()

    def send_failed(self) -> None:
        """The socket is dead; what it has received can still be read."""
        self._send_failed = True
        self._outgoing.clear()
        self._poll.wake()
        if self._paused and not self.peer_closed:
            self._phase = _Phase.LOST
            self._clock.callLater(0, self._tell, Failure(error.ConnectionLost("it was cut")))

    def cut(self, why: Exception) -> None:
        """The chip's socket is no more, as its network or the chip itself."""
        self._phase = _Phase.GONE
        self._outgoing.clear()
        self._leave()
        self._tell(Failure(error.ConnectionLost(str(why))))

    def _leave(self) -> None:
        self._poll.remove(self)
        self._left(self)

    def _tell(self, reason: Failure) -> None:
        """Once: the protocol is let go of."""
        self._outgoing.stop()
        protocol, self.protocol = self.protocol, None
        if protocol is not None:
            protocol.connectionLost(reason)
