"""A substream as a Twisted transport, so that any protocol, TLS included, runs over it.

tunnel --> deliver --> Intake --> protocol --> write --> core: its lane --> tunnel
                       holds while paused                ^
                                       Feed: pauses the producer
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never, cast

from twisted.internet import error
from twisted.internet.interfaces import (
    IConsumer,
    IHalfCloseableProtocol,
    IProtocol,
    IPushProducer,
    ITCPTransport,
)
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from streamplex.errors import LocalError, SubstreamError, TunnelLostError
from streamplex.events import (
    CustomReceived,
    DataReceived,
    StreamEnded,
    StreamFailed,
    StreamReset,
)
from streamplex.handle import SubstreamHandle
from streamplex.messages import BytesLike
from streamplex.tx.flow import HELD_BY_WINDOW, MAX_HELD_EVENTS_BYTES, MAX_STALL_S
from streamplex.tx.intake import Delivery, Intake
from streamplex.tx.interfaces import ISubstreamProtocol, ITakesSequences, ITakesViews, Pump
from streamplex.tx.outgoing import Outgoing
from streamplex.tx.substream_states import READING, Closing, Reading, ReadingInput, Writing

_LOST = Reading.LOST

_GONE = Protocol()
"""Takes the place of a protocol after its connectionLost: otherwise protocol and substream would
refer to each other, and stay in memory until the garbage collector runs."""


@implementer(ITCPTransport, IPushProducer, IConsumer)
class Substream(Outgoing):  # type: ignore[override]  # there is no IP address here
    """One stream of a tunnel, as a transport of Twisted.

    Give it a protocol with `attach`. The substream is over when both sides have ended it; a
    protocol that provides ISubstreamProtocol calls `release` instead. Besides what a TCP transport
    can do, a substream sends events (`emit`), errors (`fail`) and, with flow control, a request to
    send no more (`reset`).

    `channel` is its number, `name` the name that its opener gave it. `stalled` is True if the
    tunnel ended it because its consumer took nothing for MAX_STALL_S. A protocol that provides
    ITakesSequences may set `takes_sequences` to False for a while: then it receives one piece of
    data at a time, and a pause takes effect right behind the piece.
    """

    __slots__ = (
        "_closing",
        "_intake",
        "_lost",
        "_peer_ended",
        "_reading",
        "_takes_views",
        "protocol",
        "stalled",
        "takes_sequences",
    )

    def __init__(self, channel: int, name: str | None, core: SubstreamHandle, pump: Pump) -> None:
        super().__init__(channel, name, core, pump)
        self.protocol: IProtocol | None = None
        self.stalled = False
        self._reading = Reading.WAITING
        self._closing = Closing.NO
        self._peer_ended = False  # its end has come here; the core may have read further
        self._takes_views = self.takes_sequences = False
        self._lost: Failure | None = None  # the reason given to connectionLost
        self._intake = Intake(HELD_BY_WINDOW if core.has_window else pump.held)

    # --- the protocol over it ---------------------------------------------------------

    def attach(self, protocol: IProtocol) -> None:
        """Give the substream its protocol, and the protocol everything received so far.

        This works at any time: if the substream is over already, the protocol receives what came
        and then its connectionLost. Raises LocalError if the substream has a protocol.
        """
        if self.protocol is not None:
            raise LocalError(f"substream {self.channel} has a protocol already")
        self.protocol = protocol
        self._takes_views = ITakesViews.providedBy(protocol)
        self.takes_sequences = ITakesSequences.providedBy(protocol)
        lost = self._lost
        self._reading = READING[self._reading][ReadingInput.ATTACH]
        self._intake.begin(
            lambda: self._guarded(lambda: protocol.makeConnection(self)), self._hand_on
        )
        if lost is not None:
            self._call_lost(lost)

    @property
    def _aware(self) -> bool:
        """Whether the protocol calls `release` itself."""
        return ISubstreamProtocol.providedBy(self.protocol) and self._reading is not Reading.LOST

    @property
    def peer_ended(self) -> bool:
        """Whether the peer sends no more data."""
        return self._peer_ended or self._writing is Writing.RELEASED

    @property
    def disconnecting(self) -> bool:
        """Whether this side has closed or aborted the substream."""
        return self._closing is not Closing.NO

    # --- from the tunnel --------------------------------------------------------------

    def deliver(self, event: Delivery) -> None:
        """Deliver an event to the protocol, now or when it can take it."""
        if isinstance(event, StreamEnded):
            self._peer_ended = True
        elif isinstance(event, CustomReceived) and self._is_flooded():
            self._end_for("ENOBUFS: too many events")
            return
        elif isinstance(event, StreamFailed | StreamReset):
            self._drop_held()
            if self._reading is not Reading.WAITING:
                self._hand_on(event)  # even while the consumer is paused: it can be aborted
                return
        self._intake.deliver(event, self._hand_on)

    def deliver_data(self, run: Sequence[DataReceived]) -> None:
        """Deliver data, in one piece or several."""
        if len(run) > 1 and self.takes_sequences and self._intake.is_through:
            self._hand_on_together([event.data for event in run])
            return
        for event in run:
            self._intake.deliver(event, self._hand_on)

    def _hand_on_together(self, pieces: Sequence[BytesLike]) -> None:
        if self._reading is Reading.OPEN and self.takes_sequences:
            try:
                cast("ITakesSequences", self.protocol).dataSequenceReceived(pieces)
            except Exception as fault:  # noqa: BLE001  # as below
                self._pump.failed(self, fault)
        if self._core.has_window:
            self._consumed(sum(map(len, pieces)))
        self._release_if_over()

    def _hand_on(self, event: Delivery) -> None:
        try:
            self._call_protocol(event)
        except Exception as fault:  # noqa: BLE001  # as in `_guarded`, without a closure per event
            self._pump.failed(self, fault)
        if self._core.has_window and isinstance(event, DataReceived):
            self._consumed(len(event.data))
        self._release_if_over()

    def _consumed(self, nbytes: int) -> None:
        if self._core.consumed(nbytes, self._pump.clock.seconds()):
            self._pump.flush()

    def _drop_held(self) -> None:
        # Dropped data counts as consumed: else the peer might lack the credit to send its end.
        if (nbytes := self._intake.drop()) and self._core.has_window:
            self._consumed(nbytes)

    def _is_flooded(self) -> bool:
        """Whether too many events come or wait; events need no credit."""
        if not self._core.has_window or not self._reading.wants_data:
            return False
        if self._intake.event_bytes > MAX_HELD_EVENTS_BYTES:
            return True
        return not self._core.count_event(self._pump.clock.seconds())

    def _call_protocol(self, event: Delivery) -> None:
        match event:
            case DataReceived():
                if self._reading is Reading.OPEN and self.protocol is not None:
                    # Some protocols accept views: a copy costs as much as the rest of the way.
                    self.protocol.dataReceived(
                        event.data if self._takes_views else bytes(event.data)  # type: ignore[arg-type]  # as it says
                    )
            case StreamEnded():
                self._call_end()
            case StreamFailed():
                self._call_failed(event.message)
            case CustomReceived():
                if ISubstreamProtocol.providedBy(self.protocol) and self._reading is not _LOST:
                    self.protocol.customReceived(event.name, event.args)
            case StreamReset():
                self._call_reset()
            case _:
                assert_never(event)

    def _call_end(self) -> None:
        if IHalfCloseableProtocol.providedBy(self.protocol):
            if self._reading is Reading.OPEN:
                self.protocol.readConnectionLost()
        elif not self._aware and not self.disconnecting:
            self._lose(Failure(error.ConnectionDone()))

    def _call_failed(self, message: str) -> None:
        if not ISubstreamProtocol.providedBy(self.protocol):
            self._lose(Failure(SubstreamError(message)))
        elif self._reading is not Reading.LOST:
            self.protocol.errorReceived(message)

    def _call_reset(self) -> None:
        if not ISubstreamProtocol.providedBy(self.protocol):
            self._lose(Failure(SubstreamError("the peer reads no more")))
        elif self._reading is not Reading.LOST:
            self.protocol.resetReceived()

    @property
    def held_bytes(self) -> int:
        """Bytes of memory that is held for its paused consumer."""
        return self._intake.nbytes

    @property
    def has_unread(self) -> bool:
        """Whether something was received that the consumer has not taken."""
        return bool(self._intake)

    # --- its end ----------------------------------------------------------------------

    def end_stall(self) -> None:
        """End it on both sides: its consumer has stopped the whole tunnel for too long."""
        self.stalled = True
        self._end_for(f"ETIMEDOUT: nothing was taken for {MAX_STALL_S:g} s, and the tunnel waited")

    def _end_for(self, why: str) -> None:
        self.fail(why)
        self._drop_held()
        self._discard()  # data still under way must not stall the tunnel again
        self.deliver(StreamFailed(self.channel, why))

    def tunnel_lost(self, reason: Failure) -> None:
        """The tunnel is lost: close the substream with TunnelLostError.

        Data that the peer had ended is complete: it is delivered, even to a paused consumer.
        """
        self._writing = Writing.RELEASED
        if self._peer_ended and self._reading is Reading.OPEN:
            self._intake.hand_over(self._hand_on)
        lost = TunnelLostError("the tunnel ended while the substream was open")
        lost.__cause__ = reason.value
        self._lose(Failure(lost))

    def crashed(self, fault: Exception) -> None:
        """Its protocol raised: end this substream, and only this one."""
        if self._reading is not Reading.LOST:
            self._core.abort("internal error")
            self._pump.flush()
            self._lose(Failure(fault))

    def release(self) -> None:
        """This side is done with the substream: free its number and its state.

        Sends `end` first if it was not sent. The protocol gets its connectionLost.
        """
        self._end()
        if self._writing is Writing.RELEASED:
            return
        self._writing = Writing.RELEASED
        self._core.release()
        self._pump.forget(self.channel)
        self._lose(self._why_closed())

    def _why_closed(self) -> Failure:
        aborted = self._closing is Closing.ABORTED
        return Failure(error.ConnectionAborted()) if aborted else connectionDone

    def _release_if_over(self) -> None:
        """Release it if both directions are over, unless the protocol does so itself.

        The peer's is over when nothing received waits any more, ours when our `end` has left.
        """
        if not (self._writing is Writing.SENT or self._reading is _LOST):
            return  # the usual case
        if self.peer_ended and not self._intake and not self._aware:
            self.release()

    def _lose(self, reason: Failure) -> None:
        """Call the protocol's connectionLost, once, and end this side if it was not ended."""
        if self._reading is Reading.LOST:
            return
        self._reading = READING[self._reading][ReadingInput.LOSE]
        self._lost = reason
        self._drop_held()
        self._intake.open(self._hand_on)
        self._guarded(self._stop_feed)
        self._end()
        self._release_if_over()
        self._call_lost(reason)

    def _call_lost(self, reason: Failure) -> None:
        protocol = self.protocol
        if protocol is not None:
            self._guarded(lambda: protocol.connectionLost(reason))
            self.protocol = _GONE

    def _own_end_sent(self) -> None:
        if self._reading in (Reading.DISCARDING, Reading.RESET) and not self._aware:
            self._lose(self._why_closed())
        elif self._reading is Reading.OPEN and IHalfCloseableProtocol.providedBy(self.protocol):
            self.protocol.writeConnectionLost()
        self._release_if_over()

    # --- ITransport, ITCPTransport ----------------------------------------------------

    def loseConnection(self) -> None:
        """Close as TCP does: queued data leaves, received data is dropped.

        connectionLost follows when everything has left. A protocol that provides
        ISubstreamProtocol still receives events, and its connectionLost from `release`.
        """
        if self._closing is Closing.NO:
            self._closing = Closing.CLOSED
        self._discard()
        if self._writing is Writing.SENT:
            self.later(self._own_end_sent)
        else:
            self.loseWriteConnection()

    def abortConnection(self) -> None:
        """Drop the queued data and report to the peer that this side failed."""
        if self._reading is Reading.LOST or self._closing is Closing.ABORTED:
            return
        self._closing = Closing.ABORTED
        self._discard()
        self._core.abort("aborted")
        self._pump.flush()
        self._end()
        self.later(self._aborted)

    @property
    def can_reset(self) -> bool:
        """Whether `reset` has an effect: with flow control, once, until the substream is over."""
        over = self._reading in (Reading.RESET, Reading.LOST) or self._writing is Writing.RELEASED
        return self._core.has_window and not over

    def reset(self) -> None:
        """Ask the peer to drop its queued data and to end; end this side, too.

        Does nothing unless it `can_reset`.
        """
        if not self.can_reset:
            return
        if self._closing is Closing.NO:
            self._closing = Closing.CLOSED
        self._discard(ReadingInput.RESET)
        self._core.reset()
        self._pump.flush()
        self._end()
        self.later(self._aborted)

    def _aborted(self) -> None:
        self._stop_feed()
        self._own_end_sent()

    def _discard(self, what: ReadingInput = ReadingInput.DISCARD) -> None:
        """Deliver no more data; the events among what waits still count."""
        wanted_data = self._reading.wants_data
        self._reading = READING[self._reading][what]
        if wanted_data:
            self._intake.open(self._hand_on)

    # --- IPushProducer: the consumer's side -------------------------------------------

    def pauseProducing(self) -> None:
        """Deliver nothing for now."""
        if self._reading is Reading.OPEN:
            self._intake.close()

    def resumeProducing(self) -> None:
        """Deliver what waits, and everything from now on."""
        if self._reading is Reading.OPEN:
            self._intake.open(self._hand_on)

    def stopProducing(self) -> None:
        """The consumer wants no more data; it still receives events."""
        self._discard()
