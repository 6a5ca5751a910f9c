"""Flow control windows (`credit/1`): the bytes that the peer may send on each substream. No I/O.

A window is the number of bytes for which this side has promised room. Each byte of it is one of:

    |<------------------------- size ------------------------->|
    |     left      |         held         |      taken        |
      the peer may    came, and waits for    the consumer has it;
      send so many    its consumer           granted anew at half of the window

So this side never holds more than `size` bytes of a substream, whatever the peer does.

A window starts small and doubles while its consumer keeps up. Above EAGER_BYTES it grows only if
the round trip needs more. While small messages come on the same tunnel, a near peer is granted a
part of the window at a time, because bulk data under way delays those messages. All windows of a
tunnel together are its promises. Their sum is limited: grown windows get at most half of it, the
rest is for first windows.
"""

from __future__ import annotations

from dataclasses import dataclass

from streamplex.errors import LocalError, RemoteError, in_bytes

FIRST_WINDOW_BYTES = 64 * 1024
"""First window of a peer that states none: the protocol's default."""

MAX_CREDIT_BYTES = 2**31 - 1
"""Largest grant, and largest sum of outstanding credit: every language can count it."""

EAGER_BYTES = 256 * 1024
"""Up to this size a window grows with use alone, so that grants and frames are large enough to be
cheap. It is also the most bulk data that can delay a small message beside it."""

MOST_UNGRANTED_BYTES = EAGER_BYTES
"""Consumed data is granted again when it is half of the window or, if the peer is far, this much.
Pieces rarely add up to exactly half of a large window, so that only half of it was used in each
round trip. With a near peer a round trip takes hardly any time, and fewer grants cost less."""

INTERACTIVE_BYTES = 4096
"""A piece of at most this size that follows another such piece counts as a small message."""

NEAR_S = 0.002
"""A peer with a shorter round trip is near: a small window keeps it busy."""

SPARING_BYTES = 128 * 1024
"""Bytes granted to a near peer on each substream while small messages come beside it."""

SPARING_GRANTS = 16
"""Number of small grants after a small message: some milliseconds of bulk on a fast network. An
exchange of small messages finds few bytes in front of it, and single keys do not slow down bulk."""

MAX_EVENTS_AT_ONCE = 1000
MAX_EVENTS_PER_S = 1000.0
"""Events need no credit, so each substream has a limit on their number. It is many times what a
program sends that sets a timer for each request, and too low to keep a processor busy."""


@dataclass(frozen=True, slots=True)
class Windows:
    """The sizes in bytes of the flow control windows that this side grants to its peer."""

    first: int = FIRST_WINDOW_BYTES
    """First window of each new substream, as stated in this side's first message. It saves a round
    trip, and takes little memory for the many substreams that carry a few messages."""

    substream_max: int = 2 * 1024 * 1024
    """Largest window of one substream. A substream can transfer one window per round trip: 2 MiB
    allow 168 Mbit/s over 100 ms."""

    tunnel_max: int = 128 * 1024 * 1024
    """All windows of a tunnel together: 1,024 first windows, and as much again for growth. A window
    takes no memory until its data has come and the consumer does not take it."""

    def __post_init__(self) -> None:
        if not 0 < self.first <= self.substream_max <= MAX_CREDIT_BYTES:
            raise LocalError(
                f"windows from {self.first} to {self.substream_max} bytes; "
                f"allowed: 1 to {MAX_CREDIT_BYTES}, the first not above the second"
            )


class Promises:
    """Holds the sum of all windows of one tunnel and the shortest round trip measured on it.

    `nbytes` is that sum in bytes, `windows` the configured sizes.
    """

    __slots__ = ("_sparing", "nbytes", "round_trip_s", "windows")

    def __init__(self, windows: Windows) -> None:
        self.windows = windows
        self.nbytes = 0
        self.round_trip_s: float | None = None
        """Shortest round trip in seconds; None: not measured yet."""
        self._sparing = 0  # number of grants that still have to be small

    @property
    def have_room(self) -> bool:
        """Whether the tunnel's limit leaves room for the first window of one more substream."""
        return self.nbytes + self.windows.first <= self.windows.tunnel_max

    def promise_first(self) -> bool:
        """Add the first window of a new substream to the sum.

        Return False if there is no room for it.
        """
        if not self.have_room:
            return False
        self.nbytes += self.windows.first
        return True

    def promise_more(self, nbytes: int) -> bool:
        """Add `nbytes` to the sum for a window that grows.

        Return False if there is no room for them. Growing windows may use room only while the sum
        stays within half of `tunnel_max`.
        """
        if self.nbytes + nbytes > self.windows.tunnel_max // 2:
            return False
        self.nbytes += nbytes
        return True

    def give_back(self, nbytes: int) -> None:
        """Subtract a window of `nbytes` from the sum, because its substream has ended."""
        self.nbytes -= nbytes

    def measured(self, round_trip_s: float) -> None:
        """Record that the peer answered a grant after `round_trip_s` seconds.

        The time is a round trip or longer, so the shortest one is kept.
        """
        if round_trip_s > 0:  # a machine's clock may be set back
            self.round_trip_s = min(round_trip_s, self.round_trip_s or round_trip_s)

    def came(self, nbytes: int, before: int) -> None:
        """Record that a piece of `nbytes` arrived, and the piece before it had `before` bytes.

        After a small message, the next SPARING_GRANTS grants to a near peer are small.
        """
        if nbytes <= INTERACTIVE_BYTES and before <= INTERACTIVE_BYTES:  # `is_message`
            self._sparing = SPARING_GRANTS

    @property
    def is_near(self) -> bool:
        """Whether the measured round trip to the peer is shorter than NEAR_S."""
        return self.round_trip_s is not None and self.round_trip_s < NEAR_S

    @property
    def is_sparing(self) -> bool:
        """Whether the peer should get small grants, because small messages arrived recently."""
        return self._sparing > 0 and self.is_near

    def spared(self) -> None:
        """Record that one small grant was made."""
        self._sparing -= 1


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
        self._promises = promises
        self.promised = promises.promise_first()
        """Whether there was room for the first window. If not, the substream has to be refused. The
        peer does not know that yet and may send a first window's worth of data."""
        self.left = promises.windows.first
        self._size = promises.windows.first
        self._taken = 0
        self._last = 0  # bytes of the last piece
        self._used = 0  # bytes taken since `_since` and granted again
        self._since = 0.0
        self._until_answer = (
            0  # bytes to be taken until the first byte that a grant allowed; 0: none
        )
        self._granted_at = 0.0  # time of that grant
        self._ended = False
        self._events = float(MAX_EVENTS_AT_ONCE)  # number of events that may come now
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
        self._promises.came(nbytes, self._last)
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
            self._promises.give_back(self._size)

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


def is_message(nbytes: int, before: int) -> bool:
    """Return whether a piece of `nbytes` is a small message, and not the last part of bulk data.

    `before` is the number of bytes of the piece before it on the same substream.
    """
    return nbytes <= INTERACTIVE_BYTES and before <= INTERACTIVE_BYTES


def add_credit(outstanding: int, granted: int) -> int:
    """Return the sum of the `outstanding` credit and the newly `granted` credit, in bytes.

    Raises RemoteError if the sum exceeds MAX_CREDIT_BYTES.
    """
    if outstanding + granted > MAX_CREDIT_BYTES:
        raise RemoteError(
            f"credit of {in_bytes(granted)} on top of {outstanding}; "
            f"allowed: {MAX_CREDIT_BYTES} in all"
        )
    return outstanding + granted
