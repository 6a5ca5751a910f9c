"""The receiving half of a tunnel's core: bytes in, events out. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never

from streamplex import encoding
from streamplex.channels import Side
from streamplex.credit import add_credit
from streamplex.decoding import decode_body
from streamplex.errors import LocalError, RemoteError
from streamplex.events import (
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
from streamplex.features import NO_FEATURES
from streamplex.frames import FrameReader
from streamplex.limits import DEFAULT_LIMITS, PeerLimits, left_after, require_answers_read
from streamplex.messages import CONTROL_CHANNEL, DATA, HEADER_BYTES, BytesLike
from streamplex.schedule import Scheduler
from streamplex.states import TRANSITIONS, Input
from streamplex.stream import Stream
from streamplex.substreams import Substreams


class Hearing:
    """The receiving half of `TunnelCore`: applies what the peer sends, and returns it as events."""

    __slots__ = (
        "_failed",
        "_features",
        "_limits",
        "_open",
        "_reader",
        "_substreams",
        "_unauthenticated_bytes",
        "leaving",
        "scheduler",
    )

    def __init__(self, side: Side, limits: PeerLimits | None) -> None:
        self.scheduler = Scheduler()
        self._substreams = Substreams(side, self.scheduler)
        self._open = self._substreams.open  # looked up for each message
        self.leaving: Mapping[int, Stream] = self._substreams.leaving
        self._features = NO_FEATURES
        self._limits = limits or DEFAULT_LIMITS
        self._unauthenticated_bytes: int | None = None  # that may still come; None: no limit
        self._reader = FrameReader()
        self._failed = False

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
            if (left := self._unauthenticated_bytes) is not None:
                self._unauthenticated_bytes = left_after(left, len(data))
            for body in self._reader.feed(data):
                # Most messages are data of an open substream, and are delivered here without an
                # object for the message. `_check_data` gets all other data.
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
                self._check_data(meaning)
                return None
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

    def _check_data(self, meaning: DataReceived) -> None:
        """Check data that `receive` has not delivered: empty, late, or of no open substream.

        Raises RemoteError, unless the substream is released, or the data is empty and without flow
        control: such data is ignored.
        """
        stream = self._peer_did(meaning.channel, Input.RECEIVE)
        if stream is not None and stream.window is not None:
            stream.window.receive(len(meaning.data))

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

    def hear_at_most(self, nbytes: int | None) -> None:
        """Limit the bytes that an unauthenticated peer may send from now on; None: no limit."""
        self._unauthenticated_bytes = nbytes

    def receive_end(self) -> None:
        """Called after the peer's last bytes: raises RemoteError if a frame is incomplete."""
        self._reader.end()
