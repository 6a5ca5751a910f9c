"""Bars and goals for the proxy, and whether it meets them. A goal is stricter than a bar.

A claim against another contender uses the ratio of the two in each run, and the median of these
ratios: figures differ between machines, ratios on the same machine can be compared.
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
    """A maximum; or a minimum, if `least`."""

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
    """Bounds for a figure of the proxy, or for its ratio to a contender's figure."""

    figure: str
    against: str | None = None  # a contender; None: the figure itself is compared
    against_figure: str | None = None  # None: the contender's figure of the same name
    bar: Bound | None = None
    goal: Bound | None = None

    def spread(self, results: Results) -> Spread | None:
        """Return the figure's or the ratio's spread; None if it was not measured."""
        runs = results.of(self.figure, OURS)
        if self.against:
            theirs = results.of(self.against_figure or self.figure, self.against)
            runs = ratios(runs, theirs)
        return Spread.of(runs) if runs else None

    def verdict(self, value: float) -> str:
        """Return which bounds the value meets, as the last cell of the table."""
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
        """Return the claim's row of the table."""
        spread = self.spread(results)
        verdict = self.verdict(spread.median) if spread else "not measured"
        cells = (spread, self.bar, self.goal)
        return [self._title, *("-" if cell is None else str(cell) for cell in cells), verdict]


HEAD = ("", "median (min-max)", "bar", "goal", "")

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
    Claim("up 50, MB/s", OURS, "up 1, MB/s", bar=at_least(0.9), goal=at_least(1)),
    Claim("down 50, MB/s", OPENSSH, bar=at_least(1), goal=at_least(1.3)),
    Claim("up 50, MB/s", OPENSSH, bar=at_least(1.6), goal=at_least(2)),
    Claim("opens 1, per s", OPENSSH, bar=at_least(1.1), goal=at_least(1.3)),
    Claim("opens 50, per s", OPENSSH, bar=at_least(0.9), goal=at_least(1.2)),
    Claim("echo beside down, p50 ms", OPENSSH, bar=at_most(1)),
    Claim("echo beside down, p99 ms", OPENSSH, bar=at_most(1.2)),
    Claim("echo beside down, p99 ms", goal=at_most(5)),
    Claim("echo beside up, p50 ms", OPENSSH, bar=at_most(1)),
    Claim("echo beside up, p99 ms", OPENSSH, bar=at_most(1.2)),
    Claim("echo beside up, p99 ms", goal=at_most(5)),
    Claim("reader stalls, memory MiB", bar=at_most(8)),
    Claim("reader stalls, others keep", bar=at_least(0.9), goal=at_least(0.97)),
    Claim("target stalls, memory MiB", bar=at_most(8)),
    Claim("target stalls, others keep", bar=at_least(0.9), goal=at_least(0.97)),
    Claim("idle tunnel, KiB", bar=at_most(25), goal=at_most(20)),
    Claim("idle substream, KiB", bar=at_most(4), goal=at_most(2)),
    Claim("10000 substreams, slowest answer ms", bar=at_most(50)),
    Claim("2000 tunnels, slowest answer ms", bar=at_most(50)),
    # memory that malloc does not return varies by this much
    Claim("200000 in sequence, memory MiB", bar=at_most(1)),
)


def bars_table(results: Results) -> Sequence[Sequence[str]]:
    """Return a row for each claim whose figure was measured."""
    return [HEAD, *(claim.row(results) for claim in CLAIMS if results.of(claim.figure, OURS))]
