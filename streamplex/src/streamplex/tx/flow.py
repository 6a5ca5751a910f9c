"""Who is paused and why, in the direction from the tunnel to the consumers.

Without flow control of its own the protocol has one brake, TCP's, on the whole tunnel:

    tunnel's transport --> substream --> consumer
            ^                  | its consumer is paused: held here ...
            +------------------+ ... until too much is held, then everyone waits
"""

from __future__ import annotations

from collections.abc import Callable

MAX_HELD_OCTETS = 256 * 1024
"""What a tunnel's substreams may hold together for consumers that are paused: enough for a
hiccup of one at some megabytes per second, little enough for thousands of tunnels."""

RESUME_HELD_OCTETS = MAX_HELD_OCTETS // 2
"""Reading goes on when half of it has been taken, so that the pauses are not too many."""

MAX_WAITING_OCTETS = 64 * 1024
"""What a substream queues for the tunnel before its producer is paused: one full frame."""

RESUME_WAITING_OCTETS = MAX_WAITING_OCTETS // 2
"""Its producer goes on when half of it has left."""


class HeldOctets:
    """What the substreams of one tunnel hold; stops the tunnel's reading at the limit."""

    __slots__ = ("_octets", "_resume", "_stop", "stopped")

    def __init__(self, stop: Callable[[], None], resume: Callable[[], None]) -> None:
        self._stop = stop
        self._resume = resume
        self._octets = 0
        self.stopped = False

    def add(self, octets: int) -> None:
        """So much more is held."""
        self._octets += octets
        if self._octets > MAX_HELD_OCTETS and not self.stopped:
            self.stopped = True
            self._stop()

    def remove(self, octets: int) -> None:
        """So much has been taken, or dropped."""
        self._octets -= octets
        if self._octets <= RESUME_HELD_OCTETS and self.stopped:
            self.stopped = False
            self._resume()
