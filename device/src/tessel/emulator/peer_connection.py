"""A TCP connection of this machine, as the chip's socket has it."""

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

LINGER_S = 30.0  # for what the peer has not taken at a close; a real chip's is not known


def _nobody() -> None:
    return


class _State(Enum):
    """OPEN -> FINISHED -> CLOSED, OPEN -> CLOSED, OPEN -> CUT."""

    OPEN = auto()
    FINISHED = auto()  # the peer's FIN came
    CLOSED = auto()  # closed in the ordinary way
    CUT = auto()  # closed without the peer's FIN, as by a reset


class IStreamTransport(ITCPTransport, IConsumer, IPushProducer):
    """What Twisted's TCP transports are."""


@implementer(IHalfCloseableProtocol, IPullProducer)
class PeerConnection(Protocol):
    """What came and was not read, what was sent and not taken by the kernel, and how it ended.

    `changed` is called after each change of any of these. Sends are counted one by one, as each
    has a buffer of the chip; the transport asks for more as a pull producer's when its own buffer
    is empty, which is when the kernel has taken them all.
    """

    transport: IStreamTransport

    def __init__(self, clock: IReactorTime, window: int, *, nagle: bool) -> None:
        self._clock = clock
        self._window = window
        self._nagle = nagle
        self.changed: Callable[[], None] = _nobody
        self.received = bytearray()
        self._state = _State.OPEN
        self.unsent = False  # the peer's reset came before the kernel had taken every send
        self._pending = 0  # sends that the kernel has not taken
        self._taken = 0  # and those it has, since `taken` was last asked
        self.last_used = clock.seconds()
        self._paused = False
        self._linger: IDelayedCall | None = None

    # From the transport.

    def connectionMade(self) -> None:
        self.transport.setTcpNoDelay(not self._nagle)
        if isinstance(self.transport, Connection):
            # One read brings no more than the chip's window.
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
        """Part of the interface; nothing here ends only its own side."""

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
        """Part of the interface: the transport is about to be lost."""

    # From the chip.

    @property
    def finished(self) -> bool:
        """True if the peer's FIN came: the received bytes are complete."""
        return self._state in (_State.FINISHED, _State.CLOSED)

    @property
    def lost(self) -> bool:
        """True if this machine's connection is closed."""
        return self._state in (_State.CLOSED, _State.CUT)

    @property
    def is_over(self) -> bool:
        """True if no more bytes will come."""
        return self._state is not _State.OPEN

    @property
    def was_cut(self) -> bool:
        """True if it was lost without the peer's FIN: the received bytes may be incomplete."""
        return self._state is _State.CUT

    def send(self, data: bytes) -> None:
        self._pending += 1
        self.last_used = self._clock.seconds()
        self.transport.write(data)

    def taken(self) -> int:
        """How many sends are over since this was last asked."""
        taken, self._taken = self._taken, 0
        return taken

    def read(self, limit: int) -> bytes:
        data = bytes(self.received[:limit])
        del self.received[:limit]
        self.last_used = self._clock.seconds()
        if self._paused and len(self.received) < self._window:
            self._paused = False
            if not self.is_over:
                self.transport.resumeProducing()
        return data

    def close(self) -> None:
        """What was sent may still be taken, for a while."""
        if self.lost or self._linger is not None:
            return
        self._linger = self._clock.callLater(LINGER_S, self._give_up)
        self.transport.unregisterProducer()
        self.transport.loseConnection()

    def abort(self) -> None:
        if not self.lost:
            self.transport.abortConnection()

    def settle(self) -> None:
        """All sends are over, as far as the chip is concerned."""
        self._taken += self._pending
        self._pending = 0

    def _give_up(self) -> None:
        self._linger = None
        self.abort()
