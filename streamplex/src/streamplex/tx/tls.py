"""Twisted's TLS with fixes that tunnels and their substreams need.

- Twisted encrypts, copies and delivers pieces of 16 KiB, with some thirty Python calls for each.
  Here a piece has four records, and the data of one read is delivered at once. Memory BIOs are
  kept: TLS on the socket itself costs as much to write and more to read
  (docs/decisions/0013-fast-path.md).
- Twisted collects small writes until the next turn by a timer. Here they are encrypted together at
  the end of the same turn, without a timer.
- Twisted reports every end without close_notify as a lost connection, though many peers only send
  TCP's FIN. Here `ended_by_fin` says how TCP ended.
- When TLS is over, Twisted asks TCP to close, and TCP waits for the producer above TLS: forever, if
  the producer is paused. Here the producer is unregistered, and TCP has LAST_BYTES_S to send.
"""

from __future__ import annotations

from typing import cast

from OpenSSL import SSL
from twisted.internet import error
from twisted.internet.interfaces import (
    IDelayedCall,
    IOpenSSLClientConnectionCreator,
    IOpenSSLServerConnectionCreator,
    IProtocolFactory,
    IReactorTime,
    ITCPTransport,
    ITransport,
)
from twisted.internet.protocol import Protocol, connectionDone
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from zope.interface import implementer, providedBy
from zope.interface.declarations import Provides

from streamplex.tx.bulk import read_views_in_bulk, write_at_once
from streamplex.tx.interfaces import ITakesViews
from streamplex.tx.openssl import (
    WANT_READ,
    drop_bios,
    give_bios,
    has_bio_to_read,
    is_resumed,
    opened,
    rest,
    seal,
    sealed,
)
from streamplex.tx.turns import at_turn_end

LAST_BYTES_S = 30.0
"""Seconds in which TCP has to send its last bytes when TLS is over. The peer answers no more, so
that progress cannot be observed."""

MAX_UNSEALED_BYTES = 64_000
"""Most bytes that wait for the end of the turn; more are encrypted at once. The same as Twisted's
own limit: joining more costs more than the records that it saves."""

QUIET_WRITES = 2
"""Writes after which a connection is busy, counted from its handshake or its last silence. A busy
connection keeps its BIOs. Any other has them only for the time of a read or a write, which saves
900 bytes: an idle tunnel writes but a ping now and then, or the answer to one."""

_NOTHING: list[bytes] = []
"""Shared and never changed: an empty list takes 60 bytes of each connection."""


_declarations: dict[tuple[type, object], object] = {}
"""By the class of a TLS connection and what its transport declares: a handful."""


def _declaration(secure: type, transport: ITransport) -> object:
    """Return the declaration that a TLS connection provides the interfaces of its transport.

    It is made once: Twisted makes one for each interface and connection, a tenth of a handshake.
    """
    kinds = secure, providedBy(transport)
    if kinds not in _declarations:
        _declarations[kinds] = Provides(secure, *providedBy(transport))
    return _declarations[kinds]


