"""One side of a tunnel: bytes in, events out; queued bytes wait until they are taken.

    receive(bytes) -> [Event]                       open / send / end / fail / emit / message
           |                                                        |
      FrameReader -> messages -> events -> states              Scheduler -> take(max_bytes)

No I/O, no clock, no callbacks, no logging: the owner of the tunnel moves the bytes.
"""

from __future__ import annotations

from collections.abc import Iterable

from streamplex import encoding, features
from streamplex.channels import Side
from streamplex.credit import FIRST_WINDOW_BYTES, Windows
from streamplex.errors import LocalError
from streamplex.events import MAX_AFTER_MS
from streamplex.features import features_of
from streamplex.hearing import Hearing
from streamplex.jsontext import Json
from streamplex.limits import PeerLimits
from streamplex.messages import BytesLike
from streamplex.schedule import Batch
from streamplex.stream import Stream


class TunnelCore(Hearing):
    """One side of a tunnel: the state of the protocol, without I/O.

    `receive` accepts bytes from the peer and returns events. Methods such as `open`, `send` and
    `end` queue frames; `take` returns the queued frames as bytes. `scheduler` is True while `take`
    would return anything. `stream` returns one substream, for code that owns that one alone.
    `leaving` are the substreams that were released and still have queued data.
    """

    __slots__ = ("_pings", "_side")

    def __init__(self, side: Side, limits: PeerLimits | None = None) -> None:
        super().__init__(side, limits)
        self._side = side
        self._pings = 0  # sent; the number of the last one

    @property
    def peer_is_spent(self) -> bool:
        """Whether the peer can open no more substreams, since it used all its channel numbers."""
        return self._substreams.peers.used_up and not self._substreams.own.reuse

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
