"""What several runs of a measurement come to: the median, and the noise around it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, least and greatest of some runs."""

    median: float
    least: float
    greatest: float

    @classmethod
    def of(cls, runs: Sequence[float]) -> Spread:
        """Raises ValueError for no runs at all."""
        if not runs:
            raise ValueError("no runs")
        return cls(median(runs), min(runs), max(runs))

    def __str__(self) -> str:
        if self.least == self.greatest:
            return shown(self.median)
        return f"{shown(self.median)} ({shown(self.least)}-{shown(self.greatest)})"


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Run by run: what was measured side by side is compared, so that drift drops out.

    Runs in which theirs is nothing cannot be compared and are left out.
    """
    return [one / other for one, other in zip(ours, theirs, strict=False) if other]


def shown(value: float) -> str:
    """Three digits: more would be noise."""
    if value == 0:
        return "0"
    if abs(value) >= 100:  # noqa: PLR2004 -- three digits before the point
        return f"{value:.0f}"
    return f"{value:.3g}"
