"""Tables for a terminal: aligned, and no wider than it. A pure function of rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from tessel_proxy.console.units import cut, plain, width

GAP: Final = "  "
NARROWEST: Final = 6
"""Columns below which a text is not shortened."""

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its heading, and how a cell is made of a row. Numbers are aligned to the right.

    `is_exact`: never shortened, because people copy it. `dropped`: which columns a narrow terminal
    does without, first 1, then 2, and so on; 0: never.
    """

    heading: str
    cell: Callable[[Row], str]
    is_number: bool = False
    is_exact: bool = False
    dropped: int = 0


def field(heading: str, name: str) -> Column:
    """Return a column that shows a field as it is."""
    return Column(heading, lambda row: plain(row.get(name)))


def identifier(heading: str, name: str) -> Column:
    """Return a column of names that people copy into other commands."""
    return replace(field(heading, name), is_exact=True)


def number(heading: str, cell: Callable[[Row], str]) -> Column:
    """Return a column of numbers."""
    return Column(heading, cell, is_number=True)


def table(columns: Sequence[Column], rows: Sequence[Row], columns_wide: int | None) -> list[str]:
    """Return the lines of a table, with its headings.

    `columns_wide`: columns of the terminal; the widest texts are shortened for it, columns that
    may be dropped are, and what is still too long is cut. None: no limit.
    """
    cells = [[each.cell(row) for each in columns] for row in rows]
    headings = [each.heading for each in columns]
    widths = [max(map(width, texts)) for texts in zip(headings, *cells, strict=True)]
    if columns_wide is not None:
        _shrink(widths, columns, columns_wide)
        if _total(widths) > columns_wide and any(each.dropped for each in columns):
            return table(_without_one(columns), rows, columns_wide)
    lines = [_line(columns, widths, each) for each in (headings, *cells)]
    return lines if columns_wide is None else [cut(each, columns_wide) for each in lines]


def _shrink(widths: list[int], columns: Sequence[Column], columns_wide: int) -> None:
    """Take columns from the widest texts until all fit, or each is as narrow as allowed."""
    excess = _total(widths) - columns_wide
    fixed = (each.is_number or each.is_exact for each in columns)
    texts = [place for place, is_fixed in enumerate(fixed) if not is_fixed]
    while excess > 0 and texts:
        widest = max(texts, key=lambda place: widths[place])
        if widths[widest] <= NARROWEST:
            return
        widths[widest] -= 1
        excess -= 1


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(GAP) * (len(widths) - 1)


def _without_one(columns: Sequence[Column]) -> list[Column]:
    """Return the columns without the one that is dropped first."""
    first = min((each for each in columns if each.dropped), key=lambda each: each.dropped)
    return [each for each in columns if each is not first]


def _line(columns: Sequence[Column], widths: Sequence[int], texts: Sequence[str]) -> str:
    cells = []
    for column, columns_wide, text in zip(columns, widths, texts, strict=True):
        shown = cut(text, columns_wide)
        blank = " " * (columns_wide - width(shown))
        cells.append(blank + shown if column.is_number else shown + blank)
    return GAP.join(cells).rstrip()
