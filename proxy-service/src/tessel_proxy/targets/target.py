"""A target's socket, plain or under TLS, as its owner sees it.

Where TLS is, it lies between TCP and the Target:

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
"""How long a closed target may take for what it was sent before: some hundred KiB at most, so who
needs longer takes a KiB a second."""

LINGER_LOOK_S = 30.0
"""A closed target that takes nothing for so long is given up: a network that loses its bytes has
tried to repair that some seven times."""


class TargetLoss(Enum):
    """How a target's socket came to its end, when its owner did not close it."""

    ENDED = auto()  # under TLS, where the target's end is the connection's
    ENDED_WITHOUT_CLOSE_NOTIFY = auto()
    RESET = auto()
    TLS_BROKEN = auto()  # what came is not TLS, or the target said so of ours


class TargetOwner(Interface):
    """Who is told what a target does. The bytes of a view change after the call."""

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
    """TLS with a half close."""

    def loseWriteConnection(self) -> None:
        """close_notify; what the target still sends is delivered until it sends its own.

        No FIN behind it: TLS needs none, and TCP in Twisted, once half closed, ends its
        connection inside the call that TLS makes when all is done, which TLS does not survive.
        """
        super().loseConnection()

    def loseConnection(self) -> None:
        """After a half close there is no second one to wait for: TCP is closed."""
        if self.disconnecting:
            cast("_TargetTransport", self.transport).loseConnection()
        else:
            super().loseConnection()


class SecureFactory(TLSFactory):
    """Puts TLS below the protocols of another factory."""

    protocol = SecureTransport


@implementer(IHalfCloseableProtocol, ITakesViews)
class Target(Protocol):
    """One socket that has been opened for a device."""

    def __init__(self, owner: TargetOwner, clock: IReactorTime, sockets: set[Target]) -> None:
        self._owner = owner
        self._clock = clock
        self._sockets = sockets  # all that are open: this one is among them while it is
        self._linger: IDelayedCall | None = None
        self._gone: Callable[[], None] = _nothing

    # --- for the owner

    @property
    def _wire(self) -> _TargetTransport:
        return cast("_TargetTransport", self.transport)

    def write(self, pieces: Sequence[BytesLike]) -> None:
        write_at_once(self._wire, pieces)

    def end(self) -> None:
        """Half close, behind what was written."""
        self._wire.unregisterProducer()
        end_at_once(self._wire)

    def close(self) -> None:
        """Close, when what was written has left. The owner hears nothing more of it."""
        self._owner = _NO_OWNER
        self._wire.unregisterProducer()
        self._wire.loseConnection()
        if self in self._sockets:
            self._look_later(self._clock.seconds() + LINGER_S, self.unsent_bytes or None)

    def abort(self) -> None:
        """Reset the connection. The owner hears nothing more of it."""
        self._owner = _NO_OWNER
        self._wire.abortConnection()

    def when_gone(self, call: Callable[[], None]) -> None:
        """Call when the socket is closed: at once, if it is."""
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
        """Pause this producer whenever the target does not take what is written."""
        self._wire.registerProducer(producer, True)

    def unpace(self) -> None:
        self._wire.unregisterProducer()

    def read_at_most(self, nbytes: int) -> None:
        """Read so much at once from now on."""
        self._tcp.bufferSize = nbytes

    def pause(self) -> None:
        """Read nothing for now."""
        self._wire.pauseProducing()

    def resume(self) -> None:
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
        if not unsent:  # under TLS, what is missing may be the target's own end: it had its time
            self._wire.loseConnection()
        self._look_later(until, unsent)

    # --- from the transport

    def connectionMade(self) -> None:
        self._sockets.add(self)
        self._wire.setTcpNoDelay(True)

    def dataReceived(self, data: BytesLike) -> None:
        self._owner.target_received(data)

    def readConnectionLost(self) -> None:
        self._owner.target_ended()

    def writeConnectionLost(self) -> None:
        """Our own end has left."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
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


# A class of its own: Twisted's endpoints pass on one interface of the protocol that they wrap.
@implementer(IHandshakeListener)
class SecureTarget(Target):
    """One under TLS."""

    def __init__(self, owner: TargetOwner, clock: IReactorTime, sockets: set[Target]) -> None:
        super().__init__(owner, clock, sockets)
        self.secured: Deferred[None] = Deferred(lambda _: self.abort())
        """Fires when the TLS handshake is done, fails with how the connection was lost."""

    @property
    def _tcp(self) -> Connection:
        return cast("Connection", cast("SecureTransport", self.transport).transport)

    def handshakeCompleted(self) -> None:
        if not self.secured.called:
            self.secured.callback(None)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if not self.secured.called:
            self._owner = _NO_OWNER  # whoever waits for the handshake is told
            self.secured.errback(reason)
        super().connectionLost(reason)


def _nothing() -> None:
    pass


class _NoOwner:
    """The owner of a socket that its owner has done with."""

    def target_received(self, data: BytesLike) -> None:
        pass

    def target_ended(self) -> None:
        pass

    def target_lost(self, loss: TargetLoss) -> None:
        """It is not even asked how."""


_NO_OWNER = _NoOwner()
