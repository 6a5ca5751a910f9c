"""The measures, in the order of the table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.contenders import Contender, Setup
from bench.device import transfer
from bench.load import Load
from bench.processes import Usage
from bench.sizes import Sizes

DOWN, UP = "D", "U"
_NAMES = {DOWN: "down", UP: "up"}
_GB = 1e9
_MB = 1e6
_MIB = 1024  # in KiB
_SAMPLES = 100  # number of idle streams that are tested for their response time

_WARM_UP = 500  # substreams
_EACH_NUMBER_ONCE = 33_000  # substreams after which a tunnel reuses channel numbers

Figures = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Stage:
    """The contender that is measured, with client, setup and sizes."""

    program: Path
    setup: Setup
    contender: Contender
    sizes: Sizes

    def load(self, *mode: object, options: Sequence[str] = ()) -> Load:
        """Start the client in a mode of native/modes.c."""
        return Load(self.program, [*self.contender.options(self.setup), *options], mode)

    def timed(
        self, *mode: object, options: Sequence[str] = ()
    ) -> tuple[Mapping[str, float], Usage]:
        """Run the client; return its results, and the server's usage from its `ready` on."""
        with self.load(*mode, options=options) as load:
            load.until_ready()
            before = self.contender.usage()
            load.go()
            found = load.figures()
            return found, self.contender.usage() - before

    def grown(self, load: Load) -> float:
        """Return by how many KiB the server's memory grows between two stops of the client."""
        before = self.memory_kib(load)
        load.go()
        return self.memory_kib(load) - before

    def memory_kib(self, load: Load) -> float:
        """Return the server's memory at the client's next stop."""
        load.until_ready()
        return self.contender.usage().memory_kib


def everyone(_: Contender) -> bool:
    """Select all contenders."""
    return True


def multiplexed(contender: Contender) -> bool:
    """Select contenders whose streams share a connection."""
    return contender.multiplexed


def ours(contender: Contender) -> bool:
    """Select the proxy with flow control."""
    return contender.way == "tunnel" and contender.credit


def with_all_features(contender: Contender) -> bool:
    """Select all contenders but the proxy without flow control."""
    return contender.way != "tunnel" or contender.credit


@dataclass(frozen=True, slots=True)
class Measure:
    """Something that is measured for each contender that `applies` selects."""

    name: str  # for --only
    run: Callable[[Stage], Figures]
    applies: Callable[[Contender], bool] = with_all_features
    fresh: bool = False  # start new processes for it
    most_runs: int | None = None  # for measures that hardly vary or take long


def bulk(direction: str, streams: int) -> Measure:
    """Throughput and CPU time of a transfer over some streams at a time."""
    what = f"{_NAMES[direction]} {streams}"

    def run(stage: Stage) -> Figures:
        found, cost = stage.timed("bulk", direction, streams, stage.sizes.bulk_bytes)
        figures = {f"{what}, MB/s": found["bytes"] / found["seconds"] / _MB}
        if stage.contender.served:
            figures[f"{what}, CPU s/GB"] = cost.cpu_s / found["bytes"] * _GB
        return figures

    return Measure(what.replace(" ", "-"), run, everyone if streams == 1 else with_all_features)


def device(direction: str) -> Measure:
    """Throughput and CPU time of a transfer by a program on the simulated device."""
    what = f"device {_NAMES[direction]} 1"

    def run(stage: Stage) -> Figures:
        nbytes = stage.sizes.bulk_bytes
        before = stage.contender.usage()
        found = transfer(stage.setup, stage.contender.port, direction, nbytes)
        cost = stage.contender.usage() - before
        return {
            f"{what}, MB/s": nbytes / found["seconds"] / _MB,
            f"{what}, CPU s/GB": cost.cpu_s / nbytes * _GB,
            f"{what}, its own CPU s/GB": found["cpu_s"] / nbytes * _GB,
        }

    return Measure(what.replace(" ", "-"), run, ours)


