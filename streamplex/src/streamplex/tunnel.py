"""One side of a tunnel: bytes in, events out; queued bytes wait until they are taken.

    receive(bytes) -> [Event]                       open / send / end / fail / emit / message
           |                                                        |
      FrameReader -> messages -> events -> states              Scheduler -> take(max_bytes)

No I/O, no clock, no callbacks, no logging: the owner of the tunnel moves the bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import assert_never

from streamplex import encoding, features
from streamplex.channels import Side
from streamplex.credit import FIRST_WINDOW_BYTES, Windows, add_credit
from streamplex.decoding import decode_body
from streamplex.errors import LocalError, RemoteError
from streamplex.events import (
    MAX_AFTER_MS,
    CreditGranted,
    CustomReceived,
    DataReceived,
    Event,
    Fault,
    GoAway,
    Ignored,
    MessageReceived,
    Ping,
    Pong,
    Reported,
    StreamEnded,
    StreamFailed,
    StreamOpened,
    StreamReset,
)
from streamplex.features import NO_FEATURES, features_of
from streamplex.frames import FrameReader
from streamplex.jsontext import Json
from streamplex.limits import DEFAULT_LIMITS, PeerLimits, left_to_say, require_answers_read
from streamplex.messages import CONTROL_CHANNEL, DATA, HEADER_BYTES, BytesLike
from streamplex.schedule import Batch, Scheduler
from streamplex.states import TRANSITIONS, Input
from streamplex.stream import Stream
from streamplex.substreams import Substreams


class TunnelCore:
    """One side of a tunnel: the state of the protocol, without I/O.

    `receive` accepts bytes from the peer and returns events. Methods such as `open`, `send` and
    `end` queue frames; `take` returns the queued frames as bytes. `scheduler` is True while `take`
    would return anything. `stream` returns one substream, for code that owns that one alone.
    `leaving` are the substreams that were released and still have queued data.
    """

    __slots__ = (
        "_failed",
        "_features",
        "_limits",
        "_may_say",
        "_open",
        "_pings",
        "_reader",
        "_side",
        "_substreams",
        "leaving",
        "scheduler",
    )

    def __init__(self, side: Side, limits: PeerLimits | None = None) -> None:
        self.scheduler = Scheduler()
        self._substreams = Substreams(side, self.scheduler)
        self._open = self._substreams.open  # looked up for each message
        self.leaving: Mapping[int, Stream] = self._substreams.leaving
        self._side = side
        self._features = NO_FEATURES
        self._limits = limits or DEFAULT_LIMITS
        self._may_say: int | None = None  # bytes, without authentication; None: no limit
        self._reader = FrameReader()
        self._failed = False
        self._pings = 0  # sent; the number of the last one

    def receive(self, data: BytesLike) -> list[Event]:
        """Return the events in bytes that the peer sent. Raises LocalError after a Fault.

        If the peer breaks the protocol, the last event is a Fault; the events before it are valid.
        """
        if self._failed:
            raise LocalError("bytes for a tunnel that has failed")
        said: list[Event] = []
        try:
            if self.scheduler.frame_bytes:
                require_answers_read(self.scheduler.frame_bytes, self._limits)
            if self._may_say is not None:
                self._may_say = left_to_say(self._may_say, len(data))
            for body in self._reader.feed(data):
                # Most messages are data of an open substream: no object for the message itself.
                if len(body) > HEADER_BYTES and body[2] == DATA:
                    stream = self._open.get(body[0] << 8 | body[1])
                    if stream is not None and not stream.state.remote_ended:
                        payload = body[HEADER_BYTES:]
                        if stream.window is not None:
                            stream.window.receive(len(payload))
                        said.append(DataReceived(stream.channel, payload))
                        continue
                if (meaning := self._hear(body)) is not None:
                    said.append(meaning)
        except RemoteError as error:
            self._failed = True
            said.append(Fault(error))
        return said

    def _hear(self, body: memoryview) -> Reported | None:
        """Apply the message in a frame body; None if the owner need not know of it."""
        meaning = decode_body(body, self._features.understood)
        match meaning:
            case CustomReceived() | StreamFailed():
                is_open = meaning.channel in self._open or self._find(meaning.channel) is not None
                return meaning if is_open else None
            case StreamEnded():
                return meaning if self._peer_did(meaning.channel, Input.REMOTE_END) else None
            case StreamOpened():
                self._substreams.add_peers(meaning.channel)
                return meaning
            case DataReceived():
                return self._hear_data(meaning)
            case CreditGranted():
                self._granted(meaning.channel, meaning.nbytes)
                return None
            case StreamReset():
                return self._hear_reset(meaning)
            case _:
                return self._hear_rare(meaning)

    def _hear_rare(
        self, meaning: Ignored | Ping | Pong | MessageReceived | GoAway
    ) -> Reported | None:
        match meaning:
            case Ignored():
                is_control = meaning.channel == CONTROL_CHANNEL
                return meaning if is_control or self._find(meaning.channel) else None
            case Ping():
                self.scheduler.owe_pong(encoding.pong(meaning.id))
                return None
            case Pong():
                return None  # receiving it was its purpose
            case MessageReceived() | GoAway():
                return meaning
            case _:
                assert_never(meaning)

    def _find(self, channel: int) -> Stream | None:
        """Return an open substream; None if this side has released it.

        Raises RemoteError if the substream was never opened.
        """
        stream = self._open.get(channel)
        if stream is None:
            self._substreams.require_opened(channel)
        return stream

    def _peer_did(self, channel: int, what: Input) -> Stream | None:
        """Change the state of a substream by the peer's data or end; None if it is released."""
        stream = self._open.get(channel) or self._find(channel)
        if stream is None:
            return None
        state = TRANSITIONS[stream.state].get(what)
        if state is None:
            did = "a second end" if what is Input.REMOTE_END else "data after the end"
            raise RemoteError(f"{did} on substream {channel}")
        stream.state = state
        if what is Input.REMOTE_END and stream.window is not None:
            stream.window.end()
        return stream

    def _hear_data(self, meaning: DataReceived) -> DataReceived | None:
        stream = self._peer_did(meaning.channel, Input.RECEIVE)
        if stream is not None and stream.window is not None:
            stream.window.receive(len(meaning.data))
        return meaning if stream is not None and meaning.data else None

    def _granted(self, channel: int, nbytes: int) -> None:
        # The queued data of a released substream still needs credit.
        stream = self._find(channel) or self.leaving.get(channel)
        if stream is not None and stream.credit is not None:
            self.scheduler.grant(stream, add_credit(stream.credit, nbytes))

    def _hear_reset(self, meaning: StreamReset) -> StreamReset | None:
        stream = self._find(meaning.channel)
        if stream is None:
            if leaving := self.leaving.get(meaning.channel):
                self.scheduler.drop_payload(leaving)
                self._substreams.let_go(leaving)
            return None
        self.scheduler.drop_payload(stream)
        is_first = stream.is_read
        stream.is_read = stream.window is None
        return meaning if is_first else None

    @property
    def peer_is_spent(self) -> bool:
        """Whether the peer can open no more substreams, since it used all its channel numbers."""
        return self._substreams.peers.used_up and not self._substreams.own.reuse

    def hear_at_most(self, nbytes: int | None) -> None:
        """Limit the bytes that an unauthenticated peer may send from now on; None: no limit."""
        self._may_say = nbytes

    def receive_end(self) -> None:
        """Called after the peer's last bytes: raises RemoteError if a frame is incomplete."""
        self._reader.end()

    def open(self, name: str | None) -> int:
        """Open a substream and return its channel number.

        Raises ChannelsExhaustedError if there is no number left and, with `credit/1`,
        PromisesExhaustedError if the limit on all windows leaves no room for its first window.
        """
        self._substreams.require_room()
        channel = self._substreams.own.allocate()
        self.scheduler.add_urgent(encoding.stream_opened(channel, name))
        self._substreams.add(channel)
        return channel

    def stream(self, channel: int) -> Stream:
        """Return an open substream. Raises LocalError if it is not open."""
        stream = self._open.get(channel)
        if stream is None:
            raise LocalError(f"substream {channel} is not open")
        return stream

    def message(self, value: Json) -> None:
        """Queue an application message on the control channel. It overtakes all substreams."""
        self.scheduler.add_urgent(encoding.message(value))

    def goaway(self, after_ms: int) -> None:
        """Queue a request that the device opens no more substreams and reconnects after `after_ms`.

        Raises LocalError without `goaway/1`, on the device, or if `after_ms` is out of range.
        """
        if self._side is not Side.A or features.GOAWAY not in self._features.names:
            raise LocalError("goaway without goaway/1, or not by the server")
        if not 0 <= after_ms <= MAX_AFTER_MS:
            raise LocalError(f"goaway after {after_ms} ms; allowed: 0 to {MAX_AFTER_MS}")
        self.scheduler.add_urgent(encoding.go_away(after_ms))

    def ping(self) -> None:
        """Queue a ping, which the peer has to answer. Raises LocalError without `ping/1`."""
        if features.PING not in self._features.names:
            raise LocalError("ping without ping/1")
        self._pings += 1
        self.scheduler.add_urgent(encoding.ping(self._pings))

    def send(self, channel: int, data: BytesLike) -> None:
        """Queue data of a substream; see `Stream.send`."""
        self.stream(channel).send(data)

    def end(self, channel: int) -> None:
        """Queue the end of this side's data on a substream. Raises LocalError if done before."""
        self.stream(channel).end()

    def fail(self, channel: int, message: str) -> None:
        """Queue an error that reports that this side of the substream failed. Changes no state."""
        self.stream(channel).fail(message)

    def emit(self, channel: int, name: str, *args: Json) -> None:
        """Queue an event that the application defines, behind the queued data of the substream."""
        self.stream(channel).emit(name, *args)

    def abort(self, channel: int, message: str) -> None:
        """Drop the queued data of a substream. Queue an error with the text `message` instead."""
        self.stream(channel).abort(message)

    def reset(self, channel: int) -> None:
        """Ask the peer to drop its queued data and to end; the data queued here is dropped too.

        Raises LocalError without `credit/1`.
        """
        self.stream(channel).reset()

    def release(self, channel: int) -> None:
        """Stop using a substream, and ignore what the peer still sends on it.

        Its opener must have called `end` (otherwise LocalError) and seen the peer's end.
        """
        self._substreams.release(self.stream(channel))

    def offer(self, names: Iterable[str]) -> None:
        """Accept the messages of the features that this side is about to offer to the peer.

        They may arrive in the same bytes as the peer's answer, before `enable` is called.
        """
        self._features = features_of(names, hears_goaway=self._side is Side.B)

    def enable(
        self,
        names: Iterable[str],
        windows: Windows | None = None,
        peers_first: int = FIRST_WINDOW_BYTES,
    ) -> None:
        """Turn on the features that both ends have named, for substreams opened from now on.

        For `credit/1`: `windows` are the windows that this side grants (None: the defaults),
        `peers_first` is the number of bytes that the peer grants on each new substream.
        """
        self._features = features_of(names, hears_goaway=self._side is Side.B)
        self._substreams.own.reuse = features.REUSE in self._features.names
        if features.CREDIT in self._features.names:
            self._substreams.control_flow(windows or Windows(), peers_first)

    def __bool__(self) -> bool:
        """Return whether `take` would return anything now."""
        return bool(self.scheduler)

    @property
    def has_waiting(self) -> bool:
        """Whether anything is queued, including data that waits for credit."""
        return self.scheduler.has_waiting

    def waiting_bytes(self, channel: int) -> int:
        """Return the number of bytes queued for the peer on a substream and not sent yet."""
        stream = self._open.get(channel) or self.leaving.get(channel)
        return 0 if stream is None else stream.nbytes

    def take(self, max_bytes: int) -> Batch:
        """Dequeue the bytes to send next: up to `max_bytes`, which the last turn may exceed."""
        batch = self.scheduler.take(max_bytes)
        if self.leaving:
            for channel in batch.served:
                if channel in self.leaving:
                    self._substreams.let_go(self.leaving[channel])
        return batch
