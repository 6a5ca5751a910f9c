"""When a proxy that could not be reached may be tried again: full jitter, capped. Pure."""

from __future__ import annotations

from collections.abc import Callable

from tessel.network.limits import BACKOFF_BASE_S, BACKOFF_CAP_S

_MOST_DOUBLINGS = 16  # past the cap anyway; keeps the power small


class Backoff:
    """Counts failures in a row. `random` gives numbers from 0 to 1."""

    def __init__(self, random: Callable[[], float]) -> None:
        self._random = random
        self._failures = 0
        self._not_before_s = 0.0

    def failed(self, now_s: float) -> None:
        longest = min(BACKOFF_CAP_S, BACKOFF_BASE_S * 2 ** min(self._failures, _MOST_DOUBLINGS))
        self._failures += 1
        self._not_before_s = now_s + self._random() * longest

    def lost_soon(self, now_s: float) -> None:
        """The proxy was reached, but not for long. The first time the next attempt is at once."""
        if self._failures:
            self.failed(now_s)
        else:
            self._failures = 1

    def hold_off(self, until_s: float) -> None:
        """The proxy asks for patience; no failure."""
        self._not_before_s = max(self._not_before_s, until_s)

    def succeeded(self) -> None:
        """The next failure is the first in a row. A wait that was asked for meanwhile stays."""
        self._failures = 0

    def wait_s(self, now_s: float) -> float:
        return max(0.0, self._not_before_s - now_s)