def opens(parallel: int) -> Measure:
    """Streams that are opened, used for one byte and closed, per second."""

    def run(stage: Stage) -> Figures:
        count = stage.sizes.opens
        if stage.contender.way == "tls":
            count //= 4  # a handshake for each takes long, and varies little
        found, cost = stage.timed("opens", parallel, count)
        figures = {f"opens {parallel}, per s": found["per_s"]}
        if stage.contender.served:
            figures[f"opens {parallel}, CPU ms each"] = cost.cpu_s * 1e3 / count
        return figures

    return Measure(f"opens-{parallel}", run)


def echo(direction: str | None) -> Measure:
    """Round-trip time of one byte, alone or during a transfer in the same tunnel."""
    what = f"echo beside {_NAMES[direction]}" if direction else "echo idle"

    def run(stage: Stage) -> Figures:
        beside = (direction, 1) if direction else ()
        found, _ = stage.timed("echo", stage.sizes.echoes, stage.sizes.echo_s, *beside)
        return {f"{what}, {part} ms": found[f"{part}_ms"] for part in ("p50", "p99")}

    return Measure(what.replace(" ", "-"), run)


def stall(direction: str) -> Measure:
    """Memory for a stream that is not read, and throughput of another one meanwhile."""
    what = "reader stalls" if direction == DOWN else "target stalls"

    def run(stage: Stage) -> Figures:
        sizes = stage.sizes
        with stage.load("stall", direction, sizes.stalled_bytes, sizes.beside_bytes) as load:
            grown = stage.grown(load)  # at the second stop, the stream still stalls
            load.go()
            found = load.figures()
        return {
            f"{what}, memory MiB": grown / _MIB,
            f"{what}, others keep": found["beside_per_s"] / found["alone_per_s"],
        }

    return Measure(what.replace(" ", "-"), run, multiplexed, fresh=True)


def _held(stage: Stage, tunnels: int, substreams: int) -> tuple[float, Mapping[str, float]]:
    """Return the memory in KiB of idle tunnels or substreams, and their response times."""
    with stage.load("idle", 1, 1, 1) as load:  # the first one loads code: do not count it
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
    """Memory and response times of many idle tunnels or substreams on one proxy."""

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
    """CPU time for frames of one size."""

    def run(stage: Stage) -> Figures:
        nbytes = min(stage.sizes.bulk_bytes, piece * stage.sizes.frames)
        found, cost = stage.timed("bulk", UP, 1, nbytes, options=("--piece", str(piece)))
        return {
            f"frames of {piece} up, CPU us each": cost.cpu_s * 1e6 / (nbytes / piece),
            f"frames of {piece} up, MB/s": found["bytes"] / found["seconds"] / _MB,
        }

    return Measure(f"frames-{piece}", run, ours, most_runs=2)


def sequence(count: int) -> Measure:
    """Memory that grows while many substreams are opened and closed in one tunnel."""
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
    """Return all measures."""
    return [
        *(bulk(direction, streams) for streams in (1, 4, 50) for direction in (DOWN, UP)),
        *(device(direction) for direction in (DOWN, UP)),
        *(opens(parallel) for parallel in (1, 50)),
        *(echo(beside) for beside in (None, DOWN, UP)),
        *(stall(direction) for direction in (DOWN, UP)),
        Measure(
            "idle-substream",
            _idle_substream,
            lambda contender: contender.multiplexed and with_all_features(contender),
            fresh=True,
            most_runs=2,
        ),
        Measure(
            "idle-tunnel",
            _idle_tunnel,
            # not OpenSSH: each of its connections is two processes
            lambda contender: contender.way in ("tls", "tunnel") and with_all_features(contender),
            fresh=True,
            most_runs=2,
        ),
        *(frames(piece) for piece in sizes.pieces),
        *(many("substreams", count) for count in sizes.substreams),
        *(many("tunnels", count) for count in sizes.tunnels),
        sequence(sizes.sequence),
    ]
