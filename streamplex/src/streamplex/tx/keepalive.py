"""Is the peer still there? Found out in seconds, where TCP alone takes a quarter of an hour.

    silent for `interval_s` -> asked (ping/1) -> silent for `timeout_s` more -> gone

Whatever octets come from the peer are a sign of life, and so is room in the transport for more: on
a slow link that is full, the ping waits behind data, and must not be missed for that.
"""

from __future__ import annotations

from typing import Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime


class Asked(Protocol):
    """The tunnel whose peer is asked."""

    @property
    def is_deaf(self) -> bool:
        """It has stopped reading itself: silence says nothing about its peer."""

    def ask(self) -> None: ...
    def give_up(self) -> None: ...


class KeepAlive:
    """Watches over one tunnel, with one timer."""

    __slots__ = (
        "_asked_at",
        "_clock",
        "_heard_at",
        "_interval_s",
        "_look",
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
        self._asked_at: float | None = None  # and not heard since
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
        now = self._clock.seconds()
        if self._asked_at is not None:
            self._tunnel.give_up()
            return
        left_s = self._heard_at + self._interval_s - now
        if left_s <= 0:
            self._asked_at = now
            self._tunnel.ask()
            left_s = self._timeout_s
        self._look = self._clock.callLater(left_s, self._looked)
