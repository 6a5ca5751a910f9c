"""One side of a tunnel: bytes in, events out; queued bytes wait until they are taken.

    receive(bytes) -> [Event]                       open / send / end / fail / emit / message
           |                                                        |
      FrameReader -> messages -> events -> states              Scheduler -> take(max_bytes)

No I/O, no clock, no callbacks, no logging: the owner of the tunnel moves the bytes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import assert_never

from streamplex import events, features
from streamplex.channels import Side
from streamplex.credit import FIRST_WINDOW_BYTES, Windows
from streamplex.errors import LocalError, RemoteError
from streamplex.events import (
    CreditGranted,
    CustomReceived,
    DataReceived,
    Event,
    Fault,
    GoAway,
    Ignored,
    Meaning,
    MessageReceived,
    OfSubstream,
    Ping,
    Pong,
    Reported,
    StreamEnded,
    StreamFailed,
    StreamOpened,
    StreamReset,
)
from streamplex.features import NO_FEATURES, Features
from streamplex.flowcontrol import FlowControl
from streamplex.frames import FrameReader
from streamplex.jsontext import Json
from streamplex.limits import DEFAULT_LIMITS, Patience, PeerLimits
from streamplex.messages import DATA, HEADER_BYTES, BytesLike
from streamplex.schedule import Batch, Scheduler
from streamplex.states import Input, State
from streamplex.substreams import Substreams


class TunnelCore:
    """One side of a tunnel: the state of the protocol, without I/O.

    `receive` accepts bytes from the peer and returns events. Methods such as `open`, `send` and
    `end` queue frames; `take` returns the queued frames as bytes. `flow` is the flow control
    (`credit/1`), `scheduler` is True while `take` would return anything.
    """

    def __init__(self, side: Side, limits: PeerLimits | None = None) -> None:
        self._substreams = Substreams(side)
        self._states = self._substreams.states  # looked up for each message
        self._side = side
        self._features = NO_FEATURES
        self._patience = Patience(limits or DEFAULT_LIMITS)
        self._reader = FrameReader()
        self.scheduler = Scheduler()
        self.flow = FlowControl(self.scheduler)
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
            self._patience.hear(len(data), self.scheduler.frame_bytes)
            for body in self._reader.feed(data):
                if (meaning := self._hear(body)) is not None:
                    said.append(meaning)  # noqa: PERF401 -- events before a fault count
        except RemoteError as error:
            self._failed = True
            said.append(Fault(error))
        return said

    def _hear(self, body: memoryview) -> Reported | None:
        # Most messages are data of an open substream: no object for the message itself.
        if len(body) > HEADER_BYTES and body[2] == DATA:
            channel = body[0] << 8 | body[1]
            if self._states.get(channel) is State.OPEN:
                payload = body[HEADER_BYTES:]
                self.flow.received(channel, len(payload))
                return DataReceived(channel, payload)
        return self._accept(events.decode_body(body, self._features.understood))

    @property
    def peer_is_spent(self) -> bool:
        """Whether the peer can open no more substreams, since it used all its channel numbers."""
        return self._substreams.peers.used_up and not self._substreams.own.reuse

    def hear_at_most(self, nbytes: int | None) -> None:
        """Limit the bytes that an unauthenticated peer may send from now on; None: no limit."""
        self._patience.hear_at_most(nbytes)

    def receive_end(self) -> None:
        """Called after the peer's last bytes: raises RemoteError if a frame is incomplete."""
        self._reader.end()

    def _accept(self, meaning: Meaning) -> Reported | None:
        """Apply the meaning of a message; None if the owner need not know of it."""
        match meaning:
            case StreamOpened(channel):
                self._substreams.open_peers(channel)
                self.flow.begin(channel)
            case MessageReceived() | GoAway() | Ignored(channel=0):
                pass
            case Ping(ping_id):
                self.scheduler.owe_pong(events.pong(ping_id))
                return None
            case Pong():
                return None  # receiving it was its purpose
            case _:
                return self._accept_on_substream(meaning)
        return meaning

    def _accept_on_substream(self, meaning: OfSubstream) -> Reported | None:
        match meaning:
            case DataReceived(channel, data):
                if not self._substreams.is_open(channel):
                    return None
                self._substreams.peer_did(channel, Input.RECEIVE)
                self.flow.received(channel, len(data))
                return meaning if data else None
            case StreamEnded(channel):
                if not self._substreams.is_open(channel):
                    return None
                self._substreams.peer_did(channel, Input.REMOTE_END)
                self.flow.ended(channel)
                return meaning
            case CreditGranted(channel, nbytes):
                self._substreams.is_open(channel)  # a released one needs credit for queued data
                self.flow.granted(channel, nbytes)
                return None
            case StreamReset(channel):
                is_open, is_first = self._substreams.is_open(channel), self.flow.is_read(channel)
                self.flow.not_read(channel)
                self._let_go_if_all_left(channel)
                return meaning if is_open and is_first else None
            case StreamFailed(channel) | CustomReceived(channel) | Ignored(channel):
                return meaning if self._substreams.is_open(channel) else None
            case _:
                assert_never(meaning)

    def open(self, name: str | None) -> int:
        """Open a substream and return its channel number.

        Raises ChannelsExhaustedError if there is no number left and, with `credit/1`,
        PromisesExhaustedError if the limit on all windows leaves no room for its first window.
        """
        self.flow.require_room()
        channel = self._substreams.own.allocate()
        self.scheduler.add_urgent(events.stream_opened(channel, name))
        self._substreams.open_own(channel)
        self.flow.begin(channel)
        return channel

    def message(self, value: Json) -> None:
        """Queue an application message on the control channel. It overtakes all substreams."""
        self.scheduler.add_urgent(events.message(value))

    def goaway(self, after_ms: int) -> None:
        """Queue a request that the device opens no more substreams and reconnects after `after_ms`.

        Raises LocalError without `goaway/1`, on the device, or if `after_ms` is out of range.
        """
        if self._side is not Side.A or features.GOAWAY not in self._features.names:
            raise LocalError("goaway without goaway/1, or not by the server")
        if not 0 <= after_ms <= events.MAX_AFTER_MS:
            raise LocalError(f"goaway after {after_ms} ms; allowed: 0 to {events.MAX_AFTER_MS}")
        self.scheduler.add_urgent(events.go_away(after_ms))

    def ping(self) -> None:
        """Queue a ping, which the peer has to answer. Raises LocalError without `ping/1`."""
        if features.PING not in self._features.names:
            raise LocalError("ping without ping/1")
        self._pings += 1
        self.scheduler.add_urgent(events.ping(self._pings))

    def send(self, channel: int, data: BytesLike) -> None:
        """Queue data of a substream; drop it if the peer has reset. Raises LocalError after `end`.

        The bytes of a memoryview must not change before they are taken or copied by `keep`.
        """
        self._substreams.this_side_does(channel, Input.SEND)
        if self.flow.is_read(channel):
            self.scheduler.add_payload(channel, data)

    def keep(self, channel: int) -> None:
        """Copy queued memoryviews of a substream into bytes, so that their buffer may be reused."""
        self.scheduler.keep(channel)

    def end(self, channel: int) -> None:
        """Queue the end of this side's data on a substream. Raises LocalError if done before."""
        self._substreams.this_side_does(channel, Input.LOCAL_END)
        self.scheduler.add_frame(channel, events.stream_ended(channel))

    def fail(self, channel: int, message: str) -> None:
        """Queue an error that reports that this side of the substream failed. Changes no state."""
        self._substreams.require(channel)
        self.scheduler.add_frame(channel, events.stream_failed(channel, message))

    def emit(self, channel: int, name: str, *args: Json) -> None:
        """Queue an event that the application defines, behind the queued data of the substream."""
        self._substreams.require(channel)
        self.scheduler.add_frame(channel, events.custom(channel, name, args))

    def abort(self, channel: int, message: str) -> None:
        """Drop the queued data of a substream. Queue an error with the text `message` instead."""
        self._substreams.require(channel)
        self.scheduler.replace_payload(channel, events.stream_failed(channel, message))

    def reset(self, channel: int) -> None:
        """Ask the peer to drop its queued data and to end; the data queued here is dropped too.

        Raises LocalError without `credit/1`.
        """
        self._substreams.require(channel)
        self.flow.stop_reading(channel)

    def release(self, channel: int) -> None:
        """Stop using a substream, and ignore what the peer still sends on it.

        Its opener must have called `end` (otherwise LocalError) and seen the peer's end.
        """
        self._substreams.release(channel)
        if self._substreams.is_own(channel) and channel in self.flow:
            self.scheduler.drop_payload(channel)  # the peer is done, and grants nothing more
        self.flow.close(channel)
        self._let_go_if_all_left(channel)

    def _let_go_if_all_left(self, channel: int) -> None:
        if channel in self._substreams.leaving and not self.scheduler.waiting_bytes(channel):
            self.scheduler.unlimit(channel)
            self._substreams.leave(channel)

    def offer(self, names: Iterable[str]) -> None:
        """Accept the messages of the features that this side is about to offer to the peer.

        They may arrive in the same bytes as the peer's answer, before `enable` is called.
        """
        self._features = Features(names, hears_goaway=self._side is Side.B)

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
        self._features = Features(names, hears_goaway=self._side is Side.B)
        self._substreams.own.reuse = features.REUSE in self._features.names
        if features.CREDIT in self._features.names:
            self.flow.turn_on(windows or Windows(), peers_first)

    def state(self, channel: int) -> State:
        """Return the half-close state of a substream. Raises LocalError if it is not open."""
        self._substreams.require(channel)
        return self._states[channel]

    def __bool__(self) -> bool:
        """Return whether `take` would return anything now."""
        return bool(self.scheduler)

    @property
    def has_waiting(self) -> bool:
        """Whether anything is queued, including data that waits for credit."""
        return self.scheduler.has_waiting

    def waiting_bytes(self, channel: int) -> int:
        """Return the number of bytes queued for the peer on a substream and not sent yet."""
        return self.scheduler.waiting_bytes(channel)

    @property
    def leaving(self) -> Collection[int]:
        """The channel numbers of substreams that were released and still have queued data."""
        return self._substreams.leaving

    def take(self, max_bytes: int) -> Batch:
        """Dequeue the bytes to send next: up to `max_bytes`, which the last turn may exceed."""
        batch = self.scheduler.take(max_bytes)
        if self._substreams.leaving:
            for channel in batch.served:
                self._let_go_if_all_left(channel)
        return batch
