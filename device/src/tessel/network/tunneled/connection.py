"""One connection through the tunnel: a substream below, a protocol above.

substream --> ProxiedConnection --> protocol
   events `lookup`, `connect`, `secureConnect`, `timeout`, `close`; its `end` and its error
   <-- writes, half close, `_pls_connect`, `_pls_timeout`

The proxy sends `close` when its connection to the target is closed. This side then sends `end`,
unless it has, and releases the substream.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import (
    IDelayedCall,
    IHalfCloseableProtocol,
    IProtocol,
    IReactorTime,
)
from twisted.python.failure import Failure

from streamplex import conversation
from streamplex.conversation import (
    ConnectRequest,
    SubstreamKind,
    encode_connect,
    error_code,
)
from streamplex.tx import Substream
from tessel.errors import NodeError
from tessel.network.interface import (
    IConnectWatcher,
    IDiscardable,
    ProtocolFactory,
    Target,
)
from tessel.network.limits import LINGER_LIMIT_S
from tessel.network.tunneled.connection_transport import (
    NOT_LEFT,
    ConnectionPhase,
    ProxiedTransport,
)
from tessel.network.tunneled.substream_adapter import SubstreamAdapter
from tessel.network.tunneled.tunnel import ProxyTunnel

REFUSED_HINT = "refused by the proxy's rules (EGRESS_ALLOW there)"


class ProxiedConnection(ProxiedTransport):
    """One connection through the tunnel to `target`, and the transport of its protocol.

    `established` fires with the protocol when the proxy has connected to the target, or fails with
    NodeError. Cancelling it aborts the attempt.
    """

    def __init__(
        self,
        tunnel: ProxyTunnel,
        substream: Substream,
        target: Target,
        factory: ProtocolFactory,
        watcher: IConnectWatcher,
        *,
        clock: IReactorTime,
        early: IProtocol | None = None,
    ) -> None:
        """Prepare the connection; `begin` asks the proxy for it.

        `early` is a protocol that may write before the connection is established. Without it
        `factory` makes the protocol then.
        """
        super().__init__(substream, target)
        self._tunnel = tunnel
        self._factory = factory
        self._watcher = watcher
        self._clock = clock
        self._protocol = early
        self._failed_after_leaving = False
        self._linger: IDelayedCall | None = None
        # Reports the end to the tunnel; None: it was reported.
        self._report_over: Callable[[], None] | None = tunnel.substream_over
        self.established: Deferred[IProtocol] = Deferred(lambda _: self._give_up())

    def begin(self) -> None:
        """Ask the proxy to connect to the target."""
        self._substream.attach(SubstreamAdapter(self))

    # From the substream.

    def heard_made(self) -> None:
        """Called when the substream is open: asks the proxy to connect to the target."""
        request = ConnectRequest(self._target.port, self._target.host)
        self._substream.emit(conversation.CONNECT, *encode_connect(request))
        if self._protocol is not None:
            self._protocol.makeConnection(self)
        self._watcher.opened(self)

    def heard_event(self, name: str) -> None:
        """Called for each event of the proxy, such as `connect` or `close`. Others are ignored."""
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
        """Called with bytes from the target: passes them to the protocol.

        After the program has closed the connection they are refused, so that they do not fill the
        tunnel.
        """
        self._establish()  # bytes prove that it is established, in case the event is missing
        if self._phase is ConnectionPhase.OPEN and self._protocol is not None:
            self._protocol.dataReceived(data)
        elif self._phase in (ConnectionPhase.LEAVING, ConnectionPhase.LEFT):
            self._refuse_data()

    def heard_end(self) -> None:
        """Called when the target has ended its side of the connection.

        A half-closeable protocol is notified; for any other protocol the connection is closed.
        """
        if self._phase is not ConnectionPhase.OPEN:
            return
        if IHalfCloseableProtocol.providedBy(self._protocol):
            cast("IHalfCloseableProtocol", self._protocol).readConnectionLost()
        else:
            self._leave(Failure(ConnectionDone()))

    def heard_own_end_sent(self) -> None:
        """Called when this side's `end` was sent: reports it to a half-closeable protocol."""
        if self._phase is ConnectionPhase.OPEN and IHalfCloseableProtocol.providedBy(
            self._protocol
        ):
            cast("IHalfCloseableProtocol", self._protocol).writeConnectionLost()

    def heard_error(self, message: str) -> None:
        """Called with an error of the proxy, such as "connect ECONNREFUSED".

        The connection, or the attempt, ends with this error.
        """
        error = NodeError(message, error_code(message) or "ERR_PROXY")
        error.hint = REFUSED_HINT if error.code == "EACCES" else None
        self._leave(Failure(error))

    def heard_reset(self) -> None:
        """Called when the proxy has reset the substream: the connection ends with ECONNRESET."""
        self._leave(Failure(NodeError("write ECONNRESET", "ECONNRESET")))

    def heard_lost(self, reason: Failure) -> None:
        """Called when the substream was released or its tunnel was lost.

        If the connection was not closed before, it ends with the tunnel's error.
        """
        if self._phase in NOT_LEFT:  # also if the protocol above raised an exception
            reason = Failure(self._tunnel.end_error())
        self._tell_lost(reason)
        self._phase = ConnectionPhase.OVER
        self._stop_counting()

    # Events of the proxy.

    def _heard_lookup(self) -> None:
        if self._phase is ConnectionPhase.CONNECTING:
            self._watcher.looked_up(None, None, None)

    def _heard_connect(self) -> None:
        if self._phase is ConnectionPhase.CONNECTING:
            self._watcher.connected()
        if self._substream.name != SubstreamKind.TLS:
            self._establish()

    def _heard_close(self) -> None:
        """Report the close. Without an `end` of the proxy before it, the connection was cut."""
        connecting = self._phase is ConnectionPhase.CONNECTING  # a target that never answered
        cut = self._phase in NOT_LEFT and (connecting or not self._substream.peer_ended)
        self._leave(_reset() if cut else Failure(ConnectionDone()))
        self._substream.release()

    def _establish(self) -> None:
        if self._phase is not ConnectionPhase.CONNECTING:
            return
        self._phase = ConnectionPhase.OPEN
        if self._protocol is None:
            self._protocol = self._factory()
            self._protocol.makeConnection(self)
        self.established.callback(self._protocol)

    # Leaving: the protocol gets connectionLost before the proxy has sent `close`.

    def _leave(self, reason: Failure) -> None:
        """Send `end` after the queued bytes, and call the protocol's connectionLost now."""
        if self._phase in NOT_LEFT:
            self._end()
        self._tell_lost(reason)

    def _leave_soon(self, reason: Failure) -> None:
        """The protocol asked for it: connectionLost must not run inside that call."""
        self._phase = ConnectionPhase.LEAVING
        self._clock.callLater(0, self._tell_lost, reason)

    def _tell_lost(self, reason: Failure) -> None:
        if self._phase in (ConnectionPhase.LEFT, ConnectionPhase.OVER):
            return
        connecting = self._phase is ConnectionPhase.CONNECTING
        self._phase = ConnectionPhase.LEFT
        self._wait_for_close()
        if connecting:
            self._fail(reason)
        elif self._protocol is not None:
            self._protocol.connectionLost(reason)

    def _fail(self, reason: Failure) -> None:
        if not self.established.called:
            self.established.errback(reason)

    def _end(self) -> None:
        self._substream.unregisterProducer()
        self._substream.loseWriteConnection()
        self._substream.resumeProducing()  # else no event behind unread bytes arrives

    def take_leave(self) -> None:
        """Close the connection cleanly, because the program has ended.

        TLS above the connection closes first, if there is any. An attempt is aborted.
        """
        if self._phase is ConnectionPhase.CONNECTING:
            self._abort()
            self._tell_lost(_reset())
        elif self._phase is ConnectionPhase.OPEN:
            above = self._protocol if IDiscardable.providedBy(self._protocol) else self
            cast("IDiscardable", above).discard()

    def _give_up(self) -> None:
        """The attempt was cancelled."""
        self._abort()
        self._phase = ConnectionPhase.LEFT
        self._wait_for_close()

    def _abort(self) -> None:
        if self._tunnel.understands_failure:
            self._substream.abortConnection()
        else:
            self._end()  # the original proxy would stop both directions on an error

    def _refuse_data(self) -> None:
        """Reset the substream, as an operating system answers data for a closed socket with RST.

        Otherwise a download that the program has closed would continue to fill the tunnel.
        """
        if self._substream.can_reset:
            self._substream.reset()
        elif self._tunnel.understands_failure and not self._failed_after_leaving:
            self._failed_after_leaving = True
            self._substream.fail("closed")

    def _wait_for_close(self) -> None:
        if self._report_over is not None and self._linger is None:
            self._linger = self._clock.callLater(LINGER_LIMIT_S, self._stop_counting)

    def _stop_counting(self) -> None:
        if self._linger is not None and self._linger.active():
            self._linger.cancel()
        report, self._report_over = self._report_over, None
        if report is not None:
            report()


def _reset() -> Failure:
    return Failure(NodeError("read ECONNRESET", "ECONNRESET"))
