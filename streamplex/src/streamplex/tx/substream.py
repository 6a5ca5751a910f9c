"""A substream as a Twisted transport, so that any protocol, TLS included, runs over it.

tunnel --> deliver --> Intake --> protocol --> write --> core: its lane --> tunnel
                       holds while paused                ^
                                       Feed: pauses the producer
"""

from __future__ import annotations

from twisted.internet import error
from twisted.internet.interfaces import (
    IConsumer,
    IHalfCloseableProtocol,
    IPushProducer,
    ITCPTransport,
)
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from streamplex.errors import TunnelLostError
from streamplex.events import StreamFailed
from streamplex.stream import Stream
from streamplex.tx.flow import HELD_BY_WINDOW, MAX_STALL_S
from streamplex.tx.incoming import Incoming
from streamplex.tx.intake import Intake
from streamplex.tx.interfaces import Pump
from streamplex.tx.substream_states import READING, Closing, Reading, ReadingInput, Writing


@implementer(ITCPTransport, IPushProducer, IConsumer)
class Substream(Incoming):  # type: ignore[override]  # there is no IP address here
    """One stream of a tunnel, as a transport of Twisted.

    Call `attach` to connect a protocol to it. The substream is over when both sides have ended it;
    a protocol that provides ISubstreamProtocol calls `release` instead. In addition to the
    functions of a TCP transport, a substream sends events (`emit`), errors (`fail`) and, with flow
    control, a request to send no more (`reset`).

    `channel` is its number, `name` the name that its opener gave it. `stalled` is True if the
    tunnel ended it because its consumer took nothing for MAX_STALL_S. A protocol that provides
    ITakesSequences may set `takes_sequences` to False for a while: then it receives one piece of
    data at a time, and a pause takes effect right behind the piece.
    """

    __slots__ = ("_closing", "stalled")

    def __init__(self, stream: Stream, name: str | None, pump: Pump) -> None:
        self.channel = stream.channel
        self.name = name
        self.stalled = False
        self.protocol = None
        self._stream = stream
        self._pump = pump
        self._writing = Writing.OPEN
        self._feed = None
        self.awaits_room = False
        self._reading = Reading.WAITING
        self._peer_ended = False
        self._is_aware = self._takes_views = self.takes_sequences = False
        self._lost = None
        self._intake = Intake(pump.held if stream.window is None else HELD_BY_WINDOW)
        self._closing = Closing.NO

    @property
    def disconnecting(self) -> bool:
        """Whether this side has closed or aborted the substream."""
        return self._closing is not Closing.NO

    # --- its end ----------------------------------------------------------------------

    def end_stall(self) -> None:
        """End the substream on both sides, because its consumer has stopped the tunnel too long.

        Sets `stalled`. The protocol and the peer receive an error with the code ETIMEDOUT.
        """
        self.stalled = True
        self._end_for(f"ETIMEDOUT: no data was taken for {MAX_STALL_S:g} s; the tunnel waited")

    def _end_for(self, why: str) -> None:
        self.fail(why)
        self._drop_held()
        self._discard()  # data still under way must not stall the tunnel again
        self.deliver(StreamFailed(self.channel, why))

    def tunnel_lost(self, reason: Failure) -> None:
        """Close the substream with TunnelLostError, because the tunnel was lost for `reason`.

        If the peer had ended its data, the data is complete: it is delivered, even to a paused
        consumer.
        """
        self._writing = Writing.RELEASED
        if self._peer_ended and self._reading.is_open:
            self._intake.hand_over(self._hand_on)
        lost = TunnelLostError("the tunnel ended while the substream was open")
        lost.__cause__ = reason.value
        self._lose(Failure(lost))

    def crashed(self, fault: Exception) -> None:
        """End this substream, and no other, because its protocol raised `fault`.

        The peer receives an error, the protocol its connectionLost.
        """
        if not self._reading.is_lost:
            self._stream.abort("internal error")
            self._flush()
            self._lose(Failure(fault))

    def release(self) -> None:
        """Free the channel number and the state of the substream. It must not be used any more.

        Sends `end` first if it was not sent. Calls the protocol's connectionLost.
        """
        self._end()
        if self._writing.is_released:
            return
        self._release()

    def close_with(self, name: str) -> None:
        """Send `end`, if it was not sent, and the event `name` behind it; then `release`.

        Does not wait for a registered producer. This is one call because every substream needs it.
        """
        if self._writing.is_released:
            return
        if self._writing.is_over:
            self._stream.emit(name)
        else:
            self._stream.end_with(name)
        self._release()

    def _release(self) -> None:
        self._writing = Writing.RELEASED
        if not self._pump.is_flushing:
            self._pump.flush()
        self._pump.release(self.channel)
        # Aborted or not is asked here, too: each substream ends this way, mostly not aborted.
        self._lose(connectionDone if self._closing is not Closing.ABORTED else self._why_closed())

    def _why_closed(self) -> Failure:
        aborted = self._closing is Closing.ABORTED
        return Failure(error.ConnectionAborted()) if aborted else connectionDone

    def _release_if_over(self) -> None:
        """Release it if both directions are over, unless the protocol does so itself.

        The peer's is over when nothing received waits any more, ours when our `end` has left.
        """
        if not (self._writing.is_sent or self._reading.is_lost):
            return  # the usual case
        if self.peer_ended and not self._intake.waiting and not self._releases_later:
            self.release()

    def _lose(self, reason: Failure) -> None:
        """Call the protocol's connectionLost, once, and end this side if it was not ended."""
        if self._reading.is_lost:
            return
        self._reading = READING[self._reading][ReadingInput.LOSE]
        self._lost = reason
        if self._intake.waiting:
            self._drop_held()
        if self._feed is not None:
            self._guarded(self._stop_feed)
        if not self._writing.is_released:
            self._intake.open(self._hand_on)
            self._end()
            self._release_if_over()
        self._call_lost(reason)

    def _own_end_sent(self) -> None:
        if self._reading in (Reading.DISCARDING, Reading.RESET) and not self._releases_later:
            self._lose(self._why_closed())
        elif self._reading.is_open and IHalfCloseableProtocol.providedBy(self.protocol):
            self.protocol.writeConnectionLost()
        self._release_if_over()

    # --- ITransport, ITCPTransport ----------------------------------------------------

    def loseConnection(self) -> None:
        """Close as TCP does: queued data is still sent, received data is dropped.

        connectionLost follows when everything was sent. A protocol that provides ISubstreamProtocol
        still receives events; its connectionLost is called by `release`.
        """
        if self._closing is Closing.NO:
            self._closing = Closing.CLOSED
        self._discard()
        if self._writing.is_sent:
            self.later(self._own_end_sent)
        else:
            self.loseWriteConnection()

    def abortConnection(self) -> None:
        """Drop the queued data, report to the peer that this side failed, and end the substream."""
        if self._reading.is_lost or self._closing is Closing.ABORTED:
            return
        self._closing = Closing.ABORTED
        self._discard()
        self._stream.abort("aborted")
        self._flush()
        self._end()
        self.later(self._aborted)

    @property
    def can_reset(self) -> bool:
        """Whether `reset` has an effect.

        It has with flow control, once, and only until the substream is over.
        """
        over = self._reading in (Reading.RESET, Reading.LOST) or self._writing.is_released
        return self._stream.window is not None and not over

    def reset(self) -> None:
        """Ask the peer to drop its queued data and to end the substream. Ends this side, too.

        Does nothing unless `can_reset` is True.
        """
        if not self.can_reset:
            return
        if self._closing is Closing.NO:
            self._closing = Closing.CLOSED
        self._discard(ReadingInput.RESET)
        self._stream.reset()
        self._flush()
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

    # --- IPushProducer ---------------------------------------------------------------

    def stopProducing(self) -> None:
        """Deliver no more data to the protocol. It still receives events."""
        self._discard()
