"""What is measured: each turns one run of the client against one contender into figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.contenders import Contender, Ground
from bench.load import Load
from bench.processes import BenchError, Usage

DOWN, UP = "D", "U"
_NAMES = {DOWN: "down", UP: "up"}
_GB = 1e9
_MB = 1e6


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much of everything. The quick ones only tell whether the bench works."""

    bulk_octets: int
    opens: int
    echoes: int
    echo_s: float
    idle_substreams: int
    idle_tunnels: int
    stalled_octets: int
    sequence: int
    substreams: tuple[int, ...]
    tunnels: tuple[int, ...]


FULL = Sizes(
    bulk_octets=400 << 20,
    opens=1000,
    echoes=3000,
    echo_s=2.0,
    idle_substreams=1000,
    idle_tunnels=100,
    stalled_octets=200_000_000,
    sequence=200_000,
    substreams=(1, 100, 1000, 10_000),
    tunnels=(1, 10, 200, 2000),
)
QUICK = Sizes(
    bulk_octets=32 << 20,
    opens=50,
    echoes=200,
    echo_s=0.5,
    idle_substreams=100,
    idle_tunnels=10,
    stalled_octets=20_000_000,
    sequence=500,
    substreams=(1, 100),
    tunnels=(1, 10),
)

Figures = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Stage:
    """Where a measure is made."""

    program: Path
    ground: Ground
    contender: Contender
    sizes: Sizes

    def load(self, *mode: object, options: tuple[str, ...] = ()) -> Load:
        return Load(self.program, [*self.contender.options(self.ground), *options], mode)

    def timed(self, *mode: object, options: tuple[str, ...] = ()) -> tuple[dict[str, float], Usage]:
        """What the client found between its `ready` and its end, and what that cost the server."""
        with self.load(*mode, options=options) as load:
            load.until_ready()
            before = self.contender.usage()
            load.go()
            found = load.figures()
            return found, self.contender.usage() - before


@dataclass(frozen=True, slots=True)
class Measure:
    """`name` selects it on the command line. `fresh`: memory tells something of new processes only."""

    name: str
    run: Callable[[Stage], Figures]
    applies: Callable[[Contender], bool] = lambda _: True
    fresh: bool = False
    most_runs: int | None = None


def bulk(direction: str, streams: int) -> Measure:
    what = f"{_NAMES[direction]} {streams}"

    def run(stage: Stage) -> Figures:
        found, cost = stage.timed("bulk", direction, streams, stage.sizes.bulk_octets)
        figures = {f"{what}, MB/s": found["octets"] / found["seconds"] / _MB}
        if stage.contender.served:
            figures[f"{what}, CPU s/GB"] = cost.cpu_s / found["octets"] * _GB
        return figures

    return Measure(what.replace(" ", "-"), run)


MEASURES = [bulk(direction, streams) for streams in (1, 4, 50) for direction in (DOWN, UP)]


def chosen(names: list[str]) -> list[Measure]:
    """Those whose name begins with one of these; all, if there are none."""
    if not names:
        return MEASURES
    found = [measure for measure in MEASURES if measure.name.startswith(tuple(names))]
    if not found:
        raise BenchError(f"no such measure; there are: {', '.join(m.name for m in MEASURES)}")
    return found
