"""The pump: moves bytes between a transport and a `TunnelCore`, and events to the substreams.

The pump decides nothing: the core chooses what is sent next, and the listener reacts to events.
"""

from __future__ import annotations

from typing import cast

from twisted.internet.interfaces import (
    IDelayedCall,
    IHandshakeListener,
    IPushProducer,
    IReactorTime,
    ITCPTransport,
)
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from streamplex.channels import Side
from streamplex.errors import LocalError, RemoteError, SilentPeerError
from streamplex.limits import PeerLimits
from streamplex.tunnel import TunnelCore
from streamplex.tx.bulk import keep_queue_short
from streamplex.tx.flow import HeldBytes
from streamplex.tx.interface_listener import ITunnelListener
from streamplex.tx.interfaces import ITakesViews
from streamplex.tx.keepalive import KeepAlive
from streamplex.tx.receiving import Receiving
from streamplex.tx.sending import Phase, Transport
from streamplex.tx.substream import Substream
from streamplex.tx.tcp import Progress, progress_of
from streamplex.tx.timers import SharedTimers
from streamplex.tx.tls import TLSTransport, ended_by_fin

CLOSE_TIMEOUT_S = 10.0
"""Seconds in which a closing tunnel has to send its queued bytes; then it is aborted."""


@implementer(IPushProducer, IHandshakeListener, ITakesViews)
class TunnelProtocol(Receiving):
    """One end of a tunnel, as a protocol of Twisted.

    `side` is Side.A for the server and Side.B for the device. `listener` receives the events that
    concern the tunnel as a whole. `clock` is the reactor, or a Clock in tests. `limits` bound what
    the peer may send; None: the defaults. To open a substream call `open`. `loseConnection` closes
    the tunnel after sending the queued bytes, `abortConnection` at once.
    """

    def __init__(
        self,
        side: Side,
        listener: ITunnelListener,
        clock: IReactorTime,
        limits: PeerLimits | None = None,
    ) -> None:
        super().__init__(TunnelCore(side, limits), listener, clock)
        self._fault: Exception | None = None  # for which this side has cut the transport
        self._close_deadline: IDelayedCall | None = None
        self._held: HeldBytes | None = None

    # --- for the code above -----------------------------------------------------------

    def open(self, name: str | None) -> Substream:
        """Open a substream. Raises LocalError if the tunnel is not open; see `TunnelCore.open`."""
        if self._phase is not Phase.OPEN:
            raise LocalError(f"substream opened on a tunnel that is {self._phase.name.lower()}")
        substream = self._add(self.core.open(name), name)
        self.flush()
        return substream

    def keep_alive(
        self, interval_s: float, timeout_s: float, timers: SharedTimers | None = None
    ) -> None:
        """Send a ping when the peer has been silent for `interval_s` seconds.

        After `timeout_s` more seconds of silence the tunnel is aborted with SilentPeerError.
        Requires `ping/1`. Does nothing if called again. `timers`: those that many tunnels share;
        None: timers of this tunnel alone.
        """
        if self._phase is Phase.OPEN and self._keep_alive is None:
            timers = timers or SharedTimers(self.clock)
            self._keep_alive = KeepAlive(self, timers, interval_s, timeout_s)

    def give_up_unanswered(self, limit_s: float) -> None:
        """Abort the tunnel if sent data was not acknowledged for `limit_s` seconds.

        For peers without `ping/1`: TCP sends no keepalive probes while it retransmits data, which
        it does for a quarter of an hour. A peer that only stops reading is kept: its system still
        acknowledges probes.
        """
        found = self.progress
        unanswered = found is not None and found.under_way and found.since_s >= limit_s
        if unanswered and self._phase.alive:
            self.give_up()

    def hear_at_most(self, nbytes: int | None) -> None:
        """Limit the bytes that an unauthenticated peer may send from now on; None: no limit."""
        self.core.hear_at_most(nbytes)

    def loseConnection(self) -> None:
        """Send the queued bytes, then close the transport. Substreams that are still open are lost.

        The tunnel is aborted if this takes longer than CLOSE_TIMEOUT_S.
        """
        if self._phase is not Phase.OPEN:
            return
        self._phase = Phase.CLOSING
        self._close_deadline = self.clock.callLater(CLOSE_TIMEOUT_S, self.abortConnection)
        self.flush()

    def abortConnection(self, why: Exception | None = None) -> None:
        """Abort the transport and drop queued bytes.

        `tunnelLost` receives `why` as the reason; None: the transport's reason.
        """
        if self._phase not in (Phase.CONNECTING, Phase.LOST):
            self._phase = Phase.CUT
            self._fault = why or self._fault
            self._wire.abortConnection()

    # --- from the transport -----------------------------------------------------------

    def connectionMade(self) -> None:
        """Called when the transport is connected: prepares it, then notifies the listener."""
        if ITCPTransport.providedBy(self.transport):
            self.transport.setTcpNoDelay(True)  # otherwise small frames wait up to 40 ms for an ACK
            keep_queue_short(self.transport)
        self._wire = cast("Transport", self.transport)
        self._wire.registerProducer(self, True)
        self._phase = Phase.OPEN
        self._listener.tunnelMade(self)
        self.flush()

    def handshakeCompleted(self) -> None:
        """Called when the TLS handshake is complete: notifies the listener."""
        self._listener.tunnelSecured()

    def _peer_took(self) -> None:
        if self._keep_alive is not None:
            self._keep_alive.heard()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Called when the transport is lost: closes every substream, then notifies the listener."""
        why = self._why_lost(reason)
        self._phase = Phase.LOST
        if self._close_deadline is not None and self._close_deadline.active():
            self._close_deadline.cancel()
        if self._keep_alive is not None:
            self._keep_alive.stop()
        for substream in list(self._substreams.values()):
            substream.tunnel_lost(why)
        self._substreams.clear()
        self.core.scheduler.clear()  # what is queued refers to the scheduler: a cycle
        self._listener.tunnelLost(why)

    def _why_lost(self, reason: Failure) -> Failure:
        if self._fault is not None:
            return Failure(self._fault)
        if self._phase.alive and ended_by_fin(reason, self.transport):
            try:
                self.core.receive_end()
            except RemoteError:
                return Failure()
        return reason

    # --- for what the substreams hold -------------------------------------------------

    @property
    def held(self) -> HeldBytes:
        """The bytes that substreams without flow control hold.

        Made for the first of these substreams: most tunnels have none.
        """
        if self._held is None:
            self._held = HeldBytes(self, self.clock)
        return self._held

    def stop_reading(self) -> None:
        """Stop reading from the transport, because the substreams hold too many bytes."""
        self._wire.pauseProducing()

    def resume_reading(self) -> None:
        """Continue reading from the transport, because the substreams have room again."""
        if self._phase.alive:
            self._wire.resumeProducing()

    def end_stall(self) -> None:
        """End the substream that holds the most bytes.

        Called when no consumer of the tunnel has taken any data for MAX_STALL_S.
        """
        substream = max(self._substreams.values(), key=lambda each: each.held_bytes)
        self._log.warn("substream {channel} stalled the tunnel", channel=substream.channel)
        substream.end_stall()

    # --- for KeepAlive ----------------------------------------------------------------

    @property
    def is_deaf(self) -> bool:
        """Whether the tunnel has stopped reading. The peer's silence then means nothing."""
        return self._held is not None and self._held.stopped

    @property
    def progress(self) -> Progress | None:
        """The number of bytes that the transport has received and sent; None if it is unknown."""
        return progress_of(self.transport)

    def settle(self) -> None:
        """Free the memory that only a busy tunnel needs."""
        if isinstance(self.transport, TLSTransport):
            self.transport.settle()

    def ask(self) -> None:
        """Send a ping to the peer."""
        self.core.ping()
        self.flush()

    def give_up(self) -> None:
        """Abort the tunnel with SilentPeerError, because the peer did not answer."""
        self.abortConnection(SilentPeerError("the peer sent nothing, and did not answer the ping"))
