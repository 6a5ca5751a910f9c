"""What was measured: all runs of each figure by contender; and as JSON, to compare with later."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.processes import BenchError
from bench.stats import Spread


@dataclass(slots=True)
class Results:
    """Runs in the order in which they were made; a run that failed is missing, with its reason."""

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
        """Those with a figure, in the order of their first."""
        return list(dict.fromkeys(name for row in self.runs.values() for name in row))

    def save(self, file: Path, *, date: str, commit: str) -> None:
        said = {"date": date, "commit": commit, "runs": self.runs, "failures": self.failures}
        file.write_text(json.dumps(said, indent=1) + "\n")

    @classmethod
    def load(cls, file: Path) -> Results:
        try:
            said = json.loads(file.read_text())
            return cls(said["runs"], said["failures"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BenchError(f"{file} is no result of an earlier run: {error}") from error
