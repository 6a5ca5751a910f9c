"""`--only NAME` of the programs here: which measures a run is limited to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from bench.processes import BenchError


class Named(Protocol):
    """A measure, a row or a kind of work."""

    @property
    def name(self) -> str:
        """The name in the table, by which it is chosen."""
        ...


N = TypeVar("N", bound=Named)


def named(every: Sequence[N], names: Sequence[str]) -> list[N]:
    """Return those whose name begins with one of `names`; all of them if `names` is empty.

    Raises:
        BenchError: nothing begins with one of the names; the text lists what there is.
    """
    for name in names:
        if not any(one.name.startswith(name) for one in every):
            there_are = ", ".join(one.name for one in every)
            raise BenchError(f"--only {name}: nothing has such a name; there are: {there_are}")
    return [one for one in every if not names or one.name.startswith(tuple(names))]
