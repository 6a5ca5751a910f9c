"""Twisted's TLS, mended where a tunnel, or what a tunnel carries, would notice.

- It calls every end without close_notify a lost connection, though many peers know no other end
  than TCP's FIN. Here one can ask how TCP ended below it.
- When TLS is over it asks TCP to close, and TCP waits for the producer above TLS: for ever, if
  that one is paused, while what it produces is thrown away. Here the producer is paused and let
  go, and what TCP still has to send has a limit.
"""

from __future__ import annotations

from typing import cast

from twisted.internet import error
from twisted.internet.interfaces import (
    IDelayedCall,
    IOpenSSLClientConnectionCreator,
    IOpenSSLServerConnectionCreator,
    IProtocolFactory,
    IReactorTime,
    ITCPTransport,
)
from twisted.internet.protocol import connectionDone
from twisted.protocols.tls import BufferingTLSTransport, TLSMemoryBIOFactory
from twisted.python.failure import Failure

LAST_OCTETS_S = 30.0
"""How long TCP may take to send what is left when TLS is over: nobody answers it any more, so
there is no progress to look at."""


class TLSTransport(BufferingTLSTransport):
    """A TLS connection as a transport. Its factory is a TLSFactory."""

    tcp_reason: Failure | None = None  # how TCP was lost
    _last_octets: IDelayedCall | None = None

    def _tlsShutdownFinished(self, reason: Failure | None) -> None:
        super()._tlsShutdownFinished(reason)  # type: ignore[no-untyped-call]  # Twisted's
        if self._producer is not None:
            self._producer.pauseProducing()
            self.unregisterProducer()  # type: ignore[no-untyped-call]  # Twisted's
        if self._last_octets is None and self.tcp_reason is None:
            clock = cast("TLSFactory", self.factory).clock
            below = cast("ITCPTransport", self.transport)
            self._last_octets = clock.callLater(LAST_OCTETS_S, below.abortConnection)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.tcp_reason = reason
        if self._last_octets is not None and self._last_octets.active():
            self._last_octets.cancel()
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
