"""A substream as a Twisted transport, so that any protocol, TLS included, runs over it.

tunnel --> deliver --> Intake --> protocol --> write --> core: its lane --> tunnel
                       holds while paused                ^
                                       Feed: pauses the producer
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from enum import Enum, auto
from typing import TYPE_CHECKING, assert_never, cast

from twisted.internet import error
from twisted.internet.interfaces import (
    IConsumer,
    IHalfCloseableProtocol,
    IProducer,
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
from streamplex.jsontext import Json
from streamplex.messages import BytesLike
from streamplex.tx.addressed import Addressed, SubstreamAddress
from streamplex.tx.feed import Feed
from streamplex.tx.flow import HELD_BY_WINDOW, MAX_HELD_EVENTS_BYTES, MAX_STALL_S
from streamplex.tx.intake import Delivery, Intake
from streamplex.tx.interfaces import ISubstreamProtocol, ITakesSequences, ITakesViews

if TYPE_CHECKING:
    from streamplex.tx.protocol import TunnelProtocol


_GONE = Protocol()
"""In place of a protocol that was told that all is over: with it each would keep the other until a
collection, which takes its time."""


class _Phase(Enum):
    """How much of what comes the protocol still gets."""

    WAITING = auto()  # there is no protocol yet
    OPEN = auto()
    DISCARDING = auto()  # it wants no more data
    LOST = auto()  # it has had its connectionLost


@implementer(ITCPTransport, IPushProducer, IConsumer)
class Substream(Addressed):  # type: ignore[override]  # there is no IP address here
    """One stream of a tunnel.

    `stalled` tells why it failed: its consumer took nothing for too long. A protocol that
    ITakesSequences may turn `takes_sequences` off for a while, so that a pause comes into effect
    behind the piece for which it asked.
    """

    __slots__ = (
        "_aborted",
        "_end_queued",
        "_end_sent",
        "_end_wanted",
        "_feed",
        "_has_window",
        "_intake",
        "_lost",
        "_peer_ended",
        "_phase",
        "_pump",
        "_released",
        "_reset_sent",
        "_takes_views",
        "channel",
        "disconnecting",
        "name",
        "protocol",
        "stalled",
        "takes_sequences",
    )

    def __init__(self, channel: int, name: str | None, pump: TunnelProtocol) -> None:
        super().__init__(SubstreamAddress(channel, name))
        self.channel = channel
        self.name = name
        self.protocol: IProtocol | None = None
        self.disconnecting = False
        self.stalled = False
        self._pump = pump
        self._phase = _Phase.WAITING
        self._released = False
        self._peer_ended = False  # told to us: the core may have read ahead
        self._end_wanted = False  # as soon as the producer is done
        self._end_queued = False  # behind all data
        self._end_sent = False  # it has left, all data before it
        self._aborted = False  # by this side
        self._takes_views = self.takes_sequences = False
        self._lost: Failure | None = None  # what connectionLost is told
        self._has_window = channel in pump.core.flow
        self._reset_sent = False
        self._intake = Intake(HELD_BY_WINDOW if self._has_window else pump.held)
        self._feed: Feed | None = None  # while something produces

    # --- the protocol over it ---------------------------------------------------------

    def attach(self, protocol: IProtocol) -> None:
        """Give the substream its protocol, and that what has been held for it.

        However late it comes, it is told all: of a substream that is over already as well.
        """
        if self.protocol is not None:
            raise LocalError(f"substream {self.channel} has a protocol already")
        self.protocol = protocol
        self._takes_views = ITakesViews.providedBy(protocol)
        self.takes_sequences = ITakesSequences.providedBy(protocol)
        lost = self._lost
        if self._phase is _Phase.WAITING:
            self._phase = _Phase.OPEN
        self._intake.begin(
            lambda: self._guarded(lambda: protocol.makeConnection(self)), self._hand_on
        )
        if lost is not None:
            self._tell_lost(lost)

    @property
    def _aware(self) -> bool:
        """Does the protocol say when the substream is over?"""
        return ISubstreamProtocol.providedBy(self.protocol) and self._phase is not _Phase.LOST

    @property
    def peer_ended(self) -> bool:
        """The peer has said that it will send no more data, or never will."""
        return self._released or self._peer_ended

    @property
    def _local_ended(self) -> bool:
        return self._released or self._end_queued

    def _guarded(self, call: Callable[[], None]) -> None:
        self._pump.call_guarded(self, call)

    def later(self, call: Callable[[], None]) -> None:
        """Call in a turn of its own, as Twisted's transports do: never inside a call to us."""
        self._pump.clock.callLater(0, self._guarded, call)

    # --- from the tunnel --------------------------------------------------------------

    def deliver(self, event: Delivery) -> None:
        """Something came for this substream."""
        if isinstance(event, StreamEnded):
            self._peer_ended = True
        elif isinstance(event, CustomReceived) and self._is_flooded():
            self._end_for("ENOBUFS: too many events")
            return
        elif isinstance(event, StreamFailed | StreamReset):
            self._drop_held()
            if self._phase is not _Phase.WAITING:
                self._hand_on(event)  # however long the consumer pauses, it can be aborted
                return
        self._intake.deliver(event, self._hand_on)

    def deliver_data(self, run: Sequence[DataReceived]) -> None:
        """Data came for this substream, in one piece or several."""
        if len(run) > 1 and self.takes_sequences and self._intake.is_through:
            self._hand_on_together([event.data for event in run])
            return
        for event in run:
            self._intake.deliver(event, self._hand_on)

    def _hand_on_together(self, pieces: Sequence[BytesLike]) -> None:
        if self._phase is _Phase.OPEN and self.takes_sequences:
            try:
                cast("ITakesSequences", self.protocol).dataSequenceReceived(pieces)
            except Exception as fault:  # noqa: BLE001  # as below
                self._pump.failed(self, fault)
        if self._has_window:
            self._consumed(sum(map(len, pieces)))
        self._release_if_over()

    def _hand_on(self, event: Delivery) -> None:
        try:
            self._tell(event)
        except Exception as fault:  # noqa: BLE001  # as in `_guarded`, for each event that comes
            self._pump.failed(self, fault)
        if self._has_window and isinstance(event, DataReceived):
            self._consumed(len(event.data))
        self._release_if_over()

    def _consumed(self, nbytes: int) -> None:
        now = self._pump.clock.seconds()
        if self._pump.core.flow.consumed(self.channel, nbytes, now):
            self._pump.flush()

    def _drop_held(self) -> None:
        # It counts as taken: else the peer might never get the credit to come to its end.
        self._consumed(self._intake.drop())

    def _is_flooded(self) -> bool:
        """Events take no credit: do more come, or wait, than may?"""
        if not self._has_window or self._phase not in (_Phase.WAITING, _Phase.OPEN):
            return False
        if self._intake.event_bytes > MAX_HELD_EVENTS_BYTES:
            return True
        now = self._pump.clock.seconds()
        return not self._pump.core.flow.count_event(self.channel, now)

    def _tell(self, event: Delivery) -> None:
        match event:
            case DataReceived():
                if self._phase is _Phase.OPEN and self.protocol is not None:
                    # A view to who takes it: a copy costs as much as the rest of the way here.
                    self.protocol.dataReceived(
                        event.data if self._takes_views else bytes(event.data)  # type: ignore[arg-type]  # as it says
                    )
            case StreamEnded():
                self._tell_end()
            case StreamFailed():
                self._tell_failed(event.message)
            case CustomReceived():
                if ISubstreamProtocol.providedBy(self.protocol) and self._phase is not _Phase.LOST:
                    self.protocol.customReceived(event.name, event.args)
            case StreamReset():
                self._tell_reset()
            case _:
                assert_never(event)

    def _tell_end(self) -> None:
        if IHalfCloseableProtocol.providedBy(self.protocol):
            if self._phase is _Phase.OPEN:
                self.protocol.readConnectionLost()
        elif not self._aware and not self.disconnecting:
            self._lose(Failure(error.ConnectionDone()))

    def _tell_failed(self, message: str) -> None:
        if not ISubstreamProtocol.providedBy(self.protocol):
            self._lose(Failure(SubstreamError(message)))
        elif self._phase is not _Phase.LOST:
            self.protocol.errorReceived(message)

    def _tell_reset(self) -> None:
        if not ISubstreamProtocol.providedBy(self.protocol):
            self._lose(Failure(SubstreamError("the peer reads no more")))
        elif self._phase is not _Phase.LOST:
            self.protocol.resetReceived()

    def served(self) -> None:
        """Some of what was queued has left."""
        if self._feed is not None:
            self._guarded(self._feed.sent)
        if self._local_ended and not self.waiting_bytes() and not self._end_sent:
            self._end_sent = True
            self.later(self._tell_written)

    def _tell_written(self) -> None:
        if self._phase is _Phase.DISCARDING and not self._aware:
            self._lose(self._why_closed())
        elif self._phase is _Phase.OPEN and IHalfCloseableProtocol.providedBy(self.protocol):
            self.protocol.writeConnectionLost()
        self._release_if_over()

    def waiting_bytes(self) -> int:
        return self._pump.core.waiting_bytes(self.channel)

    @property
    def held_bytes(self) -> int:
        """What is held for its consumer."""
        return self._intake.nbytes

    def end_stall(self) -> None:
        """Its consumer has held up the whole tunnel for too long: end it, on both sides."""
        self.stalled = True
        self._end_for(f"ETIMEDOUT: nothing was taken for {MAX_STALL_S:g} s, and the tunnel waited")

    def _end_for(self, why: str) -> None:
        """End it, on both sides."""
        self.fail(why)
        self._drop_held()
        self._discard()  # what is still on its way must not stall it again
        self.deliver(StreamFailed(self.channel, why))

    def tunnel_lost(self, reason: Failure) -> None:
        """The tunnel is gone: what came may be cut, however cleanly the tunnel ended.

        What the peer had ended is whole; it is handed on, though its consumer is paused.
        """
        self._released = True
        if self._peer_ended and self._phase is _Phase.OPEN:
            self._intake.hand_over(self._hand_on)
        lost = TunnelLostError("the tunnel ended while the substream was open")
        lost.__cause__ = reason.value
        self._lose(Failure(lost))

    def crashed(self, fault: Exception) -> None:
        """Its protocol raised: end this substream, and only this one."""
        if self._phase is not _Phase.LOST:
            self._pump.core.abort(self.channel, "internal error")
            self._pump.flush()
            self._lose(Failure(fault))

    # --- its end ----------------------------------------------------------------------

    def together(self, call: Callable[[], None]) -> None:
        """What the call says leaves behind it, as one: a packet, and less work than several."""
        self._pump.together(call)

    def behind(self, call: Callable[[], None]) -> None:
        """Call when all that has come with the same bytes has been handed on, or else at once."""
        self._pump.behind(lambda: self._guarded(call))

    def release(self) -> None:
        """This side is done with the substream: its number and record are freed."""
        self._end()
        if self._released:
            return
        self._released = True
        self._pump.core.release(self.channel)
        self._pump.forget(self.channel)
        self._lose(self._why_closed())

    def _why_closed(self) -> Failure:
        return Failure(error.ConnectionAborted()) if self._aborted else connectionDone

    def _release_if_over(self) -> None:
        """A protocol that is not aware of substreams is done when both directions are.

        The peer's is when nothing that came waits any more, ours when our `end` has left.
        """
        ended = self._end_sent or self._phase is _Phase.LOST
        if ended and self.peer_ended and not self._intake and not self._aware:
            self.release()

    def _end(self) -> None:
        self._end_wanted = True
        if not self._local_ended:
            self._end_queued = True
            self._pump.core.end(self.channel)
            self._pump.flush()

    def _lose(self, reason: Failure) -> None:
        """Tell the protocol that it is over, once; end what it had not ended."""
        if self._phase is _Phase.LOST:
            return
        self._phase = _Phase.LOST
        self._lost = reason
        self._drop_held()
        self._intake.open(self._hand_on)
        self._guarded(self._stop_feed)
        self._end()
        self._release_if_over()
        self._tell_lost(reason)

    def _tell_lost(self, reason: Failure) -> None:
        protocol = self.protocol
        if protocol is not None:
            self._guarded(lambda: protocol.connectionLost(reason))
            self.protocol = _GONE

    def _discard(self) -> None:
        """Hand on no more data; the events among what waits still count."""
        if self._phase in (_Phase.WAITING, _Phase.OPEN):
            self._phase = _Phase.DISCARDING
            self._intake.open(self._hand_on)

    # --- ITransport, ITCPTransport ----------------------------------------------------

    def write(self, data: BytesLike) -> None:
        """Queue bytes of any number; after the end they are passed over, as by TCP.

        Those of a view may change after the call.
        """
        if self._local_ended or not data:
            return
        self._pump.core.send(self.channel, data)
        self._pump.flush()
        if isinstance(data, memoryview):
            self._pump.core.keep(self.channel)
        if self._feed is not None:
            self._feed.written()

    def writeSequence(self, data: Iterable[bytes]) -> None:
        """Queue pieces as one."""
        self.write(b"".join(data))

    def loseWriteConnection(self) -> None:
        """Half close: `end` behind the data, when a registered producer is done."""
        self._end_wanted = True
        if self._feed is None:
            self._end()

    def loseConnection(self) -> None:
        """Close as TCP does: what is queued leaves, what comes is not handed on.

        connectionLost follows when all has left. A protocol that is aware of substreams goes
        on getting events, and its connectionLost from `release`.
        """
        self.disconnecting = True
        self._discard()
        if self._end_sent:
            self.later(self._tell_written)
        else:
            self.loseWriteConnection()

    def abortConnection(self) -> None:
        """Drop what is queued and tell the peer that this end failed."""
        if self._phase is _Phase.LOST or self._aborted:
            return
        self.disconnecting = True
        self._aborted = True
        self._discard()
        self._pump.core.abort(self.channel, "aborted")
        self._pump.flush()
        self._end()
        self.later(self._tell_aborted)

    def _tell_aborted(self) -> None:
        self._stop_feed()
        self._tell_written()

    # --- what TCP does not have -------------------------------------------------------

    def emit(self, name: str, *args: Json) -> None:
        """Send an event of the layer above, behind the data written before it."""
        if not self._released:
            self._pump.core.emit(self.channel, name, *args)
            self._pump.flush()

    def fail(self, message: str) -> None:
        """Tell the peer that this end failed; it changes nothing else."""
        if not self._released:
            self._pump.core.fail(self.channel, message)
            self._pump.flush()

    @property
    def is_promised(self) -> bool:
        """Could it be promised its first window? If not, whoever is told of it is to refuse it."""
        return self._pump.core.flow.is_promised(self.channel)

    @property
    def can_reset(self) -> bool:
        """Is there flow control, and with it a word for reading no more?"""
        return self._has_window and not self._released and not self._reset_sent

    def reset(self) -> None:
        """Read no more: the peer drops what it has queued and ends, and so does this side.

        Only where it `can_reset`; else it does nothing.
        """
        if not self.can_reset:
            return
        self._reset_sent = self.disconnecting = True
        self._discard()
        self._pump.core.reset(self.channel)
        self._pump.flush()
        self._end()
        self.later(self._tell_aborted)

    @property
    def has_unread(self) -> bool:
        """Something came that its consumer has not taken."""
        return bool(self._intake)

    # --- IConsumer: who writes here ---------------------------------------------------

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        """Ask this producer for a pause whenever enough is queued."""
        if self._local_ended:
            producer.stopProducing()
        elif self._feed is not None:
            raise LocalError(f"substream {self.channel} has a producer already")
        else:
            self._feed = Feed(self, producer, streaming)
            self._feed.begin()

    def unregisterProducer(self) -> None:
        """The producer is done."""
        if self._feed is not None:
            self._feed.forget()
            self._feed = None
        if self._end_wanted:
            self._end()

    def _stop_feed(self) -> None:
        feed, self._feed = self._feed, None
        if feed is not None:
            feed.stop()

    # --- IPushProducer: what it is to whoever reads here -------------------------------

    def pauseProducing(self) -> None:
        """Hand on nothing for now."""
        if self._phase is _Phase.OPEN:
            self._intake.close()

    def resumeProducing(self) -> None:
        """Hand on what waits, and all that comes."""
        if self._phase is _Phase.OPEN:
            self._intake.open(self._hand_on)

    def stopProducing(self) -> None:
        """The consumer wants no more data; events still come."""
        self._discard()