@implementer(ITakesViews)
class TLSTransport(TLSMemoryBIOProtocol):
    """A TLS connection as a transport; made by a TLSFactory.

    `tcp_reason` is the reason for which TCP was lost; None while TCP is connected. `heard` is True
    after the peer has sent a byte.
    """

    factory: TLSFactory
    tcp_reason: Failure | None = None
    heard = False
    _last_bytes: IDelayedCall | None = None
    _quiet_writes = QUIET_WRITES  # left until it is busy
    _unsealed = _NOTHING  # written in this turn
    _unsealed_bytes = 0

    @property
    def resumed(self) -> bool:
        """Whether the completed handshake resumed an earlier session."""
        return is_resumed(self._tlsConnection)

    def makeConnection(self, transport: ITransport) -> None:
        """Called when the transport below is connected: starts TLS, with large reads from TCP.

        Does as Twisted's, which declares each interface of the transport by itself before.
        """
        self._takes_views = ITakesViews.providedBy(self.wrappedProtocol)
        self.__provides__ = _declaration(type(self), transport)
        read_views_in_bulk(transport)
        self._tlsConnection = self.factory._creatorCallable(self)  # noqa: SLF001
        self._appSendBuffer = []
        Protocol.makeConnection(self, transport)
        self.wrappedProtocol.makeConnection(self)
        self._checkHandshakeStatus()  # type: ignore[no-untyped-call]

    def write(self, data: bytes) -> None:
        """Send `data`, with all other small pieces that are written in the same turn."""
        if self._lostTLSConnection or (self.disconnecting and self._producer is None):
            return
        pieces = self._unsealed
        if not pieces:
            pieces = self._unsealed = []
            if len(data) <= MAX_UNSEALED_BYTES:
                self.factory.at_turn_end(self._seal)
        pieces.append(data + b"")  # a TypeError here rather than later
        self._unsealed_bytes += len(data)
        if self._unsealed_bytes > MAX_UNSEALED_BYTES:
            self._seal()

    def write_view(self, data: memoryview) -> None:
        """Send `data` at once, behind all that was written before; it may change after the call."""
        if self._lostTLSConnection or (self.disconnecting and self._producer is None):
            return
        self._seal()
        self._write(data)

    def _seal(self) -> None:
        if self._unsealed:
            data = b"".join(self._unsealed)
            self._unsealed = _NOTHING
            self._unsealed_bytes = 0
            if self._quiet_writes and not self._lostTLSConnection:
                self._write_quietly(data)
            else:
                self._write(data)

    def _bufferedWrite(self, octets: bytes) -> None:
        self._appSendBuffer = [*self._appSendBuffer]  # it may be shared
        super()._bufferedWrite(octets)  # type: ignore[no-untyped-call]  # Twisted's

    def _write_quietly(self, data: bytes) -> None:
        is_in_use = has_bio_to_read(self._tlsConnection)  # by a read or a handshake under way
        self._write(data)
        if not is_in_use:
            self._quiet_writes -= 1
            self._put_away()

    def _write(self, octets: bytes | memoryview) -> None:
        if self._lostTLSConnection:
            return
        taken = 0
        try:
            while taken < len(octets):
                taken, data = seal(self._tlsConnection, octets, taken)
                write_at_once(self.transport, data)  # type: ignore[arg-type]  # any can
        except SSL.WantReadError:  # a handshake is under way
            self._bufferedWrite(bytes(octets[taken:]))
        except SSL.Error:
            self._tlsShutdownFinished(Failure())

    def _flushSendBIO(self) -> None:
        # The connection is None if it was lost inside a delivery.
        while self._tlsConnection is not None and (data := sealed(self._tlsConnection)):
            write_at_once(self.transport, data)  # type: ignore[arg-type]  # any can

    def dataReceived(self, data: bytes | memoryview) -> None:
        """Called when encrypted data arrived: decrypts it for the wrapped protocol."""
        if self._handshakeDone and not self._appSendBuffer:
            self._end_after(opened(self._tlsConnection, data, self._take))
            self._flushSendBIO()
        else:
            self.heard = True
            give_bios(self._tlsConnection)
            super().dataReceived(bytes(data))  # type: ignore[no-untyped-call]  # Twisted's
            if not self._appSendBuffer:
                self._appSendBuffer = _NOTHING
        if self._quiet_writes and self._handshakeDone:
            self._put_away()

    def settle(self) -> None:
        """Free the memory that only a busy connection needs. Call this after some silence."""
        if self._handshakeDone and not self._lostTLSConnection:
            if not self._quiet_writes:  # else it has none
                self._put_away()
            self._quiet_writes = QUIET_WRITES

    def _put_away(self) -> None:
        if self._tlsConnection is not None:  # else it was lost meanwhile
            drop_bios(self._tlsConnection)

    def _shutdownTLS(self) -> None:
        give_bios(self._tlsConnection)
        super()._shutdownTLS()  # type: ignore[no-untyped-call]  # Twisted's

    def _flushReceiveBIO(self) -> None:
        self._end_after(rest(self._tlsConnection, self._take))
        self._flushSendBIO()

    def _take(self, data: memoryview) -> bool:
        if not self._aborted:
            self.wrappedProtocol.dataReceived(
                data if self._takes_views else bytes(data)  # type: ignore[arg-type]  # as it says
            )
        return not self._lostTLSConnection

    def _end_after(self, why_no_more: SSL.Error | None) -> None:
        if why_no_more is None or why_no_more is WANT_READ or self._lostTLSConnection:
            return
        if isinstance(why_no_more, SSL.ZeroReturnError):
            self._shutdownTLS()
            self._tlsShutdownFinished(None)  # connectionLost tells how TCP ended
        else:
            self._tlsShutdownFinished(Failure(why_no_more))

    def loseConnection(self) -> None:
        """Close after all written data is sent."""
        self._seal()
        super().loseConnection()  # type: ignore[no-untyped-call]  # Twisted's

    def unregisterProducer(self) -> None:
        """Forget the producer. After `loseConnection`, close when all written data is sent."""
        self._seal()
        super().unregisterProducer()  # type: ignore[no-untyped-call]  # Twisted's

    def _tlsShutdownFinished(self, reason: Failure | None) -> None:
        super()._tlsShutdownFinished(reason)  # type: ignore[no-untyped-call]  # Twisted's
        if self._producer is not None:
            self._producer.pauseProducing()
            self.unregisterProducer()
        if self._last_bytes is None and self.tcp_reason is None:
            clock = self.factory.clock
            below = cast("ITCPTransport", self.transport)
            self._last_bytes = clock.callLater(LAST_BYTES_S, below.abortConnection)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Called when TCP is lost: sets `tcp_reason` and notifies the wrapped protocol.

        After the peer's close_notify, a reset is an end in order: no bytes were to follow. Peers
        that close without reading this side's close_notify reset the connection.
        """
        self.tcp_reason = reason
        if self._lostTLSConnection and reason.type is error.ConnectionLost:  # not aborted here
            reason = Failure(error.ConnectionDone())
        if self._last_bytes is not None and self._last_bytes.active():
            self._last_bytes.cancel()
        if not self._lostTLSConnection:
            give_bios(self._tlsConnection)  # for the last read
        super().connectionLost(reason)  # type: ignore[no-untyped-call]  # Twisted's


class TLSFactory(TLSMemoryBIOFactory):
    """A factory that puts a TLSTransport below each protocol of the factory `wrapped`.

    `context` creates the OpenSSL connections. `is_client` selects the TLS role. `clock` is the
    reactor.
    """

    protocol = TLSTransport

    def __init__(
        self,
        context: IOpenSSLClientConnectionCreator | IOpenSSLServerConnectionCreator,
        is_client: bool,
        wrapped: IProtocolFactory,
        clock: IReactorTime,
    ) -> None:
        super().__init__(context, is_client, wrapped, clock)
        self.clock = clock
        self.at_turn_end = at_turn_end(clock)

    def registerProtocol(self, _protocol: object) -> None:
        """Do nothing: Twisted keeps a list of all connections, which nobody reads."""

    def unregisterProtocol(self, _protocol: object) -> None:
        """Do nothing; see `registerProtocol`."""


def ended_by_fin(reason: Failure, transport: object) -> bool:
    """Return whether TCP below this transport ended in order (FIN), with or without close_notify.

    `reason` is the reason that connectionLost received. After an error of TLS the result is False.
    """
    if reason.check(error.ConnectionDone):
        return True
    # After an error of TLS this side has closed TCP itself: how TCP ended means nothing.
    if not isinstance(transport, TLSTransport) or not reason.check(error.ConnectionLost):
        return False
    below = transport.tcp_reason
    return below is not None and below.check(error.ConnectionDone) is not None
