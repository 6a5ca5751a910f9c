"""The link between a socket and Twisted: a protocol for events, and methods to the transport.

All events go through `Runtime.call`: an exception in a program's listener then ends the program.
The reactor would only log it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol as Shape
from typing import cast

from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IHalfCloseableProtocol,
    IPushProducer,
    ITransport,
)
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from tessel.errors import NodeError
from tessel.network.interface import (
    IConnectWatcher,
    IDiscardable,
    IIdleWatch,
    ISecured,
    StreamTransport,
)
from tessel.node.base.runtime import Runtime
from tessel.radio.interface import IWeakTransport

DISCARD_LIMIT_S = 2.0  # for a destroyed socket to send its last bytes; then abort


class LinkOwner(Shape):
    """The socket, as its link sees it."""

    def link_opened(self) -> None: ...
    def link_looked_up(
        self, error: NodeError | None, address: str | None, family: int | None
    ) -> None: ...
    def link_connected(self) -> None: ...
    def link_received(self, data: bytes) -> None: ...
    def link_drained(self) -> None: ...
    def link_peer_ended(self) -> None: ...
    def link_lost(self, reason: Failure) -> None: ...


class _Nobody:
    """Ignores the events of a link that its socket has left, to connect by another link."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_: None


@implementer(IHalfCloseableProtocol, IPushProducer, IConnectWatcher)
class SocketLink:
    """One connection of a socket, from the attempt to the loss."""

    def __init__(self, socket: LinkOwner, runtime: Runtime) -> None:
        self._socket = socket
        self._runtime = runtime
        self._below: StreamTransport | None = None
        self._limit: IDelayedCall | None = None
        self._lost = False
        self.congested = False  # the transport's buffer is full

    @property
    def usable(self) -> bool:
        """True while there is a transport."""
        return self._below is not None and not self._lost

    @property
    def weak(self) -> bool:
        """True if the radio can neither half-close nor send without delay, as the CC3000."""
        return IWeakTransport.providedBy(self._below)

    # Calls of the socket, only while `usable`.

    def write(self, data: bytes) -> None:
        self._transport().write(data)

    def end(self) -> None:
        """Close the writing half (FIN) after the written bytes."""
        self._transport().unregisterProducer()  # Twisted waits for a registered producer
        self._transport().loseWriteConnection()

    def discard(self) -> None:
        """Close: drop received bytes, send written ones; abort after DISCARD_LIMIT_S."""
        transport = self._transport()
        transport.unregisterProducer()
        if IDiscardable.providedBy(transport):
            cast("IDiscardable", transport).discard()
        else:
            transport.resumeProducing()  # a paused transport would not see the end
            transport.loseConnection()
        if not self._lost:
            self._limit = self._runtime.clock.callLater(DISCARD_LIMIT_S, self._cut)

    def give_up(self) -> None:
        """Drop the transport of a failed attempt; it reports no loss."""
        self._lost = True

    def detach(self) -> None:
        """Report nothing more to the socket."""
        self._socket = cast("LinkOwner", _Nobody())

    def abort(self) -> None:
        """Abort the connection (RST)."""
        self._transport().abortConnection()

    def _cut(self) -> None:
        self._limit = None
        self.abort()

    def pause(self) -> None:
        self._transport().pauseProducing()

    def resume(self) -> None:
        self._transport().resumeProducing()

    def set_no_delay(self, enabled: bool) -> None:
        self._transport().setTcpNoDelay(enabled)

    def set_keep_alive(self, enabled: bool) -> None:
        self._transport().setTcpKeepAlive(enabled)

    def watch_idle(self, timeout_ms: float, expired: Callable[[], None]) -> bool:
        """Let the proxy watch the idle time; return False if the socket must do it itself."""
        transport = self._transport()
        if not IIdleWatch.providedBy(transport):
            return False
        cast("IIdleWatch", transport).watch_idle(timeout_ms, lambda: self._runtime.call(expired))
        return True

    def local_address(self) -> IAddress:
        return self._transport().getHost()

    def peer_address(self) -> IAddress:
        return self._transport().getPeer()

    def secured(self) -> ISecured | None:
        transport = self._transport()
        return cast("ISecured", transport) if ISecured.providedBy(transport) else None

    def _transport(self) -> StreamTransport:
        return cast("StreamTransport", self._below)  # called only while `usable`

    # IConnectWatcher.

    def opened(self, transport: ITransport) -> None:
        if self._below is None:
            self._below = cast("StreamTransport", transport)
            self._below.registerProducer(self, True)
            self._runtime.call(self._socket.link_opened)

    def looked_up(self, error: NodeError | None, address: str | None, family: int | None) -> None:
        self._runtime.call(self._socket.link_looked_up, error, address, family)

    def connected(self) -> None:
        self._runtime.call(self._socket.link_connected)

    # IHalfCloseableProtocol.

    def makeConnection(self, transport: ITransport) -> None:
        self.opened(transport)

    def connectionMade(self) -> None:
        """Part of Twisted's interface; `makeConnection` has done the work."""

    def dataReceived(self, data: bytes) -> None:
        self._runtime.call(self._socket.link_received, data)

    def readConnectionLost(self) -> None:
        self._runtime.call(self._socket.link_peer_ended)

    def writeConnectionLost(self) -> None:
        pass  # the socket has asked for it

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        reason = self._as_node_tells(reason)
        self._lost = True
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None
        self._runtime.call(self._socket.link_lost, reason)

    def _as_node_tells(self, reason: Failure) -> Failure:
        """Return ConnectionDone for a TLS connection that ended by FIN without close_notify.

        Node does so, too: many peers close this way. An attacker can therefore cut a body that only
        the end of the connection delimits.
        """
        secured = self.secured() if self.usable else None
        if secured is not None and secured.ended_by_fin and reason.check(ConnectionLost):
            return Failure(ConnectionDone())
        return reason

    # IPushProducer: the socket, as its transport sees it.

    def pauseProducing(self) -> None:
        self.congested = True

    def resumeProducing(self) -> None:
        if self.congested:
            self.congested = False
            self._runtime.call(self._socket.link_drained)

    def stopProducing(self) -> None:
        pass  # connectionLost follows with the reason
