"""The kept table of instructions: what it holds, how it is stored, compared and printed."""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.callgrind import Counts
from bench.processes import BenchError
from bench.table import aligned

FUNCTIONS = 20  # those that cost most, of each kind of work


@dataclass(frozen=True, slots=True)
class Figure:
    """Instructions for one unit of a kind of work; `functions` the parts that cost most."""

    per: str
    instructions: float
    functions: Sequence[tuple[str, float]]

    @classmethod
    def of(cls, per: str, more: Counts, count: int) -> Figure:
        """Return the figure of `count` units that took the instructions `more`."""
        functions = [(name, _rounded(cost / count)) for name, cost in more.most(FUNCTIONS)]
        return cls(per, _rounded(more.instructions / count), functions)


Figures = Mapping[str, Figure]


def build() -> str:
    """Return what instructions depend on: the build of Python, the machine, the C library."""
    return f"Python {sys.version.replace(chr(10), ' ')}, {platform.machine()}, {_libc()}"


def _libc() -> str:
    return " ".join(platform.libc_ver())


def load_tables(file: Path) -> dict[str, Figures]:
    """Return the stored figures, by the build of Python that they hold for."""
    try:
        saved = json.loads(file.read_text())
        return {
            build: {
                name: Figure(row["per"], row["instructions"], list(row["functions"].items()))
                for name, row in figures.items()
            }
            for build, figures in saved.items()
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BenchError(f"{file} is not a table of instructions: {error}") from error


def save_tables(file: Path, tables: Mapping[str, Figures]) -> None:
    """Store the figures of each build of Python."""
    rows = {
        build: {
            name: {
                "per": figure.per,
                "instructions": figure.instructions,
                "functions": dict(figure.functions),
            }
            for name, figure in figures.items()
        }
        for build, figures in tables.items()
    }
    file.write_text(json.dumps(rows, indent=1) + "\n")


def comparison(now: Figures, then: Figures) -> str:
    """Return a table of the figures, with their ratio to the stored ones."""
    head = ["instructions", "per", "now", "stored", "ratio"]
    rows = [_row(name, figure, then.get(name)) for name, figure in now.items()]
    return aligned([head, *rows])


def _row(name: str, figure: Figure, stored: Figure | None) -> list[str]:
    now = _shown(figure.instructions)
    if stored is None:
        return [name, figure.per, now, "-", "-"]
    ratio = figure.instructions / stored.instructions
    return [name, figure.per, now, _shown(stored.instructions), f"{ratio:.3f}"]


def least(now: Figures, again: Figures) -> Figures:
    """Return the figures of `now`, or the lower ones of `again`."""
    lower = {
        name: figure
        for name, figure in again.items()
        if figure.instructions < now[name].instructions
    }
    return {**now, **lower}


def profile(name: str, figure: Figure) -> str:
    """Return the functions that cost most, with their part of the whole."""
    lines = [
        f"  {cost / figure.instructions:6.1%} {_shown(cost):>10} {function}"
        for function, cost in figure.functions
    ]
    return "\n".join([f"{name}, per {figure.per}: {_shown(figure.instructions)}", *lines])


def _rounded(value: float) -> float:
    return round(value) if abs(value) >= 1000 else round(value, 3)  # noqa: PLR2004 -- four digits


def _shown(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3f}"  # noqa: PLR2004 -- as above
