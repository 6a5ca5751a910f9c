"""One proxied connection: below, a substream and its events; above, a transport like any other.

substream --> ProxiedConnection --> protocol
   events `lookup`, `connect`, `secureConnect`, `timeout`, `close`; its `end` and its error
   <-- writes, half close, `_pls_connect`, `_pls_timeout`

The server says `close` when it is done; then this side says `end`, if it has not, and is done too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import Enum, auto
from typing import cast

from twisted.internet.address import HostnameAddress
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.interfaces import (
    IAddress,
    IConsumer,
    IDelayedCall,
    IHalfCloseableProtocol,
    IProducer,
    IProtocol,
    IPushProducer,
    IReactorTime,
    ITCPTransport,
)
from twisted.python.failure import Failure
from zope.interface import implementer

from streamplex import conversation
from streamplex.conversation import (
    ConnectRequest,
    SubstreamKind,
    encode_connect,
    encode_idle_timeout,
    error_code,
)
from streamplex.tx import Substream
from tessel.errors import NodeError
from tessel.network.interface import (
    IConnectWatcher,
    IDiscardable,
    IIdleWatch,
    ProtocolFactory,
    Target,
)
from tessel.network.limits import LINGER_LIMIT_S
from tessel.network.tunneled.substream_adapter import Face
from tessel.network.tunneled.tunnel import Tunnel

REFUSED_HINT = "refused by the proxy's rules (EGRESS_ALLOW there)"


class _Phase(Enum):
    CONNECTING = auto()  # the server dials
    OPEN = auto()
    LEAVING = auto()  # the protocol closed, and has not heard yet that it is over
    LEFT = auto()  # the protocol is done; the server has not said `close`
    OVER = auto()


_NOT_LEFT = (_Phase.CONNECTING, _Phase.OPEN)


@implementer(ITCPTransport, IPushProducer, IConsumer, IIdleWatch, IDiscardable)
class ProxiedConnection:
    """A connection to `target` through the tunnel. `stands` fires when the server has made it."""

    def __init__(
        self,
        tunnel: Tunnel,
        substream: Substream,
        target: Target,
        factory: ProtocolFactory,
        watcher: IConnectWatcher,
        *,
        clock: IReactorTime,
        early: IProtocol | None = None,
    ) -> None:
        """`early` is a protocol that may talk before the connection stands; else `factory` makes
        one when it does.
        """
        self._tunnel = tunnel
        self._substream = substream
        self._target = target
        self._factory = factory
        self._watcher = watcher
        self._clock = clock
        self._phase = _Phase.CONNECTING
        self._protocol = early
        self._idle_expired: Callable[[], None] = lambda: None
        self._peer_ended = False
        self._producing = False
        self._failed_after_leaving = False
        self._linger: IDelayedCall | None = None
        self._counted = True
        self.disconnecting = False
        self.stands: Deferred[IProtocol] = Deferred(lambda _: self._give_up())

    def begin(self) -> None:
        """Ask the server for it."""
        self._substream.attach(Face(self))

    # From the substream.

    def heard_made(self) -> None:
        request = ConnectRequest(self._target.port, self._target.host)
        self._substream.emit(conversation.CONNECT, *encode_connect(request))
        if self._protocol is not None:
            self._protocol.makeConnection(self)
        self._watcher.opened(self)

    def heard_event(self, name: str) -> None:
        match name:
            case conversation.LOOKED_UP:
                self._heard_lookup()
            case conversation.CONNECTED:
                self._heard_connect()
            case conversation.SECURED:
                self._establish()
            case conversation.IDLE:
                self._idle_expired()
            case conversation.CLOSED:
                self._heard_close()

    def heard_data(self, data: bytes) -> None:
        self._establish()  # at the latest: bytes are proof
        if self._phase is _Phase.OPEN and self._protocol is not None:
            self._protocol.dataReceived(data)
        elif self._phase in (_Phase.LEAVING, _Phase.LEFT):
            self._refuse_data()

    def heard_end(self) -> None:
        self._peer_ended = True
        if self._phase is not _Phase.OPEN:
            return
        if IHalfCloseableProtocol.providedBy(self._protocol):
            cast("IHalfCloseableProtocol", self._protocol).readConnectionLost()
        else:
            self._leave(Failure(ConnectionDone()))

    def heard_own_end_sent(self) -> None:
        if self._phase is _Phase.OPEN and IHalfCloseableProtocol.providedBy(self._protocol):
            cast("IHalfCloseableProtocol", self._protocol).writeConnectionLost()

    def heard_error(self, message: str) -> None:
        error = NodeError(message, error_code(message) or "ERR_PROXY")
        error.hint = REFUSED_HINT if error.code == "EACCES" else None
        self._leave(Failure(error))

    def heard_reset(self) -> None:
        """The proxy takes nothing more, as a target's kernel says with RST."""
        self._leave(Failure(NodeError("write ECONNRESET", "ECONNRESET")))

    def heard_lost(self, reason: Failure) -> None:
        """Released, or the tunnel is gone: then it is an error, however cleanly it went."""
        if self._phase in _NOT_LEFT:  # also: a protocol above raised, and so lost it
            reason = Failure(self._tunnel.end_error())
        self._tell_lost(reason)
        self._phase = _Phase.OVER
        self._stop_counting()

    # The server's events.

    def _heard_lookup(self) -> None:
        if self._phase is _Phase.CONNECTING:
            self._watcher.looked_up(None, None, None)

    def _heard_connect(self) -> None:
        if self._phase is _Phase.CONNECTING:
            self._watcher.connected()
        if self._substream.name != SubstreamKind.TLS:
            self._establish()

    def _heard_close(self) -> None:
        """The server is done. A connection that it did not end before was cut."""
        cut = self._phase in _NOT_LEFT and not self._peer_ended
        self._leave(_reset() if cut else Failure(ConnectionDone()))
        self._substream.release()

    def _establish(self) -> None:
        if self._phase is not _Phase.CONNECTING:
            return
        self._phase = _Phase.OPEN
        if self._protocol is None:
            self._protocol = self._factory()
            self._protocol.makeConnection(self)
        self.stands.callback(self._protocol)

    # Leaving: the protocol is told it is over, the server has still to say so.

    def _leave(self, reason: Failure) -> None:
        """Say `end` behind what is queued, and tell the protocol now."""
        if self._phase in _NOT_LEFT:
            self._end()
        self._tell_lost(reason)

    def _leave_soon(self, reason: Failure) -> None:
        """As asked for by the protocol, who must hear of it in a turn of its own."""
        self._phase = _Phase.LEAVING
        self._clock.callLater(0, self._tell_lost, reason)

    def _tell_lost(self, reason: Failure) -> None:
        if self._phase in (_Phase.LEFT, _Phase.OVER):
            return
        connecting = self._phase is _Phase.CONNECTING
        self._phase = _Phase.LEFT
        self._wait_for_close()
        if connecting:
            self._fail(reason)
        elif self._protocol is not None:
            self._protocol.connectionLost(reason)

    def _fail(self, reason: Failure) -> None:
        if not self.stands.called:
            self.stands.errback(reason)

    def _end(self) -> None:
        self._substream.unregisterProducer()
        self._substream.loseWriteConnection()
        self._substream.resumeProducing()  # a paused reader would not see the events behind

    def take_leave(self) -> None:
        """The program has ended: close in order, beginning with the TLS over it, if there is."""
        if self._phase is _Phase.CONNECTING:
            self._abort()
            self._tell_lost(_reset())
        elif self._phase is _Phase.OPEN:
            above = self._protocol if IDiscardable.providedBy(self._protocol) else self
            cast("IDiscardable", above).discard()

    def _give_up(self) -> None:
        """The attempt was cancelled."""
        self._abort()
        self._phase = _Phase.LEFT
        self._wait_for_close()

    def _abort(self) -> None:
        if self._tunnel.understands_failure:
            self._substream.abortConnection()
        else:
            self._end()  # the original's other direction would go dead on an error

    def _refuse_data(self) -> None:
        """A kernel answers data for a closed socket with RST; else an endless download that the
        program has left would go on filling the tunnel.
        """
        if self._substream.can_reset:
            self._substream.reset()
        elif self._tunnel.understands_failure and not self._failed_after_leaving:
            self._failed_after_leaving = True
            self._substream.fail("closed")

    def _wait_for_close(self) -> None:
        if self._counted and self._linger is None:
            self._linger = self._clock.callLater(LINGER_LIMIT_S, self._stop_counting)

    def _stop_counting(self) -> None:
        if self._linger is not None and self._linger.active():
            self._linger.cancel()
        if self._counted:
            self._counted = False
            self._tunnel.substream_over()

    # To the protocol above: ITransport, ITCPTransport.

    def write(self, data: bytes) -> None:
        if self._phase in _NOT_LEFT or self._producing:
            self._substream.write(data)

    def writeSequence(self, data: Iterable[bytes]) -> None:
        self.write(b"".join(data))

    def loseWriteConnection(self) -> None:
        self._substream.loseWriteConnection()

    def loseConnection(self) -> None:
        """Send what is queued, and what a registered producer still has; then `end`."""
        if self._phase is not _Phase.OPEN or self.disconnecting:
            return
        self.disconnecting = True
        self._substream.loseWriteConnection()
        self._substream.resumeProducing()
        if not self._producing:
            self._leave_soon(Failure(ConnectionDone()))

    def abortConnection(self) -> None:
        """Drop what is queued; the server aborts the target."""
        if self._phase is _Phase.OPEN:
            self._producing = False
            self._substream.abortConnection()
            self._leave_soon(Failure(ConnectionAborted()))

    def discard(self) -> None:
        """As a kernel closes: what came and was not read is answered with a reset, at once or
        when it comes; but what the program has written before still arrives if nothing does.
        """
        self.unregisterProducer()
        unread = self._phase is _Phase.OPEN and self._substream.has_unread
        if unread and self._substream.can_reset:
            self._substream.reset()
        self.loseConnection()

    def getPeer(self) -> IAddress:  # type: ignore[override]  # a name, not an IP address
        return HostnameAddress(self._target.host.encode("utf-8"), self._target.port)

    def getHost(self) -> IAddress:  # type: ignore[override]  # there is no IP address here
        return self._substream.getHost()

    def getTcpNoDelay(self) -> bool:
        return True

    def setTcpNoDelay(self, enabled: bool) -> None:
        """The tunnel waits for nothing, and the proxy sets it towards the target."""

    def getTcpKeepAlive(self) -> bool:
        return False

    def setTcpKeepAlive(self, enabled: bool) -> None:
        """Keeping alive is the tunnel's business."""

    # To the protocol above: IConsumer, IPushProducer, IIdleWatch.

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        self._producing = True
        self._substream.registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        was, self._producing = self._producing, False
        self._substream.unregisterProducer()
        if was and self.disconnecting and self._phase is _Phase.OPEN:
            self._leave_soon(Failure(ConnectionDone()))

    def pauseProducing(self) -> None:
        if self._phase is _Phase.OPEN:
            self._substream.pauseProducing()

    def resumeProducing(self) -> None:
        self._substream.resumeProducing()

    def stopProducing(self) -> None:
        self.loseConnection()

    def watch_idle(self, timeout_ms: float, expired: Callable[[], None]) -> None:
        self._idle_expired = expired
        self._substream.emit(conversation.IDLE_TIMEOUT, *encode_idle_timeout(timeout_ms))


def _reset() -> Failure:
    return Failure(NodeError("read ECONNRESET", "ECONNRESET"))
