"""How long steps take: histograms in seconds, for the metrics.

A histogram is an array of integers. To count a duration costs one binary search and two additions;
the sums that Prometheus wants are made when the metrics are read.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final

STEP_BOUNDS_S: Final = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0),
)
"""Bounds of steps that wait for another machine: on a local network they take 1 ms, over a bad link
seconds, and the settings allow minutes."""

LIFE_BOUNDS_S: Final = (
    *(0.01, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0),
    *(60.0, 300.0, 900.0, 3_600.0, 21_600.0, 86_400.0),
)
"""Bounds of substreams: from one small request to a connection that is kept for days."""

LAG_BOUNDS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Bounds of the reactor's lag: below 1 ms is the timer's own resolution, 50 ms can be felt by a
person who types, and after 5 s peers begin to give up."""


class Histogram:
    """Counts durations by size; `bounds_s` are the largest durations of each bucket, ascending.

    A last bucket has those that are longer than all bounds.
    """

    __slots__ = ("bounds_s", "counts", "sum_s")

    def __init__(self, bounds_s: Sequence[float] = STEP_BOUNDS_S) -> None:
        self.bounds_s = bounds_s
        self.counts = [0] * (len(bounds_s) + 1)
        self.sum_s = 0.0

    def observe(self, seconds: float) -> None:
        """Count one duration."""
        self.counts[bisect_left(self.bounds_s, seconds)] += 1
        self.sum_s += seconds

    def cumulative(self) -> Iterator[tuple[float, int]]:
        """Yield each bound in seconds, and how many durations were at most as long; last all."""
        yield from zip((*self.bounds_s, float("inf")), accumulate(self.counts), strict=True)


@dataclass(frozen=True, slots=True)
class Durations:
    """The histograms of one process.

    A step counts when it ends, also if it failed or was given up: a name server that does not
    answer shows in the look-ups. A device's TLS handshake counts only if it was completed, because
    most others are no devices. A substream counts from its opening to its end.
    """

    lookup: Histogram = field(default_factory=Histogram)
    dial: Histogram = field(default_factory=Histogram)
    target_tls: Histogram = field(default_factory=Histogram)
    handshake: Histogram = field(default_factory=Histogram)
    token_check: Histogram = field(default_factory=Histogram)
    substream: Histogram = field(default_factory=lambda: Histogram(LIFE_BOUNDS_S))
    reactor_lag: Histogram = field(default_factory=lambda: Histogram(LAG_BOUNDS_S))
