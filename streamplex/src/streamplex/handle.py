"""One substream of a tunnel's core, for code that owns that substream alone."""

from __future__ import annotations

from streamplex.jsontext import Json
from streamplex.messages import BytesLike
from streamplex.tunnel import TunnelCore


class SubstreamHandle:
    """One substream of a `TunnelCore`: offers the core's methods without the channel number.

    `has_window` is True if flow control (`credit/1`) is on for this substream.
    """

    __slots__ = ("_channel", "_core", "_window", "has_window")

    def __init__(self, core: TunnelCore, channel: int) -> None:
        self._core = core
        self._channel = channel
        self._window = core.flow.window(channel)  # looked up once: it is asked for each message
        self.has_window = self._window is not None

    def send(self, data: BytesLike) -> None:
        """Queue data to be sent.

        The bytes of a memoryview must not change until they are sent or kept. `keep` copies them.
        Raises LocalError after `end`.
        """
        self._core.send(self._channel, data)

    def keep(self) -> None:
        """Copy the queued memoryviews into bytes, so that their buffer may be reused."""
        self._core.keep(self._channel)

    def end(self) -> None:
        """Queue the end of this side's data. Raises LocalError if the end was queued before."""
        self._core.end(self._channel)

    def fail(self, message: str) -> None:
        """Queue an error that reports that this side of the substream failed. Nothing is closed."""
        self._core.fail(self._channel, message)

    def emit(self, name: str, *args: Json) -> None:
        """Queue an event that the application defines, with its name and arguments."""
        self._core.emit(self._channel, name, *args)

    def abort(self, message: str) -> None:
        """Drop the queued data and queue an error with the text `message` in its place."""
        self._core.abort(self._channel, message)

    def reset(self) -> None:
        """Drop the queued data and ask the peer to send no more.

        Raises LocalError without `credit/1`.
        """
        self._core.reset(self._channel)

    def release(self) -> None:
        """Free the channel number and the state of the substream.

        The handle must not be used any more. Raises LocalError if this side opened the substream
        and has not ended it.
        """
        self._core.release(self._channel)
        self._window = None

    def waiting_bytes(self) -> int:
        """Return the number of queued bytes that are not sent yet."""
        return self._core.scheduler.waiting_bytes(self._channel)

    def consumed(self, nbytes: int, now: float) -> bool:
        """Record that the consumer took `nbytes` at time `now` (s).

        Return whether a grant was queued.
        """
        if self._window is None or not (grant := self._window.take(nbytes, now)):
            return False
        self._core.flow.grant(self._channel, grant)
        return True

    def count_event(self, now: float) -> bool:
        """Count an event received at time `now` (seconds). Return whether it is within the limit.

        Without flow control there is no limit.
        """
        return self._window is None or self._window.count_event(now)

    @property
    def is_promised(self) -> bool:
        """Whether the tunnel had room for the substream's first window.

        True without flow control.
        """
        return self._window is None or self._window.promised
