"""The part of a connection through the tunnel that its protocol uses as a transport."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import Enum, auto

from twisted.internet.address import HostnameAddress
from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.interfaces import (
    IAddress,
    IConsumer,
    IProducer,
    IPushProducer,
    ITCPTransport,
)
from twisted.python.failure import Failure
from zope.interface import implementer

from streamplex import conversation
from streamplex.conversation import encode_idle_timeout
from streamplex.tx import Substream
from tessel.network.interface import IDiscardable, IIdleWatch, Target
from tessel.tcp_options import FixedTcpOptions


class ConnectionPhase(Enum):
    """The state of a connection through the tunnel."""

    CONNECTING = auto()  # the proxy dials the target
    OPEN = auto()
    LEAVING = auto()  # the protocol closed it, and waits for its connectionLost
    LEFT = auto()  # connectionLost was called; the proxy has not sent `close`
    OVER = auto()


NOT_LEFT = (ConnectionPhase.CONNECTING, ConnectionPhase.OPEN)


@implementer(ITCPTransport, IPushProducer, IConsumer, IIdleWatch, IDiscardable)
class ProxiedTransport(FixedTcpOptions):
    """A Twisted transport over a substream: writes, closes and pauses it for the protocol above.

    Its subclass ProxiedConnection handles what the substream receives. TCP options have no effect:
    the tunnel sends small writes at once and has its own keepalive, and the proxy sets TCP_NODELAY
    on the target's socket.
    """

    sends_at_once = True

    def __init__(self, substream: Substream, target: Target) -> None:
        self._substream = substream
        self._target = target
        self._phase = ConnectionPhase.CONNECTING
        self._idle_expired: Callable[[], None] = lambda: None
        self._producing = False
        self.disconnecting = False  # Twisted's name: loseConnection was called

    def _leave_soon(self, reason: Failure) -> None:
        """Report the close to the protocol in a later turn of the reactor."""
        raise NotImplementedError

    # ITransport, ITCPTransport.

    def write(self, data: bytes) -> None:
        """Send bytes to the target. After a close only a registered producer can still write."""
        if self._phase in NOT_LEFT or self._producing:
            self._substream.write(data)

    def writeSequence(self, data: Iterable[bytes]) -> None:
        self.write(b"".join(data))

    def loseWriteConnection(self) -> None:
        """Send `end` after the queued bytes. Bytes from the target still arrive."""
        self._substream.loseWriteConnection()

    def loseConnection(self) -> None:
        """Close the connection after everything is sent.

        The queued bytes, and those of a registered producer, are sent first, then `end`.
        """
        if self._phase is not ConnectionPhase.OPEN or self.disconnecting:
            return
        self.disconnecting = True
        self._substream.loseWriteConnection()
        self._substream.resumeProducing()
        if not self._producing:
            self._leave_soon(Failure(ConnectionDone()))

    def abortConnection(self) -> None:
        """Drop the queued bytes. The proxy aborts its connection to the target."""
        if self._phase is ConnectionPhase.OPEN:
            self._producing = False
            self._substream.abortConnection()
            self._leave_soon(Failure(ConnectionAborted()))

    def discard(self) -> None:
        """Close as an operating system closes a socket.

        Received bytes that were not read, and bytes received later, are answered with a reset.
        Without any, the written bytes still arrive.
        """
        self.unregisterProducer()
        unread = self._phase is ConnectionPhase.OPEN and self._substream.has_unread
        if unread and self._substream.can_reset:
            self._substream.reset()
        self.loseConnection()

    def getPeer(self) -> IAddress:  # type: ignore[override]  # a name, not an IP address
        return HostnameAddress(self._target.host.encode("utf-8"), self._target.port)

    def getHost(self) -> IAddress:  # type: ignore[override]  # there is no IP address here
        return self._substream.getHost()

    # IConsumer, IPushProducer, IIdleWatch.

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        self._producing = True
        self._substream.registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        was, self._producing = self._producing, False
        self._substream.unregisterProducer()
        if was and self.disconnecting and self._phase is ConnectionPhase.OPEN:
            self._leave_soon(Failure(ConnectionDone()))

    def pauseProducing(self) -> None:
        if self._phase is ConnectionPhase.OPEN:
            self._substream.pauseProducing()

    def resumeProducing(self) -> None:
        self._substream.resumeProducing()

    def stopProducing(self) -> None:
        self.loseConnection()

    def watch_idle(self, timeout_ms: float, expired: Callable[[], None]) -> None:
        self._idle_expired = expired
        self._substream.emit(conversation.IDLE_TIMEOUT, *encode_idle_timeout(timeout_ms))
