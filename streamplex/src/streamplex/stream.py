"""One substream of a tunnel's core: its half-close state, window, credit and queue. No I/O."""

from __future__ import annotations

from streamplex import encoding
from streamplex.errors import LocalError
from streamplex.jsontext import Json
from streamplex.lane import Lane
from streamplex.messages import BytesLike
from streamplex.schedule import Scheduler
from streamplex.states import TRANSITIONS, Input, State
from streamplex.window import Window


class Stream(Lane):
    """One substream of a tunnel's core, from its opening until `TunnelCore.release`.

    `state` is its half-close state. `window` limits what the peer may send; None: flow control
    (`credit/1`) is off for this substream. `is_read` is False once the peer has asked for no more
    data. `nbytes` is the number of queued bytes that are not sent yet.
    """

    __slots__ = ("_scheduler", "is_read", "state", "window")

    def __init__(
        self, channel: int, scheduler: Scheduler, window: Window | None, credit: int | None
    ) -> None:
        super().__init__(channel, credit)
        self._scheduler = scheduler
        self.window = window
        self.state = State.OPEN
        self.is_read = True

    def send(self, data: BytesLike) -> None:
        """Queue data to be sent; drop it if the peer has reset. Raises LocalError after `end`.

        The bytes of a memoryview must not change until they are sent or kept. `keep` copies them.
        """
        if self.state.local_ended:
            raise self._has_ended()
        if self.is_read:
            self._scheduler.add_payload(self, data)

    def spend(self, nbytes: int) -> bool:
        """Count `nbytes` of data as sent that the caller sends itself, past the queue.

        Returns False, and counts nothing, unless they may be sent now.
        """
        if self.nbytes or self.state.local_ended or not self.is_read:
            return False
        if self.credit is not None:
            if self.credit < nbytes:
                return False
            self.credit -= nbytes
        return True

    def end(self) -> None:
        """Queue the end of this side's data. Raises LocalError if the end was queued before."""
        self._end_by(encoding.stream_ended(self.channel))

    def end_with(self, name: str) -> None:
        """Queue the end of this side's data and the event `name` behind it, as one piece.

        Raises LocalError if the end was queued before.
        """
        self._end_by(encoding.ended_with(self.channel, name))

    def _end_by(self, frame: bytes) -> None:
        state = TRANSITIONS[self.state].get(Input.LOCAL_END)
        if state is None:
            raise self._has_ended()
        self.state = state
        self._scheduler.add_frame(self, frame)

    def _has_ended(self) -> LocalError:
        return LocalError(f"substream {self.channel} has ended; nothing may follow")

    def fail(self, message: str) -> None:
        """Queue an error that reports that this side of the substream failed. Nothing is closed."""
        self._scheduler.add_frame(self, encoding.stream_failed(self.channel, message))

    def emit(self, name: str, *args: Json) -> None:
        """Queue an event that the application defines, with its name and arguments."""
        self._scheduler.add_frame(self, encoding.custom(self.channel, name, args))

    def abort(self, message: str) -> None:
        """Drop the queued data and queue an error with the text `message` in its place."""
        self._scheduler.replace_payload(self, encoding.stream_failed(self.channel, message))

    def reset(self) -> None:
        """Drop the queued data and ask the peer to send no more.

        Raises LocalError without `credit/1`.
        """
        if self.window is None:
            raise LocalError(f"reset of substream {self.channel} without credit/1")
        self.window.end()
        self._scheduler.replace_payload(self, encoding.stream_reset(self.channel))

    def consumed(self, nbytes: int, now: float) -> bool:
        """Record that the consumer took `nbytes` at time `now` (s).

        Return whether a grant was queued. Does nothing without flow control.
        """
        if self.window is None or not (grant := self.window.take(nbytes, now)):
            return False
        self.grant(grant)
        return True

    def grant(self, nbytes: int) -> None:
        """Queue a frame that lets the peer send `nbytes` more bytes."""
        self._scheduler.add_urgent(encoding.credit_granted(self.channel, nbytes))
