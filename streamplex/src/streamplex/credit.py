"""How much may be under way on each direction of a substream, `credit/1`; pure arithmetic.

A window is what this side has promised to have room for. Its bytes are always one of three:

    |<------------------------- size ------------------------->|
    |     left      |         held         |      taken        |
      the peer may    came, and waits for    the consumer has it;
      send so many    its consumer           granted anew at half of the window

so that whatever the peer does, no more than `size` bytes of a substream are held.

A window starts small and doubles when its consumer keeps up; a large one only while the distance
asks for more. While small messages come on the same tunnel, a near peer is granted a part of it at
a time: what stands on the way stands in front of them. All windows of a tunnel together are its
promises, which have a limit: grown windows get at most half of it, the rest is for first ones.
"""

from __future__ import annotations

from dataclasses import dataclass

from streamplex.errors import LocalError, RemoteError, in_bytes

FIRST_WINDOW_BYTES = 64 * 1024
"""What a peer that states no window may be sent: the protocol's default."""

MAX_CREDIT_BYTES = 2**31 - 1
"""What may be granted at once, and be outstanding: what every language can count."""

EAGER_BYTES = 256 * 1024
"""To this a window grows with use alone, so that grants, and the frames that they cut, are large
enough to be cheap. What stands in front of a key that is typed beside it is at most as much."""

MOST_UNGRANTED_BYTES = EAGER_BYTES
"""What was taken is granted anew at half of the window; if the peer is far, at this at the latest.
Half of a large window would come to a little more with one piece, and the other half, a little
less, would wait for more: such a window was used by half in each round trip. To a near peer that is
no time, and each grant costs."""

INTERACTIVE_BYTES = 4096
"""A piece of at most so much, behind another, is taken for a message that somebody waits for."""

NEAR_S = 0.002
"""A peer whose round trip is shorter is near: a small window keeps it busy."""

SPARING_BYTES = 128 * 1024
"""What a near peer may send of each substream while small messages come beside it."""

SPARING_GRANTS = 16
"""So many are small after a small message: some milliseconds of bulk on a fast network, so that who
exchanges small messages finds few bytes in front, and who types does not slow bulk down."""

MAX_EVENTS_AT_ONCE = 1000
MAX_EVENTS_PER_S = 1000.0
"""Events cost no credit, so that their number has a limit of its own, per substream: many times
what a program does that arms a timer for each request, too few to keep a processor busy."""


@dataclass(frozen=True, slots=True)
class Windows:
    """What this side promises to its peer. In bytes."""

    first: int = FIRST_WINDOW_BYTES
    """For each direction of a new substream, as its first object states: no round trip, and no
    memory to speak of for the many that carry a few messages."""

    substream_max: int = 2 * 1024 * 1024
    """How far one may grow. It caps a substream at this much per round trip: 2 MiB is 168 Mbit/s
    over 100 ms."""

    tunnel_max: int = 128 * 1024 * 1024
    """For all substreams of a tunnel together: 1,024 first windows, and as much for those in use.
    What is promised takes no memory until it comes and is not taken."""

    def __post_init__(self) -> None:
        if not 0 < self.first <= self.substream_max <= MAX_CREDIT_BYTES:
            raise LocalError(
                f"windows from {self.first} to {self.substream_max} bytes; "
                f"allowed: 1 to {MAX_CREDIT_BYTES}, rising"
            )


class Promises:
    """The windows of one tunnel, added up."""

    __slots__ = ("_sparing", "nbytes", "round_trip_s", "windows")

    def __init__(self, windows: Windows) -> None:
        self.windows = windows
        self.nbytes = 0
        self.round_trip_s: float | None = None
        """The shortest that was measured; None: none yet."""
        self._sparing = 0  # grants that are still to be small

    @property
    def have_room(self) -> bool:
        """For one more first window?"""
        return self.nbytes + self.windows.first <= self.windows.tunnel_max

    def promise_first(self) -> bool:
        """Promise one more first window, if there is room for it."""
        if not self.have_room:
            return False
        self.nbytes += self.windows.first
        return True

    def promise_more(self, nbytes: int) -> bool:
        """Promise so much for growth, if the half that is for it has room."""
        if self.nbytes + nbytes > self.windows.tunnel_max // 2:
            return False
        self.nbytes += nbytes
        return True

    def give_back(self, nbytes: int) -> None:
        """So much is promised no longer."""
        self.nbytes -= nbytes

    def measured(self, round_trip_s: float) -> None:
        """A grant was answered after this time; nothing less than the distance is possible."""
        if round_trip_s > 0:  # the clock of a machine may be set back
            self.round_trip_s = min(round_trip_s, self.round_trip_s or round_trip_s)

    def came(self, nbytes: int, before: int) -> None:
        """A piece came on one of the substreams, behind one of so many bytes."""
        if is_message(nbytes, before):
            self._sparing = SPARING_GRANTS

    @property
    def is_near(self) -> bool:
        """Is the peer known to be near?"""
        return self.round_trip_s is not None and self.round_trip_s < NEAR_S

    @property
    def is_sparing(self) -> bool:
        """Is the peer to be granted little at a time?"""
        return self._sparing > 0 and self.is_near

    def spared(self) -> None:
        """So little was granted once."""
        self._sparing -= 1


