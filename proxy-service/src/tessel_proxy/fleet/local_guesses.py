"""Wrong tokens by source, for workers of one host."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.internet.interfaces import IReactorTime

MAX_SOURCES: Final = 16_384
"""Sources with wrong tokens to remember, as in limits/penalties.py. The oldest are dropped."""


class LocalGuesses:
    """Counts wrong tokens of sources, which are forgiven with time."""

    def __init__(self, clock: IReactorTime, guessed: Callable[[str, float], None]) -> None:
        """`guessed` is called with a source and its level when a wrong token was counted."""
        self._clock = clock
        self._guessed = guessed
        self._levels: dict[str, tuple[float, float]] = {}  # level, and when

    def count(self, source: str, more: int, allowance: int, refill_s: float) -> float:
        """Count `more` wrong tokens from `source`; return how many count now. See Engine."""
        now = self._clock.seconds()
        level, at = self._levels.pop(source, (0.0, now))
        level = max(0.0, level - (now - at) * allowance / refill_s) + more
        if level:
            self._levels[source] = (level, now)
        if len(self._levels) > MAX_SOURCES:
            del self._levels[next(iter(self._levels))]
        if more:
            self._guessed(source, level)
        return level
