"""What is measured, in the order of the table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.contenders import Contender, Ground
from bench.device import transfer
from bench.load import Load
from bench.processes import BenchError, Usage
from bench.sizes import Sizes

DOWN, UP = "D", "U"
_NAMES = {DOWN: "down", UP: "up"}
_GB = 1e9
_MB = 1e6
_MIB = 1024  # in KiB
_SAMPLES = 100  # of held streams that are asked

_WARM_UP = 500  # substreams
_EACH_NUMBER_ONCE = 33_000  # by then a tunnel begins to use channel numbers again

Figures = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Stage:
    """Where a measure is made."""

    program: Path
    ground: Ground
    contender: Contender
    sizes: Sizes

    def load(self, *mode: object, options: Sequence[str] = ()) -> Load:
        return Load(self.program, [*self.contender.options(self.ground), *options], mode)

    def timed(
        self, *mode: object, options: Sequence[str] = ()
    ) -> tuple[Mapping[str, float], Usage]:
        """What the client found after its `ready`, and what that cost the server."""
        with self.load(*mode, options=options) as load:
            load.until_ready()
            before = self.contender.usage()
            load.go()
            found = load.figures()
            return found, self.contender.usage() - before

    def grown(self, load: Load) -> float:
        """KiB by which the server's memory grows between two stops of the client."""
        before = self.memory_kib(load)
        load.go()
        return self.memory_kib(load) - before

    def memory_kib(self, load: Load) -> float:
        """The server's at the client's next stop."""
        load.until_ready()
        return self.contender.usage().memory_kib


def everyone(_: Contender) -> bool:
    return True


def multiplexed(contender: Contender) -> bool:
    return contender.multiplexed


def ours(contender: Contender) -> bool:
    return contender.way == "tunnel" and contender.credit


def whole(contender: Contender) -> bool:
    """All but the proxy with less than it can, which is of interest in few."""
    return contender.way != "tunnel" or contender.credit


@dataclass(frozen=True, slots=True)
class Measure:
    """`name` selects it on the command line; `fresh`: on processes that did nothing before."""

    name: str
    run: Callable[[Stage], Figures]
    applies: Callable[[Contender], bool] = whole
    fresh: bool = False
    most_runs: int | None = None  # of what hardly varies, or takes long


def bulk(direction: str, streams: int) -> Measure:
    what = f"{_NAMES[direction]} {streams}"

    def run(stage: Stage) -> Figures:
        found, cost = stage.timed("bulk", direction, streams, stage.sizes.bulk_bytes)
        figures = {f"{what}, MB/s": found["nbytes"] / found["seconds"] / _MB}
        if stage.contender.served:
            figures[f"{what}, CPU s/GB"] = cost.cpu_s / found["nbytes"] * _GB
        return figures

    return Measure(what.replace(" ", "-"), run, everyone if streams == 1 else whole)


def device(direction: str) -> Measure:
    what = f"device {_NAMES[direction]} 1"

    def run(stage: Stage) -> Figures:
        nbytes = stage.sizes.bulk_bytes
        before = stage.contender.usage()
        found = transfer(stage.ground, stage.contender.port, direction, nbytes)
        cost = stage.contender.usage() - before
        return {
            f"{what}, MB/s": nbytes / found["seconds"] / _MB,
            f"{what}, CPU s/GB": cost.cpu_s / nbytes * _GB,
            f"{what}, its own CPU s/GB": found["cpu_s"] / nbytes * _GB,
        }

    return Measure(what.replace(" ", "-"), run, ours)


def opens(parallel: int) -> Measure:
    def run(stage: Stage) -> Figures:
        count = stage.sizes.opens
        if stage.contender.way == "tls":
            count //= 4  # a handshake each takes long, and varies little
        found, cost = stage.timed("opens", parallel, count)
        figures = {f"opens {parallel}, per s": found["per_s"]}
        if stage.contender.served:
            figures[f"opens {parallel}, CPU ms each"] = cost.cpu_s * 1e3 / count
        return figures

    return Measure(f"opens-{parallel}", run)


def echo(direction: str | None) -> Measure:
    what = f"echo beside {_NAMES[direction]}" if direction else "echo idle"

    def run(stage: Stage) -> Figures:
        beside = (direction, 1) if direction else ()
        found, _ = stage.timed("echo", stage.sizes.echoes, stage.sizes.echo_s, *beside)
        return {f"{what}, {part} ms": found[f"{part}_ms"] for part in ("p50", "p99")}

    return Measure(what.replace(" ", "-"), run)


