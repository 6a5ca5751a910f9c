"""The reactor's lag: how much later than asked for a timer fires.

While the reactor runs a long call, nobody is served, and a timer that is due meanwhile is late by
the rest of the call.
"""

from __future__ import annotations

from typing import Final

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from tessel_proxy.records.durations import Histogram

LOOK_S: Final = 0.5
"""Seconds between two measurements. One costs some 30 microseconds, so this is less than 0.01 % of
a core; a reactor that is busy for longer than this at a time is always noticed."""


class LagWatch:
    """Measures the reactor's lag twice a second into a histogram, from `start` to `stop`."""

    def __init__(self, clock: IReactorTime, lag: Histogram) -> None:
        self._clock = clock
        self._lag = lag
        self._call: IDelayedCall | None = None

    def start(self) -> None:
        """Begin to measure."""
        self._call = self._clock.callLater(LOOK_S, self._look, self._clock.seconds() + LOOK_S)

    def _look(self, due: float) -> None:
        self._lag.observe(max(0.0, self._clock.seconds() - due))
        self.start()

    def stop(self) -> None:
        """Stop measuring; without a start do nothing."""
        if self._call is not None and self._call.active():
            self._call.cancel()
