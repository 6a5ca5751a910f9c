"""The TCP connection of this machine behind a socket of the chip."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import (
    IConsumer,
    IDelayedCall,
    IHalfCloseableProtocol,
    IPullProducer,
    IPushProducer,
    IReactorTime,
    ITCPTransport,
)
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.tcp import Connection
from twisted.python.failure import Failure
from zope.interface import implementer

LINGER_S = 30.0
"""Seconds for the peer to take the rest after a close. The time of a real chip is not known."""


def _nobody() -> None:
    return


class _State(Enum):
    """OPEN -> FINISHED -> CLOSED, OPEN -> CLOSED, OPEN -> CUT."""

    OPEN = auto()
    FINISHED = auto()  # the peer's FIN came
    CLOSED = auto()  # closed in the ordinary way
    CUT = auto()  # closed without the peer's FIN, as by a reset


class IStreamTransport(ITCPTransport, IConsumer, IPushProducer):
    """The interfaces of Twisted's TCP transports, combined for type checking."""


@implementer(IHalfCloseableProtocol, IPullProducer)
class PeerConnection(Protocol):
    """This machine's TCP connection behind a socket of the chip.

    It holds received bytes that the chip has not read, counts sends that the kernel has not taken,
    and knows how the connection ended. `changed` is called after each change of these. Each send is
    counted, because it holds a buffer of the chip. This object is a pull producer: the transport
    calls `resumeProducing` when its own buffer is empty, that is, when the kernel has taken all
    sends.
    """

    transport: IStreamTransport

    def __init__(self, clock: IReactorTime, window: int, *, nagle: bool) -> None:
        """`window`: bytes that may wait to be read. `nagle`: use Nagle's algorithm."""
        self._clock = clock
        self._window = window
        self._nagle = nagle
        self.changed: Callable[[], None] = _nobody
        self.received = bytearray()
        self._state = _State.OPEN
        self.unsent = False  # the peer's reset came before the kernel took all sends
        self._pending = 0  # sends that the kernel has not taken yet
        self._taken = 0  # sends that it has taken since the last call of `taken`
        self.last_used = clock.seconds()
        self._paused = False
        self._linger: IDelayedCall | None = None

    # From the transport.

    def connectionMade(self) -> None:
        self.transport.setTcpNoDelay(not self._nagle)
        if isinstance(self.transport, Connection):
            # So that one read brings no more bytes than the chip's window.
            self.transport.bufferSize = self._window
        self.transport.registerProducer(self, streaming=False)
        self.changed()

    def dataReceived(self, data: bytes) -> None:
        self.received += data
        self.last_used = self._clock.seconds()
        if len(self.received) >= self._window and not self._paused:
            self._paused = True
            self.transport.pauseProducing()
        self.changed()

    def readConnectionLost(self) -> None:
        self._state = _State.FINISHED
        self.changed()

    def writeConnectionLost(self) -> None:
        """Do nothing: this end never half-closes."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        done = self.finished or reason.check(ConnectionDone) is not None
        self._state = _State.CLOSED if done else _State.CUT
        self.unsent = self.was_cut and bool(self._pending)
        self.settle()
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None
        self.changed()

    def resumeProducing(self) -> None:
        if self._pending:
            self.settle()
            self.changed()

    def stopProducing(self) -> None:
        """Do nothing: `connectionLost` follows."""

    # From the chip.

    @property
    def finished(self) -> bool:
        """True if the connection ended with the peer's FIN: all bytes were received."""
        return self._state in (_State.FINISHED, _State.CLOSED)

    @property
    def lost(self) -> bool:
        """True if this machine's connection is closed."""
        return self._state in (_State.CLOSED, _State.CUT)

    @property
    def is_over(self) -> bool:
        """True if the peer will send no more bytes: its FIN came, or the connection is closed."""
        return self._state is not _State.OPEN

    @property
    def was_cut(self) -> bool:
        """True if the connection closed without a FIN, so received bytes may be incomplete."""
        return self._state is _State.CUT

    def send(self, data: bytes) -> None:
        """Send bytes to the peer. They count as one send until the kernel has taken them."""
        self._pending += 1
        self.last_used = self._clock.seconds()
        self.transport.write(data)

    def taken(self) -> int:
        """Return how many sends the kernel has taken, or were dropped, since the last call."""
        taken, self._taken = self._taken, 0
        return taken

    def read(self, limit: int) -> bytes:
        """Remove and return at most `limit` received bytes."""
        data = bytes(self.received[:limit])
        del self.received[:limit]
        self.last_used = self._clock.seconds()
        if self._paused and len(self.received) < self._window:
            self._paused = False
            if not self.is_over:
                self.transport.resumeProducing()
        return data

    def close(self) -> None:
        """Close the connection. The peer has LINGER_S seconds to receive the sent bytes."""
        if self.lost or self._linger is not None:
            return
        self._linger = self._clock.callLater(LINGER_S, self._give_up)
        self.transport.unregisterProducer()
        self.transport.loseConnection()

    def abort(self) -> None:
        """Reset the connection at once."""
        if not self.lost:
            self.transport.abortConnection()

    def settle(self) -> None:
        """Count all sends as ended, so that they hold no more buffers of the chip."""
        self._taken += self._pending
        self._pending = 0

    def _give_up(self) -> None:
        self._linger = None
        self.abort()
