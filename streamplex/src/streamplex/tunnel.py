"""One end of a tunnel: bytes in, events out; what is to be sent waits until it is taken.

    receive(bytes) -> [Event]                       open / send / end / fail / emit / message
           |                                                        |
      FrameReader -> messages -> events -> states              Scheduler -> take(max_bytes)

No I/O, no clock, no callbacks, no logging: whoever owns the tunnel moves the bytes.
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
    StreamEnded,
    StreamFailed,
    StreamOpened,
    StreamReset,
    Told,
)
from streamplex.features import Features
from streamplex.flowcontrol import FlowControl
from streamplex.frames import FrameReader
from streamplex.jsontext import Json
from streamplex.limits import Patience, PeerLimits
from streamplex.messages import HEADER_BYTES, BytesLike, data_channel, decode_message
from streamplex.schedule import Batch, Scheduler
from streamplex.states import Input, State
from streamplex.substreams import Substreams


class TunnelCore:
    """One side of a tunnel: the state of the protocol, without I/O.

    Bytes of the peer go in through `receive`, which returns events. Methods such as `open`, `send`
    and `end` queue what is to be sent, and `take` returns it as bytes. The owner moves the bytes.
    `flow` is the flow control of its substreams (feature `credit/1`).
    """

    def __init__(self, side: Side, limits: PeerLimits | None = None) -> None:
        self._substreams = Substreams(side)
        self._states = self._substreams.states  # looked up for each message
        self._side = side
        self._features = Features((), hears_goaway=False)
        self._patience = Patience(limits or PeerLimits())
        self._reader = FrameReader()
        self._scheduler = Scheduler()
        self.flow = FlowControl(self._scheduler)
        self._failed = False
        self._pings = 0  # sent; the number of the last one

    # --- what the peer says -----------------------------------------------------------

    def receive(self, data: bytes) -> list[Event]:
        """What the peer says with these bytes.

        If it breaks the protocol, the last event is the Fault; what came before it stands.
        """
        if self._failed:
            raise LocalError("bytes for a tunnel that has failed")
        said: list[Event] = []
        try:
            self._patience.hear(len(data), self._scheduler.frame_bytes)
            for body in self._reader.feed(data):
                if (meaning := self._hear(body)) is not None:
                    said.append(meaning)  # noqa: PERF401 -- what came before a fault stands
        except RemoteError as error:
            self._failed = True
            said.append(Fault(error))
        return said

    def _hear(self, body: memoryview) -> Told | None:
        # Most of what comes is data for an open substream, and goes the straight way.
        channel = data_channel(body)
        if self._states.get(channel) is State.OPEN:
            payload = body[HEADER_BYTES:]
            self.flow.received(channel, len(payload))
            return DataReceived(channel, payload)
        return self._accept(events.decode(decode_message(body), self._features.understood))

    @property
    def peer_is_spent(self) -> bool:
        """The peer can open no more substreams here: it needs another tunnel for the next."""
        return self._substreams.peers.used_up and not self._substreams.own.reuse

    def hear_at_most(self, nbytes: int | None) -> None:
        """Cut a peer of which nothing is known when it says more; see `Patience`."""
        self._patience.hear_at_most(nbytes)

    def receive_end(self) -> None:
        """The peer's bytes have ended. Raises RemoteError if that cuts a frame."""
        self._reader.end()

    def _accept(self, meaning: Meaning) -> Told | None:
        """Move what it concerns on; None for what is to be passed over silently."""
        match meaning:
            case StreamOpened(channel):
                self._substreams.open_peers(channel)
                self.flow.begin(channel)
            case MessageReceived() | GoAway() | Ignored(channel=0):
                pass
            case Ping(ping_id):
                self._scheduler.owe_pong(events.pong(ping_id))
                return None
            case Pong():
                return None  # that it came is all there is to it
            case _:
                return self._accept_on_substream(meaning)
        return meaning

    def _accept_on_substream(self, meaning: OfSubstream) -> Told | None:
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
                self._substreams.is_open(channel)  # or was: what it still has to send may need it
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

    # --- what we say ------------------------------------------------------------------

    def open(self, name: str | None) -> int:
        """Open a substream; its channel. Raises ChannelsExhaustedError when there is none.

        And PromisesExhaustedError, with credit/1, when the peer cannot be promised a window on it.
        """
        self.flow.require_room()
        channel = self._substreams.own.allocate()
        self._scheduler.add_urgent(events.stream_opened(channel, name))
        self._substreams.open_own(channel)
        self.flow.begin(channel)
        return channel

    def message(self, value: Json) -> None:
        """Queue an application message on the control channel."""
        self._scheduler.add_urgent(events.message(value))

    def goaway(self, after_ms: int) -> None:
        """Ask the device to open nothing new. Raises LocalError if it does not know the word."""
        if self._side is not Side.A or features.GOAWAY not in self._features.names:
            raise LocalError("goaway without goaway/1, or not by the server")
        if not 0 <= after_ms <= events.MAX_AFTER_MS:
            raise LocalError(f"goaway after {after_ms} ms; allowed: 0 to {events.MAX_AFTER_MS}")
        self._scheduler.add_urgent(events.go_away(after_ms))

    def ping(self) -> None:
        """Ask the peer whether it is still there; any byte of it is an answer.

        Raises LocalError if it does not know the word.
        """
        if features.PING not in self._features.names:
            raise LocalError("ping without ping/1")
        self._pings += 1
        self._scheduler.add_urgent(events.ping(self._pings))

    def send(self, channel: int, data: BytesLike) -> None:
        """Queue bytes of any number. Raises LocalError after `end`.

        For a peer that reads no more nothing is queued. The bytes of a view may change when they
        have been taken, or after `keep`.
        """
        self._substreams.this_side_does(channel, Input.SEND)
        if self.flow.is_read(channel):
            self._scheduler.add_payload(channel, data)

    def keep(self, channel: int) -> None:
        """Copy what waits of views: their bytes are about to change."""
        self._scheduler.keep(channel)

    def end(self, channel: int) -> None:
        """Queue the end of this side's data. Raises LocalError if it has been said."""
        self._substreams.this_side_does(channel, Input.LOCAL_END)
        self._scheduler.add_frame(channel, events.stream_ended(channel))

    def fail(self, channel: int, message: str) -> None:
        """Tell the peer that this end of the substream failed; changes no state."""
        self._substreams.require(channel)
        self._scheduler.add_frame(channel, events.stream_failed(channel, message))

    def emit(self, channel: int, name: str, *args: Json) -> None:
        """Queue an event of the layer above."""
        self._substreams.require(channel)
        self._scheduler.add_frame(channel, events.custom(channel, name, args))

    def abort(self, channel: int, message: str) -> None:
        """Forget the data that waits to be sent; in its place tell that this end failed."""
        self._substreams.require(channel)
        self._scheduler.replace_payload(channel, events.stream_failed(channel, message))

    def reset(self, channel: int) -> None:
        """Read no more: the peer is to drop what it has queued, and to end.

        It will treat the other direction as aborted, so that the data queued here is forgotten.
        Raises LocalError without credit/1.
        """
        self._substreams.require(channel)
        self.flow.stop_reading(channel)

    def release(self, channel: int) -> None:
        """This side is done with a substream: what still comes for it is dropped.

        The opener must have sent `end`, and know that the peer is done too.
        """
        self._substreams.release(channel)
        if self._substreams.is_own(channel) and channel in self.flow:
            self._scheduler.drop_payload(channel)  # the peer is done, and grants nothing more
        self.flow.close(channel)
        self._let_go_if_all_left(channel)

    def _let_go_if_all_left(self, channel: int) -> None:
        if channel in self._substreams.leaving and not self._scheduler.waiting_bytes(channel):
            self._scheduler.unlimit(channel)
            self._substreams.leave(channel)

    def offer(self, names: Iterable[str]) -> None:
        """This side is about to name these features: understand their messages from now on.

        Their first message may come in the same bytes as the peer's answer, which turns them on.
        """
        self._features = Features(names, hears_goaway=self._side is Side.B)

    def enable(
        self,
        names: Iterable[str],
        windows: Windows | None = None,
        peers_first: int = FIRST_WINDOW_BYTES,
    ) -> None:
        """Turn on the features that both ends have named.

        For `credit/1`, `windows` is what this side grants, and `peers_first` the bytes that the
        peer grants on each new substream. They hold for substreams opened from now on.
        """
        self._features = Features(names, hears_goaway=self._side is Side.B)
        self._substreams.own.reuse = features.REUSE in self._features.names
        if features.CREDIT in self._features.names:
            self.flow.turn_on(windows or Windows(), peers_first)

    def state(self, channel: int) -> State:
        """The half-close state of a substream that has not been released."""
        self._substreams.require(channel)
        return self._states[channel]

    # --- what leaves ------------------------------------------------------------------

    def __bool__(self) -> bool:
        """Is there anything to take?"""
        return bool(self._scheduler)

    @property
    def has_waiting(self) -> bool:
        """Does anything wait, be it for credit?"""
        return self._scheduler.has_waiting

    def waiting_bytes(self, channel: int) -> int:
        """Bytes that wait to be taken on a substream."""
        return self._scheduler.waiting_bytes(channel)

    @property
    def leaving(self) -> Collection[int]:
        """Substreams that were released and have still something to send."""
        return self._substreams.leaving

    def take(self, max_bytes: int) -> Batch:
        """What goes to the wire next; at most one turn more than `max_bytes`."""
        batch = self._scheduler.take(max_bytes)
        if self._substreams.leaving:
            for channel in batch.served:
                self._let_go_if_all_left(channel)
        return batch
