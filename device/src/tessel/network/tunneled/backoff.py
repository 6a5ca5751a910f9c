"""Backoff of the attempts to reach the proxy: full jitter with a cap. Pure."""

from __future__ import annotations

from collections.abc import Callable

from tessel.network.limits import BACKOFF_BASE_S, BACKOFF_CAP_S

_MAX_DOUBLINGS = 16  # above the cap anyway; limits the power


class Backoff:
    """Computes how long to wait before the next attempt to reach the proxy.

    It counts failures in a row. `random` returns numbers from 0 to 1. Times are clock times in
    seconds.
    """

    def __init__(self, random: Callable[[], float]) -> None:
        self._random = random
        self._failures = 0
        self._not_before_s = 0.0

    def failed(self, now_s: float) -> None:
        """Count a failed attempt at `now_s`. The next attempt waits a random time."""
        longest = min(BACKOFF_CAP_S, BACKOFF_BASE_S * 2 ** min(self._failures, _MAX_DOUBLINGS))
        self._failures += 1
        self._not_before_s = now_s + self._random() * longest

    def lost_soon(self, now_s: float) -> None:
        """Count a tunnel that was lost soon after it opened. The first in a row causes no wait."""
        if self._failures:
            self.failed(now_s)
        else:
            self._failures = 1

    def hold_off(self, until_s: float) -> None:
        """Allow no attempt before `until_s`, because the proxy asked for this. It is no failure."""
        self._not_before_s = max(self._not_before_s, until_s)

    def succeeded(self) -> None:
        """Reset the count of failures. A wait that the proxy asked for stays."""
        self._failures = 0

    def wait_s(self, now_s: float) -> float:
        """Return the seconds to wait before the next attempt."""
        return max(0.0, self._not_before_s - now_s)
