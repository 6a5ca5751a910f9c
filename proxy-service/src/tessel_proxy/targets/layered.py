"""A target over a transport of Twisted: with TLS, whose layer lies between it and TCP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol as Interface
from typing import cast

from OpenSSL import SSL
from twisted.internet import error
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IHalfCloseableProtocol,
    IHandshakeListener,
    IProducer,
    IPushProducer,
    IReactorTime,
)
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.tcp import Connection
from twisted.python.failure import Failure
from zope.interface import implementer

from streamplex.messages import BytesLike
from streamplex.tx import ITakesViews
from streamplex.tx.tcp import unsent_bytes
from streamplex.tx.tls import TLSFactory, TLSTransport, ended_by_fin
from tessel_proxy.targets.target import NO_OWNER, Target, TargetLoss, TargetOwner


class _TargetTransport(Interface):
    def write(self, data: bytes) -> None: ...
    def loseWriteConnection(self) -> None: ...
    def loseConnection(self) -> None: ...
    def abortConnection(self) -> None: ...
    def registerProducer(self, producer: IProducer, streaming: bool) -> None: ...
    def unregisterProducer(self) -> None: ...
    def pauseProducing(self) -> None: ...
    def resumeProducing(self) -> None: ...
    def setTcpNoDelay(self, enabled: bool) -> None: ...


@implementer(IHalfCloseableProtocol, ITakesViews, IPushProducer)
class LayeredTarget(Target, Protocol):
    """A target over any transport of Twisted, as its protocol and its producer."""

    _wire: _TargetTransport  # the transport, with its class

    def __init__(self, owner: TargetOwner, clock: IReactorTime, sockets: set[Target]) -> None:
        self._owner = owner
        self._clock = clock
        self._sockets = sockets
        self.is_open = False
        self._is_paced = False  # whether the transport reports that it is full

    # --- for the owner; Target explains the methods

    def write_pieces(self, pieces: Sequence[BytesLike]) -> None:
        self._wire.write(b"".join(pieces))
        if not self._is_paced:
            # Not before early data is written: TLS would keep a producer paused that pauses inside
            # the write and resumes right behind it.
            self.pace()

    def pace(self) -> None:
        """Let the transport report from now on when it is full."""
        self._is_paced = True
        self._wire.registerProducer(self, True)

    def half_close(self) -> None:
        self._unpace()
        self._wire.loseWriteConnection()

    def close(self) -> None:
        self._owner = NO_OWNER
        self._unpace()
        self._wire.loseConnection()
        if self.is_open:
            self._linger_from_now()

    def _unpace(self) -> None:
        self._is_paced = True
        self._wire.unregisterProducer()  # the transport would wait for it

    def abort(self) -> None:
        self._owner = NO_OWNER
        self._wire.abortConnection()

    @property
    def unsent_bytes(self) -> int:
        return unsent_bytes(self._tcp)

    @property
    def _tcp(self) -> Connection:
        return cast("Connection", self.transport)

    def read_at_most(self, nbytes: int) -> None:
        self._tcp.bufferSize = nbytes

    def pause(self) -> None:
        self._wire.pauseProducing()

    def resume(self) -> None:
        self._wire.resumeProducing()

    def _close_again(self) -> None:
        self._wire.loseConnection()

    # --- from the transport

    def pauseProducing(self) -> None:
        """Called by the transport when it is full: notifies the owner."""
        self._owner.target_is_full()

    def resumeProducing(self) -> None:
        """Called by the transport when all bytes are sent: notifies the owner."""
        self._owner.target_has_room()

    def stopProducing(self) -> None:
        """Called by the transport when it is lost: does nothing, because connectionLost follows."""

    def connectionMade(self) -> None:
        """Called by the transport when the connection is established: counts it as open."""
        self._wire = cast("_TargetTransport", self.transport)
        self._sockets.add(self)
        self.is_open = True
        self._wire.setTcpNoDelay(True)

    def dataReceived(self, data: BytesLike) -> None:
        """Called by the transport when data has come: passes the data to the owner."""
        self._owner.target_received(data)

    def readConnectionLost(self) -> None:
        """Called by the transport when the target sends no more data: notifies the owner."""
        self._owner.target_ended()

    def writeConnectionLost(self) -> None:
        """Called by the transport when the half close of the proxy was sent: does nothing."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Called by the transport when the connection is closed: see `_over`."""
        self._over(reason)

    def _loss(self, reason: Failure) -> TargetLoss:
        if reason.check(error.ConnectionDone):
            return TargetLoss.ENDED
        if reason.check(SSL.Error):
            return TargetLoss.TLS_BROKEN
        if ended_by_fin(reason, self.transport):
            return TargetLoss.ENDED_WITHOUT_CLOSE_NOTIFY
        return TargetLoss.RESET


class SecureTransport(TLSTransport):
    """A TLS connection that can close only its sending direction (half close)."""

    def loseWriteConnection(self) -> None:
        """Half close: send close_notify.

        Data is still received until the target sends its own close_notify.

        No FIN follows: TLS needs none, and a half-closed TCP connection of Twisted ends inside the
        call that TLS makes at the end, which Twisted's TLS cannot handle.
        """
        super().loseConnection()

    def loseConnection(self) -> None:
        """Close the connection.

        After a half close, TCP is closed at once, because close_notify was sent already.
        """
        if self.disconnecting:
            cast("_TargetTransport", self.transport).loseConnection()
        else:
            super().loseConnection()


class SecureFactory(TLSFactory):
    """Builds the protocols of another factory on top of TLS that supports a half close."""

    protocol = SecureTransport


@implementer(IHandshakeListener)
class SecureTarget(LayeredTarget):
    """A connection to a target with TLS. `secured` fires after the TLS handshake."""

    def __init__(self, owner: TargetOwner, clock: IReactorTime, sockets: set[Target]) -> None:
        super().__init__(owner, clock, sockets)
        self.secured: Deferred[None] = Deferred(lambda _: self.abort())
        """Fires after the TLS handshake. Fails with the reason if the connection is lost first."""

    @property
    def _tcp(self) -> Connection:
        return cast("Connection", cast("SecureTransport", self.transport).transport)

    def handshakeCompleted(self) -> None:
        """Called by the TLS layer after the handshake: fires `secured`."""
        if not self.secured.called:
            self.secured.callback(None)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Called by the transport when the connection is closed.

        Before the end of the handshake, `secured` fails with `reason`, and the owner is not
        notified.
        """
        if not self.secured.called:
            self._owner = NO_OWNER  # `secured` reports the loss
            self.secured.errback(reason)
        super().connectionLost(reason)
