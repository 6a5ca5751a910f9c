"""The channel numbers that each side of a tunnel may open. No I/O.

Side A opens odd numbers and side B even ones, each counting up. When they run out and the peer has
agreed to `reuse/1`, released numbers are used again, the one unused for longest first.
"""

from __future__ import annotations

from collections import deque
from enum import Enum

from streamplex.errors import ChannelsExhaustedError, RemoteError
from streamplex.messages import MAX_CHANNEL


class Side(Enum):
    """One of the two ends of a tunnel.

    The value is the first channel number that this end opens.
    """

    A = 1
    """The server."""

    B = 2
    """The device."""

    @property
    def other(self) -> Side:
        """The opposite end of the tunnel."""
        return Side.B if self is Side.A else Side.A


class OwnChannels:
    """Allocates the channel numbers of the substreams that this side opens."""

    __slots__ = ("_next", "_released", "reuse")

    def __init__(self, side: Side) -> None:
        self._next = side.value
        self._released: deque[int] | None = None  # none yet: an empty one takes 600 bytes
        self.reuse = False  # released numbers may be opened again

    def allocate(self) -> int:
        """Return a free channel number for a new substream.

        Raises ChannelsExhaustedError if every number was used and none may be used again.
        """
        if self._next <= MAX_CHANNEL:
            self._next += 2
            return self._next - 2
        if self.reuse and self._released:
            return self._released.popleft()
        raise ChannelsExhaustedError(
            "all substreams of this tunnel are in use"
            if self.reuse
            else "all channel numbers of this tunnel were used; the peer lacks reuse/1"
        )

    def release(self, channel: int) -> None:
        """Record that neither end uses this channel number any more.

        With `reuse/1`, `allocate` may return the number again.
        """
        if self._released is None:
            self._released = deque()
        self._released.append(channel)

    def was_opened(self, channel: int) -> bool:
        """Return whether `allocate` has ever returned this channel number."""
        return channel < self._next


class PeerChannels:
    """Checks and records the channel numbers of the substreams that the peer opens."""

    __slots__ = ("_first", "_highest")

    def __init__(self, side: Side) -> None:
        self._first = side.value
        self._highest = 0

    def open(self, channel: int) -> None:
        """Record that the peer opened a substream with this channel number.

        Raises RemoteError if the number is not one of the numbers that the peer's side may open.
        """
        first = self._first
        if not first <= channel <= MAX_CHANNEL or channel % 2 != first % 2:
            kind = "odd" if first % 2 else "even"
            raise RemoteError(
                f"substream number {channel}; side {Side(first).name} opens "
                f"{kind} numbers from {first} to {MAX_CHANNEL}"
            )
        self._highest = max(self._highest, channel)

    def was_opened(self, channel: int) -> bool:
        """Return whether the peer has ever opened this channel number or a higher one."""
        return channel <= self._highest

    @property
    def used_up(self) -> bool:
        """Whether the peer has opened its highest channel number.

        Without `reuse/1`, it can then open no more substreams.
        """
        return self._highest > MAX_CHANNEL - 2
