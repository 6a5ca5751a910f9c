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

    `nbytes` is that sum in bytes, `windows` the configured sizes. `sparing` is the number of grants
    to a near peer that still have to be small; a small message sets it to SPARING_GRANTS.
    """

    __slots__ = ("nbytes", "round_trip_s", "sparing", "windows")

    def __init__(self, windows: Windows) -> None:
        self.windows = windows
        self.nbytes = 0
        self.round_trip_s: float | None = None
        """Shortest round trip in seconds; None: not measured yet."""
        self.sparing = 0

    @property
    def have_room(self) -> bool:
        """Whether the tunnel's limit leaves room for the first window of one more substream."""
        return self.nbytes + self.windows.first <= self.windows.tunnel_max

    def promise_more(self, nbytes: int) -> bool:
        """Add `nbytes` to the sum for a window that grows.

        Return False if there is no room for them. Growing windows may use room only while the sum
        stays within half of `tunnel_max`.
        """
        if self.nbytes + nbytes > self.windows.tunnel_max // 2:
            return False
        self.nbytes += nbytes
        return True

    def measured(self, round_trip_s: float) -> None:
        """Record that the peer answered a grant after `round_trip_s` seconds.

        The time is a round trip or longer, so the shortest one is kept.
        """
        if round_trip_s > 0:  # a machine's clock may be set back
            self.round_trip_s = min(round_trip_s, self.round_trip_s or round_trip_s)

    @property
    def is_near(self) -> bool:
        """Whether the measured round trip to the peer is shorter than NEAR_S."""
        return self.round_trip_s is not None and self.round_trip_s < NEAR_S

    @property
    def is_sparing(self) -> bool:
        """Whether the peer should get small grants, because small messages arrived recently."""
        return self.sparing > 0 and self.is_near

    def spared(self) -> None:
        """Record that one small grant was made."""
        self.sparing -= 1


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
