"""The pump: moves bytes between a transport and a `TunnelCore`, and events to the substreams.

It decides nothing: what is sent next is the core's to say, what happens is the listener's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import groupby
from typing import assert_never, cast

from twisted.internet.interfaces import (
    IDelayedCall,
    IHandshakeListener,
    IPushProducer,
    IReactorTime,
    ITCPTransport,
)
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from streamplex.channels import Side
from streamplex.errors import LocalError, RemoteError, SilentPeerError
from streamplex.events import (
    CustomReceived,
    DataReceived,
    Event,
    Fault,
    GoAway,
    Ignored,
    MessageReceived,
    Notice,
    StreamEnded,
    StreamFailed,
    StreamOpened,
    StreamReset,
)
from streamplex.handle import SubstreamHandle
from streamplex.limits import PeerLimits
from streamplex.messages import CONTROL_CHANNEL
from streamplex.tunnel import TunnelCore
from streamplex.tx.bulk import keep_queue_short
from streamplex.tx.flow import HeldBytes
from streamplex.tx.interface_listener import ITunnelListener
from streamplex.tx.interfaces import Crashable, ITakesViews
from streamplex.tx.keepalive import KeepAlive
from streamplex.tx.sending import Phase, Sending
from streamplex.tx.substream import Substream
from streamplex.tx.tcp import Progress, progress_of
from streamplex.tx.tls import ended_by_fin

CLOSE_TIMEOUT_S = 10.0
"""How long a closing tunnel waits for its peer to take what is queued."""


def _data_channel(event: Event) -> int:
    """Whose data it is; data is never the control channel's, everything else is, here."""
    return event.channel if isinstance(event, DataReceived) else CONTROL_CHANNEL


