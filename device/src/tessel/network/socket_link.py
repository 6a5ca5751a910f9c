"""The link between a socket and Twisted: a protocol for events, and methods to the transport."""

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
    IReactorTime,
    ITransport,
)
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from tessel.errors import NodeError
from tessel.network.immediate_writes import write_now
from tessel.network.interface import (
    IConnectWatcher,
    IDiscardable,
    IIdleWatch,
    ISecured,
    StreamTransport,
)
from tessel.radio.interface import IWeakTransport

Caller = Callable[..., None]  # calls a function with arguments

DISCARD_LIMIT_S = 2.0  # for a destroyed socket to send its last bytes; then abort


def _call(function: Callable[..., object], *args: object) -> None:
    function(*args)


class LinkOwner(Shape):
    """The methods of a socket that its link calls to report events.

    The link has a transport, has looked a name up, is connected, has received bytes, can send
    again, got the peer's FIN, or is lost.
    """

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
    """One connection of a socket, as a Twisted protocol: from the attempt to the loss.

    Methods for the transport may be called only while `usable` is True.
    """

    def __init__(self, socket: LinkOwner, clock: IReactorTime, call: Caller = _call) -> None:
        """Create a link that is not connected.

        `call` calls the socket's methods for events: a socket whose methods run a Python program's
        listeners passes `Runtime.call`, because the reactor would only log their exceptions.
        """
        self._socket = socket
        self._clock = clock
        self._call = call
        self._below: StreamTransport | None = None
        self._limit: IDelayedCall | None = None
        self._lost = False
        self.congested = False  # the transport's buffer is full

    @property
    def usable(self) -> bool:
        """True while the link has a transport that is not lost."""
        return self._below is not None and not self._lost

    @property
    def weak(self) -> bool:
        """True if the radio can neither half-close nor send without delay, as the CC3000."""
        return IWeakTransport.providedBy(self._below)

    @property
    def watches_idle(self) -> bool:
        """True if `watch_idle` has an effect: the connection goes through the tunnel."""
        return IIdleWatch.providedBy(self._below)

    # Calls of the socket, only while `usable`.

    def write(self, data: bytes) -> None:
        """Write bytes to the transport."""
        self._transport().write(data)

    def write_now(self, data: bytes) -> None:
        """Write bytes without waiting for the reactor's next turn, if the system has room."""
        write_now(self._transport(), (data,))

    def end(self) -> None:
        """Close the writing half (FIN) after all written bytes."""
        self._transport().unregisterProducer()  # Twisted waits for a registered producer
        self._transport().loseWriteConnection()

    def discard(self) -> None:
        """Close the connection: drop received bytes, and send the written ones.

        The connection is aborted if this takes longer than DISCARD_LIMIT_S (2 s).
        """
        transport = self._transport()
        transport.unregisterProducer()
        if IDiscardable.providedBy(transport):
            cast("IDiscardable", transport).discard()
        else:
            transport.resumeProducing()  # a paused transport would not see the end
            transport.loseConnection()
        if not self._lost:
            self._limit = self._clock.callLater(DISCARD_LIMIT_S, self._cut)

    def close(self) -> None:
        """Close the connection after all written bytes, however long the peer takes for them."""
        transport = self._transport()
        transport.unregisterProducer()
        transport.loseConnection()

    def give_up(self) -> None:
        """Mark the link of a failed connection attempt as lost, without a report to the socket."""
        self._lost = True

    def detach(self) -> None:
        """Stop reporting events to the socket, because it connects again by another link."""
        self._socket = cast("LinkOwner", _Nobody())

    def abort(self) -> None:
        """Abort the connection with a TCP reset (RST)."""
        self._transport().abortConnection()

    def _cut(self) -> None:
        self._limit = None
        self.abort()

    def pause(self) -> None:
        """Stop reading from the transport."""
        self._transport().pauseProducing()

    def resume(self) -> None:
        """Continue to read from the transport."""
        self._transport().resumeProducing()

    def set_no_delay(self, enabled: bool) -> None:
        """Switch TCP_NODELAY on or off."""
        self._transport().setTcpNoDelay(enabled)

    def set_keep_alive(self, enabled: bool) -> None:
        """Switch SO_KEEPALIVE on or off."""
        self._transport().setTcpKeepAlive(enabled)

    def watch_idle(self, timeout_ms: float, expired: Callable[[], None]) -> bool:
        """Ask the proxy to call `expired` when no byte was transferred for `timeout_ms`.

        Returns False if the transport cannot do this, so that the socket needs its own timer.
        """
        transport = self._transport()
        if not IIdleWatch.providedBy(transport):
            return False
        cast("IIdleWatch", transport).watch_idle(timeout_ms, lambda: self._call(expired))
        return True

    def local_address(self) -> IAddress:
        """Return the device's own address, as Twisted's IAddress."""
        return self._transport().getHost()

    def peer_address(self) -> IAddress:
        """Return the peer's address, as Twisted's IAddress."""
        return self._transport().getPeer()

    def secured(self) -> ISecured | None:
        """Return the transport's TLS details; None without TLS on the device."""
        transport = self._transport()
        return cast("ISecured", transport) if ISecured.providedBy(transport) else None

    def _transport(self) -> StreamTransport:
        return cast("StreamTransport", self._below)  # called only while `usable`

    # IConnectWatcher.

    def opened(self, transport: ITransport) -> None:
        """Called when there is a transport: notifies the socket; a second call does nothing."""
        if self._below is None:
            self._below = cast("StreamTransport", transport)
            self._below.registerProducer(self, True)
            self._call(self._socket.link_opened)

    def looked_up(self, error: NodeError | None, address: str | None, family: int | None) -> None:
        """Called when the host name was looked up, or the lookup failed: notifies the socket."""
        self._call(self._socket.link_looked_up, error, address, family)

    def connected(self) -> None:
        """Called when TCP is established: notifies the socket."""
        self._call(self._socket.link_connected)

    # IHalfCloseableProtocol.

    def makeConnection(self, transport: ITransport) -> None:
        """Called by Twisted with the transport: does the same as `opened`."""
        self.opened(transport)

    def connectionMade(self) -> None:
        """Called by Twisted after `makeConnection`: does nothing."""

    def dataReceived(self, data: bytes) -> None:
        """Called by Twisted with received bytes: passes them to the socket."""
        self._call(self._socket.link_received, data)

    def readConnectionLost(self) -> None:
        """Called by Twisted at the peer's FIN: notifies the socket."""
        self._call(self._socket.link_peer_ended)

    def writeConnectionLost(self) -> None:
        pass  # the socket has asked for it

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Called by Twisted when the connection is lost: notifies the socket of the reason."""
        reason = self._as_node_tells(reason)
        self._lost = True
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None
        self._call(self._socket.link_lost, reason)

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
        """Called by the transport when its send buffer is full: sets `congested`."""
        self.congested = True

    def resumeProducing(self) -> None:
        """Called by the transport when it accepts bytes again: notifies the socket."""
        if self.congested:
            self.congested = False
            self._call(self._socket.link_drained)

    def stopProducing(self) -> None:
        pass  # connectionLost follows with the reason
