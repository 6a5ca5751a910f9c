"""Where a socket meets Twisted: the protocol its connection talks to, and the way back down.

All that comes up goes through `Runtime.call`, so that what a program's listeners raise ends the
program rather than being swallowed by the reactor.
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

DISCARD_LIMIT_S = 2.0  # a destroyed socket's last bytes: a reader who is there takes them at once


class Upward(Shape):
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
    """In place of a socket that has left its link and connects anew by another."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_: None


@implementer(IHalfCloseableProtocol, IPushProducer, IConnectWatcher)
class SocketLink:
    """One connection of a socket, from the attempt to the loss."""

    def __init__(self, socket: Upward, runtime: Runtime) -> None:
        self._socket = socket
        self._runtime = runtime
        self._below: StreamTransport | None = None
        self._limit: IDelayedCall | None = None
        self._lost = False
        self.congested = False  # the transport asks to write no more for now

    @property
    def usable(self) -> bool:
        """There is a transport, and it was not lost."""
        return self._below is not None and not self._lost

    @property
    def weak(self) -> bool:
        """The radio can neither half-close it nor send without delay."""
        return IWeakTransport.providedBy(self._below)

    # Down: what the socket asks for. Only while `usable`.

    def write(self, data: bytes) -> None:
        self._transport().write(data)

    def end(self) -> None:
        """Half-close behind what was written."""
        self._transport().unregisterProducer()  # Twisted ends nothing while a producer may go on
        self._transport().loseWriteConnection()

    def discard(self) -> None:
        """Close quietly: drop what comes, send what was written if it goes at once."""
        transport = self._transport()
        transport.unregisterProducer()
        if IDiscardable.providedBy(transport):
            cast("IDiscardable", transport).discard()
        else:
            transport.resumeProducing()  # a paused reader would not see the end
            transport.loseConnection()
        if not self._lost:
            self._limit = self._runtime.clock.callLater(DISCARD_LIMIT_S, self._cut)

    def give_up(self) -> None:
        """The attempt failed: what `opened` gave never stood, and no loss of it will be told."""
        self._lost = True

    def detach(self) -> None:
        """The socket is told nothing more."""
        self._socket = cast("Upward", _Nobody())

    def abort(self) -> None:
        """Cut it at once (RST)."""
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
        """Have the far end watch; False: it cannot, so the socket must."""
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
        return cast("StreamTransport", self._below)  # asked for only while `usable`

    # Up: IConnectWatcher.

    def opened(self, transport: ITransport) -> None:
        if self._below is None:
            self._below = cast("StreamTransport", transport)
            self._below.registerProducer(self, True)
            self._runtime.call(self._socket.link_opened)

    def looked_up(self, error: NodeError | None, address: str | None, family: int | None) -> None:
        self._runtime.call(self._socket.link_looked_up, error, address, family)

    def connected(self) -> None:
        self._runtime.call(self._socket.link_connected)

    # Up: IHalfCloseableProtocol.

    def makeConnection(self, transport: ITransport) -> None:
        self.opened(transport)

    def connectionMade(self) -> None:
        """Part of Twisted's interface; makeConnection has done it."""

    def dataReceived(self, data: bytes) -> None:
        self._runtime.call(self._socket.link_received, data)

    def readConnectionLost(self) -> None:
        self._runtime.call(self._socket.link_peer_ended)

    def writeConnectionLost(self) -> None:
        pass  # the socket knows: it asked for it

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        reason = self._as_node_tells(reason)
        self._lost = True
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None
        self._runtime.call(self._socket.link_lost, reason)

    def _as_node_tells(self, reason: Failure) -> Failure:
        """Over TLS a FIN without close_notify is an end, too, as for Node: many peers know no
        other. So a body that only the connection's end delimits may have been cut by an attacker.
        """
        secured = self.secured() if self.usable else None
        if secured is not None and secured.ended_by_fin and reason.check(ConnectionLost):
            return Failure(ConnectionDone())
        return reason

    # Up: IPushProducer, the socket as seen by its transport.

    def pauseProducing(self) -> None:
        self.congested = True

    def resumeProducing(self) -> None:
        if self.congested:
            self.congested = False
            self._runtime.call(self._socket.link_drained)

    def stopProducing(self) -> None:
        pass  # connectionLost follows, and says why
