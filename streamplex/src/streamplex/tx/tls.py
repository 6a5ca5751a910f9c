"""Twisted's TLS, mended where a tunnel, or what a tunnel carries, would notice.

- It encrypts, copies and hands on in pieces of 16 KiB, with some thirty calls of Python's for each.
  Here a piece has four records, and what one read has brought is handed on as one. With memory
  BIOs it stays: TLS on the socket itself costs as much to write and more to read
  (docs/decisions/0013-fast-path.md).
- It calls every end without close_notify a lost connection, though many peers know no other end
  than TCP's FIN. Here one can ask how TCP ended below it.
- When TLS is over it asks TCP to close, and TCP waits for the producer above TLS: for ever, if
  that one is paused, while what it produces is thrown away. Here the producer is paused and let
  go, and what TCP still has to send has a limit.
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
from twisted.internet.protocol import connectionDone
from twisted.protocols.tls import BufferingTLSTransport, TLSMemoryBIOFactory
from twisted.python.failure import Failure
from zope.interface import implementer

from streamplex.tx.bulk import Writable, read_views_in_bulk, write_at_once
from streamplex.tx.interfaces import ITakesViews
from streamplex.tx.openssl import is_resumed, opened, rest, seal, sealed

LAST_BYTES_S = 30.0
"""How long TCP may take to send what is left when TLS is over: nobody answers it any more, so
there is no progress to look at."""

_PARTIAL_WRITES = 1  # SSL_MODE_ENABLE_PARTIAL_WRITE, which pyOpenSSL turns on but does not name


def write_whole_pieces(context: SSL.Context) -> None:
    """Have connections of this context encrypt all that they are given in one call.

    Without it a TLSTransport works too, with a call for each record. The context must be new.
    """
    context.clear_mode(_PARTIAL_WRITES)


def ignore_alpn(context: SSL.Context) -> None:
    """Have a server's connections of this context ignore the protocols that clients offer (ALPN).

    Twisted's contexts end such a handshake with a fatal alert, since they have no protocol in
    common. Load balancers, health checks and HTTP clients offer protocols to every TLS server. The
    context must be new.
    """
    context.set_alpn_select_callback(lambda _connection, _offered: SSL.NO_OVERLAPPING_PROTOCOLS)


@implementer(ITakesViews)
class TLSTransport(BufferingTLSTransport):
    """A TLS connection as a transport. Its factory is a TLSFactory."""

    tcp_reason: Failure | None = None  # how TCP was lost
    heard = False  # the peer has sent a byte
    _last_bytes: IDelayedCall | None = None

    @property
    def resumed(self) -> bool:
        """The handshake, which is done, has resumed an earlier session."""
        return is_resumed(self._tlsConnection)

    def makeConnection(self, transport: ITransport) -> None:
        self._takes_views = ITakesViews.providedBy(self.wrappedProtocol)
        read_views_in_bulk(transport, self.dataReceived)
        super().makeConnection(transport)  # type: ignore[no-untyped-call]  # Twisted's

    def _write(self, bytes: bytes) -> None:  # noqa: A002 -- Twisted's name
        if self._lostTLSConnection:
            return
        left = memoryview(bytes)
        try:
            while left:
                taken, nbytes = seal(self._tlsConnection, left)
                left = left[taken:]
                self._send(nbytes)
        except SSL.WantReadError:  # a handshake is under way
            self._bufferedWrite(left.tobytes())  # type: ignore[no-untyped-call]  # Twisted's
        except SSL.Error:
            self._tlsShutdownFinished(Failure())

    def _flushSendBIO(self) -> None:
        while nbytes := sealed(self._tlsConnection):
            self._send(nbytes)

    def _send(self, data: memoryview) -> None:
        write_at_once(cast("Writable", self.transport), (data,))

    def dataReceived(self, data: bytes | memoryview) -> None:
        if self._handshakeDone and not self._appSendBuffer:
            self._taken(opened(self._tlsConnection, data, self._take))
        else:
            self.heard = True
            super().dataReceived(bytes(data))  # type: ignore[no-untyped-call]  # Twisted's

    def _flushReceiveBIO(self) -> None:
        self._taken(rest(self._tlsConnection, self._take))

    def _take(self, data: memoryview) -> bool:
        if not self._aborted:
            self.wrappedProtocol.dataReceived(
                data if self._takes_views else bytes(data)  # type: ignore[arg-type]  # as it says
            )
        return not self._lostTLSConnection

    def _taken(self, why_no_more: SSL.Error | None) -> None:
        if why_no_more is not None and not self._lostTLSConnection:
            self._end_after(why_no_more)
        self._flushSendBIO()

    def _end_after(self, why: SSL.Error) -> None:
        if isinstance(why, SSL.ZeroReturnError):
            self._shutdownTLS()  # type: ignore[no-untyped-call]  # Twisted's
            self._tlsShutdownFinished(None)  # connectionLost tells how TCP ended
        elif not isinstance(why, SSL.WantReadError):
            self._tlsShutdownFinished(Failure(why))

    def _tlsShutdownFinished(self, reason: Failure | None) -> None:
        super()._tlsShutdownFinished(reason)  # type: ignore[no-untyped-call]  # Twisted's
        if self._producer is not None:
            self._producer.pauseProducing()
            self.unregisterProducer()  # type: ignore[no-untyped-call]  # Twisted's
        if self._last_bytes is None and self.tcp_reason is None:
            clock = cast("TLSFactory", self.factory).clock
            below = cast("ITCPTransport", self.transport)
            self._last_bytes = clock.callLater(LAST_BYTES_S, below.abortConnection)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.tcp_reason = reason
        if self._last_bytes is not None and self._last_bytes.active():
            self._last_bytes.cancel()
        super().connectionLost(reason)


class TLSFactory(TLSMemoryBIOFactory):
    """Puts TLS below the protocols of another factory."""

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


def ended_by_fin(reason: Failure, transport: object) -> bool:
    """Is what this transport was lost for TCP's own clean end, with close_notify or without?"""
    if reason.check(error.ConnectionDone):
        return True
    # To a fault of TLS itself this side has answered by closing TCP: that says nothing.
    if not isinstance(transport, TLSTransport) or not reason.check(error.ConnectionLost):
        return False
    below = transport.tcp_reason
    return below is not None and below.check(error.ConnectionDone) is not None