class Window:
    """What the peer may send on one substream."""

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
        """Could it be? Else the substream is to be refused. The peer knows nothing of that yet:
        it may send a first window's worth all the same."""
        self.left = promises.windows.first
        self._size = promises.windows.first
        self._taken = 0
        self._last = 0  # bytes of the last piece
        self._used = 0  # taken since then, and granted anew
        self._since = 0.0
        self._until_answer = 0  # to be taken until the first byte that a grant let come; 0: none
        self._granted_at = 0.0  # that one
        self._ended = False
        self._events = float(MAX_EVENTS_AT_ONCE)  # that may come now
        self._events_at = 0.0

    @property
    def held(self) -> int:
        """Bytes that came and that the consumer has not taken."""
        return self._size - self.left - self._taken

    def receive(self, nbytes: int) -> None:
        """So much came. Raises RemoteError if it is nothing, or more than was granted."""
        if not nbytes:
            raise RemoteError("an empty data message")
        if nbytes > self.left:
            raise RemoteError(f"{in_bytes(nbytes)} of data; {self.left} were granted")
        self.left -= nbytes
        self._promises.came(nbytes, self._last)
        self._last = nbytes

    def take(self, nbytes: int, now: float) -> int:
        """The consumer has taken so much, at this time in seconds.

        What to grant the peer for it: 0 until it is worth it.
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
        """Only as much as keeps a near peer busy. The rest follows when nothing small comes."""
        grant = min(self._taken, SPARING_BYTES - self.left - self.held)
        if grant < SPARING_BYTES // 2:
            return 0
        self._promises.spared()
        self._taken -= grant
        self.left += grant
        return grant

    def _measure(self, nbytes: int, now: float) -> None:
        """What only a grant let come has come a round trip after the grant, or later."""
        self._until_answer = max(0, self._until_answer - nbytes)
        if not self._until_answer:
            self._promises.measured(now - self._granted_at)

    def _grant(self, now: float) -> int:
        grant, held = self._taken, self.held
        if not self._until_answer:
            self._until_answer = self.left + held + 1
            self._granted_at = now
        self._used += grant
        # A consumer that lets a quarter of it lie is not held up by its window.
        if held <= self._size // 4 and self._holds_up(now):
            more = min(self._size, self._promises.windows.substream_max - self._size)
            if self.promised and more and self._promises.promise_more(more):
                self._size += more
                grant += more
        self._taken = 0
        self.left += grant
        return grant

    def _holds_up(self, now: float) -> bool:
        """Would the consumer take more if the window were larger?

        Not if it takes less than half of it in a round trip: the rest only stands somewhere on
        the way, in front of what others send. With a near peer it costs no time to speak of, and
        large grants are cheap; beside messages it is granted little anyway.
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
        """Nothing more is to be granted: the peer has ended, or nobody reads any more."""
        self._ended = True

    def close(self) -> None:
        """The substream is over."""
        self._ended = True
        if self.promised:
            self.promised = False
            self._promises.give_back(self._size)

    def count_event(self, now: float) -> bool:
        """An event came at this time, in seconds. Is it one of those that may?"""
        since = max(0.0, now - self._events_at)  # the clock of a machine may be set back
        self._events_at = now
        self._events = min(MAX_EVENTS_AT_ONCE, self._events + since * MAX_EVENTS_PER_S)
        if self._events < 1:
            return False
        self._events -= 1
        return True


def is_message(nbytes: int, before: int) -> bool:
    """Is it a message that somebody waits for, and no tail of bulk that a limit has cut off?"""
    return nbytes <= INTERACTIVE_BYTES and before <= INTERACTIVE_BYTES


def add_credit(outstanding: int, granted: int) -> int:
    """What may be sent when so much more is granted. Raises RemoteError beyond what counts."""
    if outstanding + granted > MAX_CREDIT_BYTES:
        raise RemoteError(
            f"credit of {in_bytes(granted)} on top of {outstanding}; "
            f"allowed: {MAX_CREDIT_BYTES} in all"
        )
    return outstanding + granted
