"""The flow control window of one substream: how many bytes the peer may send on it. No I/O."""

from __future__ import annotations

from streamplex.credit import (
    EAGER_BYTES,
    INTERACTIVE_BYTES,
    MAX_EVENTS_AT_ONCE,
    MAX_EVENTS_PER_S,
    MOST_UNGRANTED_BYTES,
    SPARING_BYTES,
    SPARING_GRANTS,
    Promises,
)
from streamplex.errors import RemoteError, in_bytes

_ALL_EVENTS = float(MAX_EVENTS_AT_ONCE)  # one object for all windows


class Window:
    """The flow control window of one substream: how many bytes the peer may send on it.

    `left` is the number of bytes that the peer may still send.
    """

    __slots__ = (
        "_ended",
        "_events",
        "_events_at",
        "_granted_at",
        "_last",
        "_promises",
        "_since",
        "_size",
        "_taken",
        "_until_answer",
        "_used",
        "left",
        "promised",
    )

    def __init__(self, promises: Promises) -> None:
        first = promises.windows.first
        self._promises = promises
        self.promised = promises.have_room
        """Whether there was room for the first window. If not, the substream has to be refused. The
        peer does not know that yet and may send a first window's worth of data."""
        if self.promised:
            promises.nbytes += first
        self.left = self._size = first
        self._taken = 0
        self._last = 0  # bytes of the last piece
        self._used = 0  # bytes taken since `_since` and granted again
        self._since = 0.0
        # Bytes to be taken until the first byte that a grant allowed; 0: none.
        self._until_answer = 0
        self._granted_at = 0.0  # time of that grant
        self._ended = False
        self._events = _ALL_EVENTS  # number of events that may come now
        self._events_at = 0.0

    @property
    def held(self) -> int:
        """Number of bytes received and not yet taken by the consumer."""
        return self._size - self.left - self._taken

    def receive(self, nbytes: int) -> None:
        """Subtract `nbytes` of received data from the bytes that the peer may send.

        Raises RemoteError if `nbytes` is 0 or more than was granted.
        """
        if not nbytes:
            raise RemoteError("an empty data message")
        if nbytes > self.left:
            raise RemoteError(f"{in_bytes(nbytes)} of data; {self.left} were granted")
        self.left -= nbytes
        # `is_message`, without a call for each piece of data
        if nbytes <= INTERACTIVE_BYTES and self._last <= INTERACTIVE_BYTES:
            self._promises.sparing = SPARING_GRANTS
        self._last = nbytes

    def take(self, nbytes: int, now: float) -> int:
        """Record that the consumer took `nbytes` at time `now` (s).

        Return the bytes to grant to the peer. Returns 0 if too little was taken for a grant, or
        after `end`.
        """
        self._taken += nbytes
        if self._until_answer:
            self._measure(nbytes, now)
        if self._ended:
            return 0
        if self._size > SPARING_BYTES and self._promises.is_sparing:
            return self._grant_sparingly()
        most = self._size // 2
        if most > MOST_UNGRANTED_BYTES and not self._promises.is_near:
            most = MOST_UNGRANTED_BYTES
        return self._grant(now) if self._taken >= most else 0

    def _grant_sparingly(self) -> int:
        """Grant only what keeps a near peer busy. The rest follows when no small messages come."""
        grant = min(self._taken, SPARING_BYTES - self.left - self.held)
        if grant < SPARING_BYTES // 2:
            return 0
        self._promises.spared()
        self._taken -= grant
        self.left += grant
        return grant

    def _measure(self, nbytes: int, now: float) -> None:
        """Measure the round trip from a grant to the first byte that only this grant allowed."""
        self._until_answer = max(0, self._until_answer - nbytes)
        if not self._until_answer:
            self._promises.measured(now - self._granted_at)

    def _grant(self, now: float) -> int:
        grant, held = self._taken, self.held
        if not self._until_answer:
            self._until_answer = self.left + held + 1
            self._granted_at = now
        self._used += grant
        # A consumer that leaves a quarter of the window is not held up by its size.
        if held <= self._size // 4 and self._holds_up(now):
            more = min(self._size, self._promises.windows.substream_max - self._size)
            if self.promised and more and self._promises.promise_more(more):
                self._size += more
                grant += more
        self._taken = 0
        self.left += grant
        return grant

    def _holds_up(self, now: float) -> bool:
        """Return whether the consumer would take more data if the window were larger.

        It would not if it takes less than half of the window in a round trip: the rest only waits
        on the way and delays other substreams' data. For a near peer the answer is always yes: the
        delay is short there, and large grants are cheap.
        """
        if self._promises.is_near:
            return True
        elapsed, round_trip = now - self._since, self._promises.round_trip_s
        holds_up = True
        if self._size >= EAGER_BYTES and round_trip is not None:
            if 0 <= elapsed < round_trip:
                return False
            holds_up = 2 * self._used * round_trip >= self._size * elapsed
        self._since, self._used = now, 0
        return holds_up

    def end(self) -> None:
        """Stop granting: the peer has ended, or this side reads no more."""
        self._ended = True

    def close(self) -> None:
        """Stop granting and subtract this window from the tunnel's sum: the substream is over."""
        self._ended = True
        if self.promised:
            self.promised = False
            self._promises.nbytes -= self._size

    def count_event(self, now: float) -> bool:
        """Count an event received at time `now` (seconds). Return whether it is within the limit.

        The limit is MAX_EVENTS_PER_S on average and MAX_EVENTS_AT_ONCE in a burst.
        """
        since = max(0.0, now - self._events_at)  # the clock of a machine may be set back
        self._events_at = now
        self._events = min(MAX_EVENTS_AT_ONCE, self._events + since * MAX_EVENTS_PER_S)
        if self._events < 1:
            return False
        self._events -= 1
        return True
