"""The table: a line for each figure, a column for each contender, and how ours compares."""

from __future__ import annotations

from collections.abc import Sequence

from bench.results import Results
from bench.stats import Spread, ratios, shown

OURS = "proxy"
TWISTED = "Twisted forwarder"


def figures_table(results: Results) -> str:
    """Medians with least and greatest; after those of others how many times as much ours is."""
    contenders = results.contenders
    head = ["", *contenders]
    rows = [
        [figure, *(_cell(results, figure, name) for name in contenders)]
        for figure in results.figures
    ]
    return aligned([head, *rows])


def _cell(results: Results, figure: str, contender: str) -> str:
    spread = results.spread(figure, contender)
    if spread is None:
        return "-"
    ratio = ratios(results.of(figure, OURS), results.of(figure, contender))
    if contender == OURS or not ratio or spread.least < 0:  # what shrank is no measure
        return str(spread)
    return f"{spread} x{shown(Spread.of(ratio).median)}"


def comparison_table(now: Results, then: Results) -> str:
    """Of each figure of ours: now, then, and now as a multiple of then.

    Beside it the same of the plain forwarder, which nobody changed: that is the machine's drift.
    """
    rows = [
        [
            figure,
            str(now.spread(figure, OURS)),
            str(then.spread(figure, OURS)),
            _change(now, then, figure, OURS),
            _change(now, then, figure, TWISTED),
        ]
        for figure in now.figures
        if now.of(figure, OURS) and then.of(figure, OURS)
    ]
    return aligned([["", "now", "then", "now / then", f"{TWISTED}'s"], *rows])


def _change(now: Results, then: Results, figure: str, contender: str) -> str:
    new, old = now.spread(figure, contender), then.spread(figure, contender)
    return shown(new.median / old.median) if new and old and old.median else "-"


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """First column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(_line(row, widths) for row in rows)


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = zip(row, widths, strict=True)
    return "  ".join([first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)])
