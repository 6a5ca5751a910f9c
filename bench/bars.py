"""What the proxy is to reach: bars, goals beyond them, and whether they are met.

Where a bar is against another contender, what counts is the ratio of each run, and the median of
those: machines differ, what ran side by side on one can be compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.results import Results
from bench.stats import Spread, ratios, shown
from bench.table import OURS, TWISTED

OPENSSH = "OpenSSH -D"


@dataclass(frozen=True, slots=True)
class Bound:
    """A greatest value that is allowed, or a least one."""

    limit: float
    least: bool = False

    def holds(self, value: float) -> bool:
        return value >= self.limit if self.least else value <= self.limit

    def __str__(self) -> str:
        return f"{'>=' if self.least else '<='} {shown(self.limit)}"


def at_most(limit: float) -> Bound:
    return Bound(limit)


def at_least(limit: float) -> Bound:
    return Bound(limit, least=True)


@dataclass(frozen=True, slots=True)
class Claim:
    """A figure of ours, by itself or as a multiple of a contender's, and what it is to be."""

    figure: str
    against: str | None = None
    against_figure: str | None = None  # unless it is the same
    bar: Bound | None = None
    goal: Bound | None = None

    def spread(self, results: Results) -> Spread | None:
        """None: it was not measured."""
        runs = results.of(self.figure, OURS)
        if self.against:
            theirs = results.of(self.against_figure or self.figure, self.against)
            runs = ratios(runs, theirs)
        return Spread.of(runs) if runs else None

    def verdict(self, value: float) -> str:
        if self.bar and not self.bar.holds(value):
            return f"missed: {shown(value)} of {shown(self.bar.limit)}"
        if self.goal and self.goal.holds(value):
            return "goal met"
        if self.bar:
            return "met"
        return f"goal missed: {shown(value)} of {shown(self.goal.limit)}" if self.goal else "-"

    @property
    def _title(self) -> str:
        if not self.against:
            return self.figure
        whose = "own" if self.against == OURS else self.against
        return f"{self.figure} / {whose}{f' {self.against_figure}' if self.against_figure else ''}"

    def row(self, results: Results) -> Sequence[str]:
        spread = self.spread(results)
        verdict = self.verdict(spread.median) if spread else "not measured"
        cells = (spread, self.bar, self.goal)
        return [self._title, *("-" if cell is None else str(cell) for cell in cells), verdict]


HEAD = ("", "median (least-greatest)", "bar", "goal", "")

CLAIMS = (
    Claim("down 1, CPU s/GB", TWISTED, bar=at_most(0.6), goal=at_most(0.4)),
    Claim("up 1, CPU s/GB", TWISTED, bar=at_most(0.6), goal=at_most(0.4)),
    Claim("down 1, CPU s/GB", OPENSSH, goal=at_most(1)),
    Claim("up 1, CPU s/GB", OPENSSH, goal=at_most(1)),
    Claim("down 1, MB/s", TWISTED, bar=at_least(1.7)),
    Claim("up 1, MB/s", TWISTED, bar=at_least(1.7)),
    Claim("down 1, MB/s", OPENSSH, goal=at_least(1)),
    Claim("up 1, MB/s", OPENSSH, goal=at_least(1)),
    Claim("down 50, MB/s", OURS, "down 1, MB/s", bar=at_least(0.9)),
    Claim("up 50, MB/s", OURS, "up 1, MB/s", bar=at_least(0.9)),
    Claim("down 50, MB/s", OPENSSH, bar=at_least(1)),
    Claim("up 50, MB/s", OPENSSH, bar=at_least(1)),
    Claim("opens 1, per s", OPENSSH, bar=at_least(1), goal=at_least(1.05)),
    Claim("opens 50, per s", OPENSSH, bar=at_least(0.7), goal=at_least(1.05)),
    Claim("echo beside down, p50 ms", OPENSSH, bar=at_most(1)),
    Claim("echo beside down, p99 ms", OPENSSH, bar=at_most(1.2)),
    Claim("echo beside down, p99 ms", goal=at_most(5)),
    Claim("echo beside up, p50 ms", OPENSSH, bar=at_most(1)),
    Claim("echo beside up, p99 ms", OPENSSH, bar=at_most(1.2)),
    Claim("echo beside up, p99 ms", goal=at_most(5)),
    Claim("reader stalls, memory MiB", bar=at_most(8)),
    Claim("reader stalls, others keep", bar=at_least(0.9)),
    Claim("target stalls, memory MiB", bar=at_most(8)),
    Claim("target stalls, others keep", bar=at_least(0.9)),
    Claim("idle tunnel, KiB", bar=at_most(40), goal=at_most(20)),
    Claim("idle substream, KiB", bar=at_most(4), goal=at_most(2)),
    Claim("10000 substreams, slowest answer ms", bar=at_most(50)),
    Claim("2000 tunnels, slowest answer ms", bar=at_most(50)),
    # what malloc keeps back differs by this much from one moment to the next
    Claim("200000 in sequence, memory MiB", bar=at_most(1)),
)


def bars_table(results: Results) -> Sequence[Sequence[str]]:
    """A line for each claim of which something was measured."""
    return [HEAD, *(claim.row(results) for claim in CLAIMS if results.of(claim.figure, OURS))]
