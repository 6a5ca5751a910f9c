"""One substream of a tunnel's core, for code that owns that substream alone."""

from __future__ import annotations

from streamplex.jsontext import Json
from streamplex.messages import BytesLike
from streamplex.tunnel import TunnelCore


class SubstreamHandle:
    """The methods of `TunnelCore` that concern one substream, without its number.

    `has_window` says whether flow control (`credit/1`) is on for this substream.
    """

    __slots__ = ("_channel", "_core", "_window", "has_window")

    def __init__(self, core: TunnelCore, channel: int) -> None:
        self._core = core
        self._channel = channel
        self._window = core.flow.window(channel)  # looked up once: it is asked for each message
        self.has_window = self._window is not None

    def send(self, data: BytesLike) -> None:
        """Queue data. The bytes of a view must not change before `keep` or `take`."""
        self._core.send(self._channel, data)

    def keep(self) -> None:
        """Copy queued memoryviews into bytes, since their owner is about to reuse the buffer."""
        self._core.keep(self._channel)

    def end(self) -> None:
        """Queue the end of this side's data."""
        self._core.end(self._channel)

    def fail(self, message: str) -> None:
        """Queue an error: this side of the substream failed."""
        self._core.fail(self._channel, message)

    def emit(self, name: str, *args: Json) -> None:
        """Queue a custom event, which the layer above defines."""
        self._core.emit(self._channel, name, *args)

    def abort(self, message: str) -> None:
        """Drop the queued data and queue an error in its place."""
        self._core.abort(self._channel, message)

    def reset(self) -> None:
        """Ask the peer to send no more. Drops the queued data."""
        self._core.reset(self._channel)

    def release(self) -> None:
        """Free the number and the state of the substream. This side must not use it any more."""
        self._core.release(self._channel)
        self._window = None

    def waiting_bytes(self) -> int:
        """Return the number of bytes that wait to be sent."""
        return self._core.waiting_bytes(self._channel)

    def consumed(self, nbytes: int, now: float) -> bool:
        """Received data was consumed at `now` (seconds). Return whether a grant was queued."""
        if self._window is None or not (grant := self._window.take(nbytes, now)):
            return False
        self._core.flow.grant(self._channel, grant)
        return True

    def count_event(self, now: float) -> bool:
        """Count an event received at `now` (seconds). Return whether it is within the limit."""
        return self._window is None or self._window.count_event(now)

    @property
    def is_promised(self) -> bool:
        """Whether there was room for the substream's first window."""
        return self._window is None or self._window.promised
