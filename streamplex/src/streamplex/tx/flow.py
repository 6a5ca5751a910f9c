"""Who is paused and why, in the direction from the tunnel to the consumers.

Without flow control of its own the protocol has one brake, TCP's, on the whole tunnel:

    tunnel's transport --> substream --> consumer
            ^                  | its consumer is paused: held here ...
            +------------------+ ... until too much is held, then everyone waits

and when for too long nothing has been taken, the substream that holds most is ended.

With `credit/1` what one holds is bounded by its window instead, and the transport is never paused:
its peer is granted more only when its consumer has taken something.
"""

from __future__ import annotations

from typing import Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime

MAX_HELD_BYTES = 256 * 1024
"""What a tunnel's substreams may hold together for consumers that are paused: enough for a
hiccup of one at some megabytes per second, little enough for thousands of tunnels."""

RESUME_HELD_BYTES = MAX_HELD_BYTES // 2
"""Reading goes on when half of it has been taken, so that the pauses are not too many."""

MAX_WAITING_BYTES = 64 * 1024
"""What a substream queues for the tunnel before its producer is paused: one full frame."""

RESUME_WAITING_BYTES = MAX_WAITING_BYTES // 2
"""Its producer goes on when half of it has left."""


MAX_HELD_EVENTS_BYTES = 256 * 1024
"""What the events may cost that one substream with credit holds: they have no window. A thousand
or so; a program that sends more while nobody listens has lost its way."""

MAX_STALL_S = 120.0
"""How long a tunnel's reading may be stopped without anything being taken. All its substreams
wait for one meanwhile, and whether its peer is still there cannot be seen."""


class TunnelReading(Protocol):
    """What is done about a tunnel whose substreams hold too much."""

    def stop_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def end_stall(self) -> None: ...


class HeldBytes:
    """What the substreams of one tunnel hold; stops the tunnel's reading at the limit."""

    __slots__ = ("_clock", "_look", "_nbytes", "_taken", "_tunnel", "stopped")

    _look: IDelayedCall  # at whether something has been taken: due while reading is stopped

    def __init__(self, tunnel: TunnelReading, clock: IReactorTime) -> None:
        self._tunnel = tunnel
        self._clock = clock
        self._nbytes = 0
        self._taken = False  # something, since the last look
        self.stopped = False

    def add(self, nbytes: int) -> None:
        """So much more is held."""
        self._nbytes += nbytes
        if self._nbytes > MAX_HELD_BYTES and not self.stopped:
            self.stopped = True
            self._tunnel.stop_reading()
            self._watch()

    def remove(self, nbytes: int) -> None:
        """So much has been taken, or dropped."""
        self._nbytes -= nbytes
        self._taken = True
        if self._nbytes <= RESUME_HELD_BYTES and self.stopped:
            self.stopped = False
            self._look.cancel()
            self._tunnel.resume_reading()

    def _watch(self) -> None:
        self._taken = False
        self._look = self._clock.callLater(MAX_STALL_S, self._looked)

    def _looked(self) -> None:
        stalled = not self._taken
        self._watch()
        if stalled:
            self._tunnel.end_stall()


class HeldByWindow:
    """What substreams with credit hold: their windows are the limit, nothing is to be counted."""

    __slots__ = ()

    def add(self, nbytes: int) -> None:
        """So much more is held."""

    def remove(self, nbytes: int) -> None:
        """So much has been taken, or dropped."""


HELD_BY_WINDOW = HeldByWindow()
