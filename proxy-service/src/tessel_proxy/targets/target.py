"""The connection to a target, plain or with TLS, as the relay uses it.

With TLS, its layer lies between TCP and the Target:

    reactor -> TCP -> SecureTransport -> Target -> owner
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum, auto
from typing import Protocol as Interface
from typing import cast

from OpenSSL import SSL
from twisted.internet import error
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IDelayedCall,
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
from streamplex.tx.bulk import end_at_once, write_at_once
from streamplex.tx.tcp import unsent_bytes
from streamplex.tx.tls import TLSFactory, TLSTransport, ended_by_fin

LINGER_S = 300.0
"""Seconds for a closed target to accept the bytes that were sent to it before: at most some hundred
KiB, so that a target which needs longer accepts less than 1 KiB/s."""

LINGER_LOOK_S = 30.0
"""Seconds after which a closed target that accepted nothing is reset. TCP has then retransmitted
some seven times."""


class TargetLoss(Enum):
    """How the target or the network ended a connection that the owner did not close."""

    ENDED = auto()  # with close_notify of TLS, which ends the connection
    ENDED_WITHOUT_CLOSE_NOTIFY = auto()
    RESET = auto()
    TLS_BROKEN = auto()  # invalid TLS from the target, or a TLS alert


class TargetOwner(Interface):
    """Is notified of the events of a target.

    `target_received`: data came; a memoryview is valid only during the call. `target_ended`: the
    target sends no more data (half close). `target_lost`: the connection is closed.
    """

    def target_received(self, data: BytesLike) -> None: ...
    def target_ended(self) -> None: ...
    def target_lost(self, loss: TargetLoss) -> None: ...


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


@implementer(IHalfCloseableProtocol, ITakesViews)
class Target(Protocol):
    """A connection to a target, opened for a device.

    Its owner writes to it, and is notified of its events.
    """

    _wire: _TargetTransport  # the transport, with its class

    def __init__(self, owner: TargetOwner, clock: IReactorTime, sockets: set[Target]) -> None:
        self._owner = owner
        self._clock = clock
        self._sockets = sockets  # all open targets; this one is in it while it is open
        self._linger: IDelayedCall | None = None
        self._gone: Callable[[], None] = _nothing

    # --- for the owner

    def write(self, pieces: Sequence[BytesLike]) -> None:
        """Send `pieces` in this order, in one system call if possible.

        Bytes that the system does not accept yet are buffered.
        """
        write_at_once(self._wire, pieces)

    def end(self) -> None:
        """Half close: send no more data. Bytes that were written before are sent first."""
        self._wire.unregisterProducer()
        end_at_once(self._wire)

    def close(self) -> None:
        """Close after all written bytes are sent. The owner is not notified any more.

        The connection is reset after LINGER_S seconds, or if the target accepts nothing for
        LINGER_LOOK_S seconds.
        """
        self._owner = _NO_OWNER
        self._wire.unregisterProducer()
        self._wire.loseConnection()
        if self in self._sockets:
            self._look_later(self._clock.seconds() + LINGER_S, self.unsent_bytes or None)

    def abort(self) -> None:
        """Reset the connection; unsent bytes are lost. The owner is not notified any more."""
        self._owner = _NO_OWNER
        self._wire.abortConnection()

    def when_gone(self, call: Callable[[], None]) -> None:
        """Call `call` when the connection is closed: at once if it is closed already."""
        if self in self._sockets:
            self._gone = call
        else:
            call()

    @property
    def unsent_bytes(self) -> int:
        """Bytes written to the target that the system has not accepted yet."""
        return unsent_bytes(self._tcp)

    @property
    def _tcp(self) -> Connection:
        return cast("Connection", self.transport)

    def pace(self, producer: IPushProducer) -> None:
        """Pause `producer` while too many bytes wait to be sent to the target.

        It is resumed when these are sent.
        """
        self._wire.registerProducer(producer, True)

    def unpace(self) -> None:
        """Stop pausing and resuming the producer that was passed to `pace`."""
        self._wire.unregisterProducer()

    def read_at_most(self, nbytes: int) -> None:
        """Set the largest number of bytes that one read from the target returns."""
        self._tcp.bufferSize = nbytes

    def pause(self) -> None:
        """Stop reading from the target until `resume` is called."""
        self._wire.pauseProducing()

    def resume(self) -> None:
        """Read from the target again, after `pause`."""
        self._wire.resumeProducing()

    # --- while it lingers

    def _look_later(self, until: float, unsent: int | None) -> None:
        left_s = max(0.0, until - self._clock.seconds())
        self._linger = self._clock.callLater(min(LINGER_LOOK_S, left_s), self._look, until, unsent)

    def _look(self, until: float, unsent_before: int | None) -> None:
        unsent = self.unsent_bytes
        stuck = unsent_before is not None and unsent >= unsent_before
        if stuck or self._clock.seconds() >= until:
            self.abort()
            return
        if not unsent:  # with TLS, only the target's close_notify may be missing: it had its time
            self._wire.loseConnection()
        self._look_later(until, unsent)

    # --- from the transport

    def connectionMade(self) -> None:
        """Called by the transport when the connection is established: counts it as open."""
        self._wire = cast("_TargetTransport", self.transport)
        self._sockets.add(self)
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
        """Called by the transport when the connection is closed.

        Notifies the owner of the loss, unless the owner closed the connection. Then calls the
        function passed to `when_gone`.
        """
        self._sockets.discard(self)
        if self._linger is not None and self._linger.active():
            self._linger.cancel()
        owner, self._owner = self._owner, _NO_OWNER
        if owner is not _NO_OWNER:
            owner.target_lost(self._loss(reason))
        self._gone()

    def _loss(self, reason: Failure) -> TargetLoss:
        if reason.check(error.ConnectionDone):
            return TargetLoss.ENDED
        if reason.check(SSL.Error):
            return TargetLoss.TLS_BROKEN
        if ended_by_fin(reason, self.transport):
            return TargetLoss.ENDED_WITHOUT_CLOSE_NOTIFY
        return TargetLoss.RESET


# A class of its own, because only targets with TLS have a handshake to wait for.
@implementer(IHandshakeListener)
class SecureTarget(Target):
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
            self._owner = _NO_OWNER  # `secured` reports the loss
            self.secured.errback(reason)
        super().connectionLost(reason)


def _nothing() -> None:
    pass


class _NoOwner:
    """The owner of a connection that its real owner has closed."""

    def target_received(self, data: BytesLike) -> None:
        pass

    def target_ended(self) -> None:
        pass

    def target_lost(self, loss: TargetLoss) -> None:
        pass


_NO_OWNER = _NoOwner()
