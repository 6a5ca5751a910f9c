"""The sending half of a substream: sends data, events, errors and the end of the data."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable

from twisted.internet.interfaces import IProducer

from streamplex.errors import LocalError
from streamplex.jsontext import Json
from streamplex.messages import BytesLike
from streamplex.spaced import SpacedData
from streamplex.stream import Stream
from streamplex.tx.addressed import Addressed
from streamplex.tx.feed import Feed
from streamplex.tx.interfaces import Pump
from streamplex.tx.substream_states import WRITING, Writing, WritingInput


class Outgoing(Addressed, ABC):
    """The sending half of a substream. `Incoming` adds receiving, `Substream` closing.

    `Substream` sets the attributes of all three, in one call for each substream. `served` does
    something only while `awaits_room` is True.
    """

    __slots__ = ("_feed", "_pump", "_stream", "_writing", "awaits_room")

    _stream: Stream  # the substream in the core
    _pump: Pump
    _writing: Writing
    _feed: Feed | None  # while a producer is registered
    awaits_room: bool  # it has ended its data, or has or had a producer

    @abstractmethod
    def crashed(self, fault: Exception) -> None:
        """End the substream, because its protocol raised `fault`."""

    def _guarded(self, call: Callable[[], None]) -> None:
        self._pump.call_guarded(self, call)

    def later(self, call: Callable[[], None]) -> None:
        """Make the call in a later turn of the reactor, as Twisted's transports do."""
        self._pump.clock.callLater(0, self._guarded, call)

    def _flush(self) -> None:
        if not self._pump.is_flushing:
            self._pump.flush()

    @property
    def waiting_bytes(self) -> int:
        """Number of queued bytes that are not sent yet."""
        return self._stream.nbytes

    def write(self, data: BytesLike | SpacedData) -> int:
        """Send data of any size; return how many bytes wait now because they cannot be sent yet.

        Data written after this side's end is ignored, as TCP ignores it. The bytes of a memoryview
        are copied if they cannot be sent now: they may change after the call.
        """
        if self._writing.is_over or not data:
            return 0
        if isinstance(data, SpacedData):
            if self._pump.takes_now(len(data)) and self._stream.spend(len(data)):
                self._pump.write_frames(data.framed(self.channel))
                return 0
            for part in data.parts():
                self._stream.send(part)
        else:
            self._stream.send(data)
        if not self._pump.is_flushing:
            self._pump.flush()
        if waiting := self._stream.nbytes:
            if not isinstance(data, bytes):
                self._stream.keep()
            if self._feed is not None:
                self._feed.written(waiting)
        return waiting

    def writeSequence(self, data: Iterable[bytes]) -> None:
        """Send several pieces of data as one."""
        self.write(b"".join(data))

    def emit(self, name: str, *args: Json) -> None:
        """Send an event that the application defines, after all data written before it.

        Does nothing if the substream is released.
        """
        if not self._writing.is_released:
            self._stream.emit(name, *args)
            if not self._pump.is_flushing:
                self._pump.flush()

    def fail(self, message: str) -> None:
        """Report to the peer that this side of the substream failed. Closes nothing.

        Does nothing if the substream is released.
        """
        if not self._writing.is_released:
            self._stream.fail(message)
            self._flush()

    @property
    def is_promised(self) -> bool:
        """Whether the tunnel had room for the first window of this substream.

        If it had not, the server has to refuse the substream. True without flow control.
        """
        window = self._stream.window
        return window is None or window.promised

    def together(self, call: Callable[[], None]) -> None:
        """Make the call, and then send everything that it queued in one piece, which costs less."""
        self._pump.together(call)

    def behind(self, call: Callable[[], None]) -> None:
        """Make the call after everything received in the current read has been delivered.

        Outside a read, the call is made at once.
        """
        self._pump.behind(self, call)

    # --- its end ----------------------------------------------------------------------

    def loseWriteConnection(self) -> None:
        """Half close: send `end` behind the queued data.

        If a producer is registered, `end` is queued when the producer unregisters.
        """
        if self._feed is None:
            self._end()
        else:
            self._writing = WRITING[self._writing][WritingInput.ASK]

    def _end(self) -> None:
        """Queue `end`, unless it was queued."""
        if not self._writing.is_over:
            self._writing = WRITING[self._writing][WritingInput.END]
            self.awaits_room = True
            self._stream.end()
            self._flush()

    def served(self) -> None:
        """Called when queued data was sent: resumes the producer, and detects that `end` left."""
        if self._feed is not None and self._feed.wants_room:
            self._guarded(self._feed.sent)
        if self._writing is Writing.ENDED and not self._stream.nbytes:
            self._writing = WRITING[self._writing][WritingInput.SENT]
            self.later(self._own_end_sent)

    @abstractmethod
    def _own_end_sent(self) -> None:
        """Everything has left, with this side's end as the last."""

    # --- IConsumer: the producer that writes here -------------------------------------

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        """Pause and resume `producer` by the number of queued bytes. `streaming`: a push producer.

        After this side's end the producer is stopped at once. Raises LocalError if a producer is
        registered.
        """
        if self._writing.is_over:
            producer.stopProducing()
        elif self._feed is not None:
            raise LocalError(f"substream {self.channel} has a producer already")
        else:
            self._feed = Feed(self, producer, streaming)
            self.awaits_room = True
            if waiting := self._stream.nbytes:
                self._feed.written(waiting)

    def unregisterProducer(self) -> None:
        """Stop pacing the producer, because it will write no more.

        Sends an `end` that waited for it.
        """
        if self._feed is not None:
            self._feed.forget()
            self._feed = None
        if self._writing is Writing.ENDING:
            self._end()

    def _stop_feed(self) -> None:
        feed, self._feed = self._feed, None
        if feed is not None:
            feed.stop()
