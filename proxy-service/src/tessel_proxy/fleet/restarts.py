"""When a worker that has died is started again: at once, and later and later if it dies again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

STABLE_S: Final = 60.0
"""Seconds of life after which the death of a worker counts as its first again."""

FIRST_PAUSE_S: Final = 0.5
"""Pause before the second restart in a row; it doubles each time. The first restart is at once,
because a single crash leaves connections waiting."""

LONGEST_PAUSE_S: Final = 30.0
"""A worker that cannot start takes a second of a core each time, so this costs 3 % of a core."""

LOOP: Final = 3
"""Early deaths in a row that make a crash loop: the proxy is then not ready."""


@dataclass(slots=True)
class Restarts:
    """Counts the early deaths of one worker in a row, and says how long to wait."""

    early_deaths: int = 0

    def died(self, lived_s: float) -> float:
        """Note a death after `lived_s` seconds; return the seconds to wait before the restart."""
        if lived_s >= STABLE_S:
            self.early_deaths = 0
        self.early_deaths += 1
        if self.early_deaths == 1:
            return 0.0
        doublings = min(self.early_deaths - 2, 16)  # far above the longest pause
        return min(FIRST_PAUSE_S * 2.0**doublings, LONGEST_PAUSE_S)

    def has_lived(self, lived_s: float) -> None:
        """Note that the worker lives: after STABLE_S its early deaths are forgotten."""
        if lived_s >= STABLE_S:
            self.early_deaths = 0

    @property
    def is_loop(self) -> bool:
        """Whether the worker has died so often that it is not expected to recover."""
        return self.early_deaths >= LOOP