@implementer(IPushProducer, IHandshakeListener, ITakesViews)
class TunnelProtocol(Sending):
    """One end of a tunnel as a Twisted protocol."""

    _log = Logger()

    def __init__(
        self,
        side: Side,
        listener: ITunnelListener,
        clock: IReactorTime,
        limits: PeerLimits | None = None,
    ) -> None:
        super().__init__(TunnelCore(side, limits))
        self.clock = clock
        self._listener = listener
        self._behind: list[Callable[[], None]] | None = None  # while bytes are handed on
        self._fault: Exception | None = None  # for which this side has cut the transport
        self._close_deadline: IDelayedCall | None = None
        self._keep_alive: KeepAlive | None = None
        self.held = HeldBytes(self, clock)

    # --- for the code above -----------------------------------------------------------

    @property
    def substreams(self) -> Mapping[int, Substream]:
        """Those that have not been released, by channel."""
        return self._substreams

    @property
    def substreams_in_use(self) -> int:
        """How many there are, with those that were released and have still something to send."""
        return len(self._substreams) + len(self.core.leaving)

    @property
    def held_bytes(self) -> int:
        """What waits here in all: for the peer to read, and for the consumers."""
        core, held = self.core, self._substreams.values()
        waiting = map(core.waiting_bytes, (*self._substreams, *core.leaving))
        return sum(waiting) + sum(substream.held_bytes for substream in held)

    def open(self, name: str | None) -> Substream:
        """Open a substream. Raises what `TunnelCore.open` does, or LocalError on a dead tunnel."""
        if self._phase is not Phase.OPEN:
            raise LocalError(f"substream opened on a tunnel that is {self._phase.name.lower()}")
        substream = self._add(self.core.open(name), name)
        self.flush()
        return substream

    def keep_alive(self, interval_s: float, timeout_s: float) -> None:
        """Ask the peer whether it is still there when it has been silent for `interval_s`.

        If it is so for `timeout_s` more, the tunnel is lost: SilentPeerError. Only with `ping/1`.
        """
        if self._phase is Phase.OPEN and self._keep_alive is None:
            self._keep_alive = KeepAlive(self, self.clock, interval_s, timeout_s)

    def give_up_unanswered(self, limit_s: float) -> None:
        """Lose the peer if its system has not answered what was sent for so long.

        For peers without `ping/1`: TCP's own keepalive asks nothing while it repeats data that
        nobody acknowledges, which it does for a quarter of an hour. A peer that only reads nothing
        is kept: its system answers.
        """
        found = self.progress
        unanswered = found is not None and found.under_way and found.since_s >= limit_s
        if unanswered and self._phase.alive:
            self.give_up()

    def hear_at_most(self, nbytes: int | None) -> None:
        """Cut the peer when it says more; None: it may say what it likes from now on."""
        self.core.hear_at_most(nbytes)

    def loseConnection(self) -> None:
        """Send what is queued, then close the transport. Substreams still open are cut."""
        if self._phase is not Phase.OPEN:
            return
        self._phase = Phase.CLOSING
        self._close_deadline = self.clock.callLater(CLOSE_TIMEOUT_S, self.abortConnection)
        self.flush()

    def abortConnection(self, why: Exception | None = None) -> None:
        """Cut the transport, whatever is queued. The listener is given `why` as the reason."""
        if self._phase not in (Phase.CONNECTING, Phase.LOST):
            self._phase = Phase.CUT
            self._fault = why or self._fault
            self._wire.abortConnection()

    # --- for substreams ---------------------------------------------------------------

    def call_guarded(self, substream: Crashable, call: Callable[[], None]) -> None:
        """Run code of a substream's protocol; what it raises costs that substream alone."""
        try:
            call()
        except Exception as fault:  # noqa: BLE001  # whatever foreign code raises
            self.failed(substream, fault)

    def failed(self, substream: Crashable, fault: Exception) -> None:
        """Code of a substream's protocol raised; call while it is handled."""
        self._log.failure("substream {channel} failed", channel=substream.channel)
        substream.crashed(fault)

    def behind(self, call: Callable[[], None]) -> None:
        """Call when what one read has brought has been handed on; at once if nothing is."""
        if self._behind is None:
            call()
        else:
            self._behind.append(call)

    # --- from the transport -----------------------------------------------------------

    def connectionMade(self) -> None:
        """The transport stands."""
        if ITCPTransport.providedBy(self.transport):
            self.transport.setTcpNoDelay(True)  # else each small frame waits for an ACK, 40 ms
            keep_queue_short(self.transport)
        self._wire.registerProducer(self, True)
        self._phase = Phase.OPEN
        self._listener.tunnelMade(self)
        self.flush()

    def handshakeCompleted(self) -> None:
        """TLS stands."""
        self._listener.tunnelSecured()

    def _peer_took(self) -> None:
        if self._keep_alive is not None:
            self._keep_alive.heard()

    def dataReceived(self, data: bytes) -> None:
        """Bytes came: tell those whom they concern, then send all their answers at once."""
        if not self._phase.alive:
            return
        self._peer_took()
        self.together(lambda: self._dispatch_all(data))

    def _dispatch_all(self, data: bytes) -> None:
        behind: list[Callable[[], None]] = []
        self._behind = behind
        try:
            # What comes in a row for one substream goes on as one: most of bulk does.
            for channel, events in groupby(self.core.receive(data), _data_channel):
                if channel != CONTROL_CHANNEL:
                    self._dispatch_data(channel, cast("list[DataReceived]", list(events)))
                    continue
                for event in cast("Iterable[Notice | Fault]", events):
                    if self._phase.alive:  # else the one before has cut the tunnel
                        self._dispatch(event)
        finally:
            self._behind = None
        for call in behind:
            call()

    def _dispatch_data(self, channel: int, run: list[DataReceived]) -> None:
        # A handler of an event before may have released the substream.
        substream = self._substreams.get(channel)
        if substream is not None and self._phase.alive:
            substream.deliver_data(run)

    def _dispatch(self, event: Notice | Fault) -> None:
        match event:
            case (
                StreamEnded(channel)
                | StreamFailed(channel)
                | CustomReceived(channel)
                | StreamReset(channel)
            ):
                # A handler of an event before this one may have released the substream.
                substream = self._substreams.get(channel)
                if substream is not None:
                    substream.deliver(event)
            case StreamOpened(channel, name):
                self._listener.substreamOpened(self._add(channel, name))
            case MessageReceived(value):
                self._listener.messageReceived(value)
            case GoAway(after_ms):
                self._listener.goAwayReceived(after_ms)
            case Ignored(channel, what):
                self._log.debug("ignored {what} on {channel}", what=what, channel=channel)
            case Fault(fault):
                self.abortConnection(fault)
            case _:
                assert_never(event)

    def _add(self, channel: int, name: str | None) -> Substream:
        substream = self._substreams[channel] = Substream(
            channel, name, SubstreamHandle(self.core, channel), self
        )
        return substream

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The transport is gone, and every substream with it."""
        why = self._why_lost(reason)
        self._phase = Phase.LOST
        if self._close_deadline is not None and self._close_deadline.active():
            self._close_deadline.cancel()
        if self._keep_alive is not None:
            self._keep_alive.stop()
        for substream in list(self._substreams.values()):
            substream.tunnel_lost(why)
        self._substreams.clear()
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

    def stop_reading(self) -> None:
        """They hold too much."""
        self._wire.pauseProducing()

    def resume_reading(self) -> None:
        """There is room again."""
        if self._phase.alive:
            self._wire.resumeProducing()

    def end_stall(self) -> None:
        """They have taken nothing for too long: end the one that holds most."""
        substream = max(self._substreams.values(), key=lambda each: each.held_bytes)
        self._log.warn("substream {channel} stalled the tunnel", channel=substream.channel)
        substream.end_stall()

    # --- for who watches over the peer -------------------------------------------------

    @property
    def is_deaf(self) -> bool:
        """The peer is not listened to: the substreams hold too much."""
        return self.held.stopped

    @property
    def progress(self) -> Progress | None:
        """How far the transport has come, if that can be known."""
        return progress_of(self.transport)

    def ask(self) -> None:
        """Is the peer still there?"""
        self.core.ping()
        self.flush()

    def give_up(self) -> None:
        """It is not."""
        self.abortConnection(SilentPeerError("the peer is silent, and answers nothing"))
