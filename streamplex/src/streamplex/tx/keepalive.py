"""Detection of a dead peer in seconds; TCP alone takes a quarter of an hour.

    silent for `interval_s` -> ping (`ping/1`) -> silent for `timeout_s` more -> give up

Every byte from the peer shows that it is alive, also below TLS: one TLS record may take half a
minute on a slow link. So does sent data that the peer's system acknowledges, or for which the
transport gets room: a ping waits behind the data that was sent before it.

Acknowledgements count only while the ping can still be under way, because a program may hang while
its system acknowledges data. Once everything has arrived, the ping included, the peer has
`timeout_s` to answer, and later acknowledgements do not count.
"""

from __future__ import annotations

from typing import Protocol

from streamplex.tx.tcp import Progress
from streamplex.tx.timers import SharedTimers, Tick

EARLY_PART = 0.02
"""A ping may be sent early by this part of its interval. The answer to the last ping came a moment
after that ping, and would otherwise need a second look a moment after the first one."""

SETTLED_S = 1.0
"""Seconds of silence after which a tunnel is not busy: longer than most round trips."""


class WatchedTunnel(Protocol):
    """The tunnel whose peer KeepAlive watches.

    `ask` sends a ping, `give_up` aborts the tunnel. `settle` frees memory that only a busy tunnel
    needs.
    """

    @property
    def is_deaf(self) -> bool:
        """Whether the tunnel has stopped reading. The peer's silence then means nothing."""

    @property
    def progress(self) -> Progress | None:
        """The number of bytes that the transport has received and sent; None if it is unknown."""

    def settle(self) -> None: ...
    def ask(self) -> None: ...
    def give_up(self) -> None: ...


class KeepAlive:
    """Detects that the peer of one tunnel is dead, by its silence. Uses one timer.

    After `interval_s` seconds of silence a ping is sent. After `timeout_s` more seconds the tunnel
    is given up.
    """

    __slots__ = (
        "_arrived",
        "_asked_at",
        "_heard_at",
        "_interval_s",
        "_look",
        "_received",
        "_taken",
        "_timeout_s",
        "_timers",
        "_tunnel",
    )

    def __init__(
        self, tunnel: WatchedTunnel, timers: SharedTimers, interval_s: float, timeout_s: float
    ) -> None:
        self._tunnel = tunnel
        self._timers = timers
        self._interval_s = interval_s
        self._timeout_s = timeout_s
        self._heard_at = timers.seconds()
        self._asked_at: float | None = (
            None  # when the ping was sent, or was acknowledged; None: no answer is due
        )
        self._arrived = False  # the ping has arrived at the peer's system
        self._note(tunnel.progress)
        self._look: Tick | None = timers.wake_in(interval_s, self)

    def heard(self) -> None:
        """Record that the peer sent something. This also counts as the answer to a ping."""
        self._heard_at = self._timers.seconds()
        self._asked_at = None

    def stop(self) -> None:
        """Stop watching the peer and cancel the timer."""
        if self._look is not None:
            self._timers.cancel(self._look, self)
            self._look = None

    def wake(self) -> None:
        """Called by the timers when it is time to look at the peer."""
        self._look = None
        if self._tunnel.is_deaf:
            self.heard()
        self._heed_progress()
        now = self._timers.seconds()
        due = self._due
        if now - self._heard_at >= SETTLED_S:
            self._tunnel.settle()
        if self._asked_at is not None:
            if due <= now:
                self._tunnel.give_up()
                return
        elif due <= now + self._interval_s * EARLY_PART:
            self._asked_at, self._arrived = now, False
            self._tunnel.ask()
            due = now + self._timeout_s
        self._look = self._timers.wake_in(due - now, self)

    @property
    def _due(self) -> float:
        """The time of the next ping, or of giving up, unless the peer is heard before."""
        if self._asked_at is None:
            return self._heard_at + self._interval_s
        return self._asked_at + self._timeout_s

    def _heed_progress(self) -> None:
        received, taken, now = self._received, self._taken, self._tunnel.progress
        self._note(now)
        if received is None or taken is None or now is None:
            return
        at = self._timers.seconds() - now.since_s
        if now.received != received or (now.taken > taken and now.under_way):
            self._heard_at = max(self._heard_at, at)
            self._asked_at = None
        elif now.taken > taken and self._asked_at is not None and not self._arrived:
            self._asked_at, self._arrived = max(self._asked_at, at), True

    def _note(self, progress: Progress | None) -> None:
        # Not the Progress itself: with its time it would take 100 bytes more of each tunnel.
        self._received = None if progress is None else progress.received
        self._taken = None if progress is None else progress.taken
