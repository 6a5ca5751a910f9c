"""Back-pressure from paused consumers to the tunnel.

Without `credit/1` only TCP can slow down the peer, and with it the whole tunnel:

    tunnel's transport --> substream --> consumer
            ^                  | its consumer is paused: held here ...
            +------------------+ ... until too much is held, then everyone waits

If no consumer takes anything for MAX_STALL_S, the substream that holds most is ended.

With `credit/1` each substream's window limits what it holds. The transport is never paused: the
peer is granted more only when the consumer has taken data.
"""

from __future__ import annotations

from typing import Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime

MAX_HELD_BYTES = 256 * 1024
"""Bytes that all substreams of a tunnel may hold for paused consumers. It is enough for a short
pause at some megabytes per second, and small enough for thousands of tunnels."""

RESUME_HELD_BYTES = MAX_HELD_BYTES // 2
"""Reading continues when half of it has been taken, so that pauses are not too frequent."""

MAX_WAITING_BYTES = 64 * 1024
"""Bytes that a substream queues before its producer is paused: one full frame."""

RESUME_WAITING_BYTES = MAX_WAITING_BYTES // 2
"""The producer is resumed when half of it has been sent."""


MAX_HELD_EVENTS_BYTES = 256 * 1024
"""Bytes of memory for the events that one substream with credit holds; events need no credit. It is
enough for about a thousand; a program that sends more to a paused consumer is faulty."""

MAX_STALL_S = 120.0
"""Seconds for which a tunnel may be not read while no consumer takes anything. All its substreams
wait for one meanwhile, and a dead peer goes unnoticed."""


class TunnelReading(Protocol):
    """A tunnel that can stop and resume reading from its transport.

    `end_stall` ends the substream that holds the most bytes.
    """

    def stop_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def end_stall(self) -> None: ...


class HeldBytes:
    """Counts the bytes that a tunnel's substreams hold for paused consumers.

    Above MAX_HELD_BYTES the tunnel stops reading until RESUME_HELD_BYTES are left. `stopped` is
    True meanwhile. If no consumer takes anything for MAX_STALL_S, `end_stall` of the tunnel is
    called.
    """

    __slots__ = ("_clock", "_look", "_nbytes", "_taken", "_tunnel", "stopped")

    _look: IDelayedCall  # at whether something has been taken: due while reading is stopped

    def __init__(self, tunnel: TunnelReading, clock: IReactorTime) -> None:
        self._tunnel = tunnel
        self._clock = clock
        self._nbytes = 0
        self._taken = False  # something, since the last look
        self.stopped = False

    def add(self, nbytes: int) -> None:
        """Add `nbytes` to the held bytes. Stops the tunnel's reading above the limit."""
        self._nbytes += nbytes
        if self._nbytes > MAX_HELD_BYTES and not self.stopped:
            self.stopped = True
            self._tunnel.stop_reading()
            self._watch()

    def remove(self, nbytes: int) -> None:
        """Subtract `nbytes` that were taken or dropped.

        Resumes the tunnel's reading if few are left.
        """
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
    """Takes the place of HeldBytes for a substream with flow control, and counts nothing.

    The substream's window limits the bytes that it holds.
    """

    __slots__ = ()

    def add(self, nbytes: int) -> None:
        """Do nothing: the window limits the held bytes."""

    def remove(self, nbytes: int) -> None:
        """Do nothing: the window limits the held bytes."""


HELD_BY_WINDOW = HeldByWindow()
