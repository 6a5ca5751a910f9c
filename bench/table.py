"""Tables of results: one row per figure, one column per contender, and ratios to the proxy."""

from __future__ import annotations

from collections.abc import Sequence

from bench.results import Results
from bench.stats import Spread, ratios, shown

OURS = "proxy"
TWISTED = "Twisted forwarder"


def figures_table(results: Results) -> str:
    """Return medians with minimum and maximum; `xN`: the proxy's figure is N times as large."""
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
    if contender == OURS or not ratio or spread.least < 0:  # memory shrank: no ratio
        return str(spread)
    return f"{spread} x{shown(Spread.of(ratio).median)}"


def comparison_table(now: Results, then: Results) -> str:
    """Return the proxy's figures now and then, and the ratio of the two.

    The last column is the same ratio for the Twisted forwarder, which did not change: it shows the
    machine's drift.
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
    """Return the rows as text; the first column is aligned to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(_line(row, widths) for row in rows)


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = zip(row, widths, strict=True)
    return "  ".join([first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)])
