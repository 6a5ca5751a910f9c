"""Statistics over several runs: the median, and the spread around it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, minimum and maximum of some runs."""

    median: float
    least: float
    greatest: float

    @classmethod
    def of(cls, runs: Sequence[float]) -> Spread:
        """Compute them. Raises ValueError if there are no runs."""
        if not runs:
            raise ValueError("no runs")
        return cls(median(runs), min(runs), max(runs))

    def __str__(self) -> str:
        if self.least == self.greatest:
            return shown(self.median)
        return f"{shown(self.median)} ({shown(self.least)}-{shown(self.greatest)})"


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Return the ratio of each run: values of the same run are compared, so that drift cancels out.

    Runs in which `theirs` is 0 are left out.
    """
    return [one / other for one, other in zip(ours, theirs, strict=False) if other]


def shown(value: float) -> str:
    """Return the value with three significant digits; more would be noise."""
    if value == 0:
        return "0"
    if abs(value) >= 100:  # noqa: PLR2004 -- three digits before the point
        return f"{value:.0f}"
    return f"{value:.3g}"