def stall(direction: str) -> Measure:
    what = "reader stalls" if direction == DOWN else "target stalls"

    def run(stage: Stage) -> Figures:
        sizes = stage.sizes
        with stage.load("stall", direction, sizes.stalled_bytes, sizes.beside_bytes) as load:
            grown = stage.grown(load)  # it still stalls
            load.go()
            found = load.figures()
        return {
            f"{what}, memory MiB": grown / _MIB,
            f"{what}, others keep": found["beside_per_s"] / found["alone_per_s"],
        }

    return Measure(what.replace(" ", "-"), run, multiplexed, fresh=True)


def _held(stage: Stage, tunnels: int, substreams: int) -> tuple[float, Mapping[str, float]]:
    """KiB that so many take, and what the client found when it asked some of them."""
    with stage.load("idle", 1, 1, 1) as load:  # what the first one loads is no other's cost
        stage.grown(load)
    with stage.load("idle", tunnels, substreams, _SAMPLES) as load:
        grown_kib = stage.grown(load)
        load.go()
        return grown_kib, load.figures()


def _idle_substream(stage: Stage) -> Figures:
    count = stage.sizes.idle_substreams
    taken, _ = _held(stage, 1, count)
    return {"idle substream, KiB": taken / count}


def _idle_tunnel(stage: Stage) -> Figures:
    count = stage.sizes.idle_tunnels
    if stage.contender.multiplexed:
        taken, _ = _held(stage, count, 0)
    else:
        taken, _ = _held(stage, 1, count)
    return {"idle tunnel, KiB": taken / count}


def many(what: str, count: int) -> Measure:
    def run(stage: Stage) -> Figures:
        shape = (1, count) if what == "substreams" else (count, 0)
        taken, found = _held(stage, *shape)
        return {
            f"{count} {what}, KiB each": taken / count,
            f"{count} {what}, p50 ms": found["p50_ms"],
            f"{count} {what}, slowest answer ms": found["max_ms"],
        }

    return Measure(f"{what}-{count}", run, ours, fresh=True, most_runs=1)


def frames(piece: int) -> Measure:
    def run(stage: Stage) -> Figures:
        nbytes = min(stage.sizes.bulk_bytes, piece * stage.sizes.frames)
        found, cost = stage.timed("bulk", UP, 1, nbytes, options=("--piece", str(piece)))
        return {
            f"frames of {piece} up, CPU us each": cost.cpu_s * 1e6 / (nbytes / piece),
            f"frames of {piece} up, MB/s": found["nbytes"] / found["seconds"] / _MB,
        }

    return Measure(f"frames-{piece}", run, ours, most_runs=2)


def sequence(count: int) -> Measure:
    first = min(count, _EACH_NUMBER_ONCE)

    def run(stage: Stage) -> Figures:
        with stage.load("sequence", 50, _WARM_UP, first, count - first) as load:
            start = stage.memory_kib(load)
            load.go()
            middle = stage.memory_kib(load)
            load.go()
            end = stage.memory_kib(load)
            load.go()
            found = load.figures()
        what = f"{count} in sequence"
        return {
            f"{what}, memory MiB": (end - start) / _MIB,
            f"{what}, after the first {first} MiB": (end - middle) / _MIB,
            f"{what}, per s": found["per_s"],
        }

    return Measure("sequence", run, ours, fresh=True, most_runs=1)


def measures(sizes: Sizes) -> list[Measure]:
    return [
        *(bulk(direction, streams) for streams in (1, 4, 50) for direction in (DOWN, UP)),
        *(device(direction) for direction in (DOWN, UP)),
        *(opens(parallel) for parallel in (1, 50)),
        *(echo(beside) for beside in (None, DOWN, UP)),
        *(stall(direction) for direction in (DOWN, UP)),
        Measure(
            "idle-substream",
            _idle_substream,
            lambda contender: contender.multiplexed and whole(contender),
            fresh=True,
            most_runs=2,
        ),
        Measure(
            "idle-tunnel",
            _idle_tunnel,
            # an OpenSSH connection is two processes: nothing to compare with
            lambda contender: contender.way in ("tls", "tunnel") and whole(contender),
            fresh=True,
            most_runs=2,
        ),
        *(frames(piece) for piece in sizes.pieces),
        *(many("substreams", count) for count in sizes.substreams),
        *(many("tunnels", count) for count in sizes.tunnels),
        sequence(sizes.sequence),
    ]


def chosen(names: Sequence[str], sizes: Sizes) -> list[Measure]:
    """Those whose name begins with one of these; all, if there are none."""
    known = measures(sizes)
    found = [one for one in known if not names or one.name.startswith(tuple(names))]
    if not found:
        raise BenchError(f"no such measure; there are: {', '.join(one.name for one in known)}")
    return found
