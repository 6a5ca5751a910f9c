"""Is the peer still there? Found out in seconds, where TCP alone takes a quarter of an hour.

    silent for `interval_s` -> asked (ping/1) -> silent for `timeout_s` more -> gone

All bytes from the peer are a sign of life, those below TLS too: a record of TLS may take half a
minute on a slow link. So is data that the peer's system acknowledges, or for which the transport
gets room, for a ping waits behind the data that was sent before it.

Acknowledgements count only while the ping can still be on its way. A program may hang while its
system goes on to acknowledge: once all has arrived, the ping included, the peer has `timeout_s` to
answer, and what is acknowledged after that counts for nothing.
"""

from __future__ import annotations

from typing import Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from streamplex.tx.tcp import Progress


class Asked(Protocol):
    """The tunnel whose peer is asked."""

    @property
    def is_deaf(self) -> bool:
        """It has stopped reading itself: silence says nothing about its peer."""

    @property
    def progress(self) -> Progress | None:
        """How far its transport has come, if that can be known."""

    def ask(self) -> None: ...
    def give_up(self) -> None: ...


class KeepAlive:
    """Watches over one tunnel, with one timer."""

    __slots__ = (
        "_arrived",
        "_asked_at",
        "_clock",
        "_heard_at",
        "_interval_s",
        "_look",
        "_progress",
        "_timeout_s",
        "_tunnel",
    )

    def __init__(
        self, tunnel: Asked, clock: IReactorTime, interval_s: float, timeout_s: float
    ) -> None:
        self._tunnel = tunnel
        self._clock = clock
        self._interval_s = interval_s
        self._timeout_s = timeout_s
        self._heard_at = clock.seconds()
        self._asked_at: float | None = None  # or the ping has arrived; and not heard since
        self._arrived = False  # the ping, at the peer's system
        self._progress = tunnel.progress  # at the last look
        self._look: IDelayedCall | None = clock.callLater(interval_s, self._looked)

    def heard(self) -> None:
        """A sign of life."""
        self._heard_at = self._clock.seconds()
        self._asked_at = None

    def stop(self) -> None:
        """Watch no longer."""
        if self._look is not None:
            self._look.cancel()
            self._look = None

    def _looked(self) -> None:
        self._look = None
        if self._tunnel.is_deaf:
            self.heard()
        self._heed_progress()
        now = self._clock.seconds()
        due = self._due
        if due <= now and self._asked_at is not None:
            self._tunnel.give_up()
            return
        if due <= now:
            self._asked_at, self._arrived = now, False
            self._tunnel.ask()
            due = now + self._timeout_s
        self._look = self._clock.callLater(due - now, self._looked)

    @property
    def _due(self) -> float:
        """When something is to be done unless there is a sign of life."""
        if self._asked_at is None:
            return self._heard_at + self._interval_s
        return self._asked_at + self._timeout_s

    def _heed_progress(self) -> None:
        before, now = self._progress, self._tunnel.progress
        self._progress = now
        if before is None or now is None:
            return
        at = self._clock.seconds() - now.since_s
        if now.received != before.received or (now.taken > before.taken and now.under_way):
            self._heard_at = max(self._heard_at, at)
            self._asked_at = None
        elif now.taken > before.taken and self._asked_at is not None and not self._arrived:
            self._asked_at, self._arrived = max(self._asked_at, at), True
