"""The results: all runs of each figure, by contender. They can be saved as JSON and compared."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.processes import BenchError
from bench.stats import Spread


@dataclass(slots=True)
class Results:
    """Values by figure and contender, in the order of the runs. Failed runs are in `failures`."""

    runs: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def add(self, figure: str, contender: str, value: float) -> None:
        self.runs.setdefault(figure, {}).setdefault(contender, []).append(value)

    def of(self, figure: str, contender: str) -> Sequence[float]:
        return self.runs.get(figure, {}).get(contender, ())

    def spread(self, figure: str, contender: str) -> Spread | None:
        runs = self.of(figure, contender)
        return Spread.of(runs) if runs else None

    @property
    def figures(self) -> Iterator[str]:
        return iter(self.runs)

    @property
    def contenders(self) -> Sequence[str]:
        """The contenders that have figures."""
        return list(dict.fromkeys(name for row in self.runs.values() for name in row))

    def save(self, file: Path, *, date: str, commit: str) -> None:
        saved = {"date": date, "commit": commit, "runs": self.runs, "failures": self.failures}
        file.write_text(json.dumps(saved, indent=1) + "\n")

    @classmethod
    def load(cls, file: Path) -> Results:
        try:
            saved = json.loads(file.read_text())
            return cls(saved["runs"], saved["failures"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BenchError(f"{file} is not the result of a run: {error}") from error
