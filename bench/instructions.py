"""`make bench-instructions`: how many instructions the proxy needs for each kind of work.

Times vary by a third from run to run, instructions by less than one in a hundred. So a table of
them is kept in the repository (instructions.json), and `--compare` fails if a figure is more than
3 % worse. A table holds for one build of Python only; for another, nothing is compared.

Each figure is the difference of two runs of different length: what happens once does not count.
With `--workers`, the workers of a proxy are counted together, and their supervisor.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import contenders
from bench.callgrind import (
    BEGIN,
    BEGIN_IDLE,
    FASTER,
    NOTHING,
    CountedProcess,
    Counts,
    counted,
    environ,
)
from bench.contenders import Contender, Launch, Setup
from bench.instruction_table import (
    Figure,
    Figures,
    build,
    comparison,
    least,
    load_tables,
    profile,
    save_tables,
)
from bench.load import Load
from bench.names import named
from bench.processes import BenchError

HERE = Path(__file__).parent
TABLE = HERE / "instructions.json"
SITE, LOAD = HERE / "build" / "site", HERE / "build" / "load"

MOST_WORSE = 0.03
"""The part by which a figure may grow until `--compare` fails: more than most figures vary."""

IDLE_MOST_WORSE = 0.1
"""The same for idle minutes, which are counted with a clock that a busy machine can hold up."""

RECOUNTS = 2
"""How often `--compare` counts again what became worse. The least count is compared: how many
pieces of 50 streams share a turn depends on a moment's load, and varies by up to 8 %."""

IDLE_S = 67.0  # four pings of each tunnel, and no fifth near the end


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the client: a mode of native/load.c, and how often it does what is counted."""

    mode: Sequence[object]
    count: int


@dataclass(frozen=True, slots=True)
class Work:
    """A kind of work. Its figure is the difference between a long run and a short one.

    `unit` is what is counted, `begin` the order that begins the counting, `most_worse` the part by
    which the figure may grow.
    """

    name: str
    unit: str
    short: Run
    long: Run
    options: Sequence[str] = ()
    begin: int = BEGIN
    most_worse: float = MOST_WORSE

    @property
    def runs(self) -> tuple[Run, Run]:
        """Both runs, the short one first."""
        return self.short, self.long

    @property
    def more(self) -> int:
        """By how much the long run does what is counted more often."""
        return self.long.count - self.short.count


def opens(parallel: int, short: int, long: int) -> Work:
    """Open a substream, echo a byte, close; `parallel` at a time."""
    runs = _runs(lambda count: ("opens", parallel, count), short, long)
    return Work(f"opens {parallel}", "opening", *runs)


def tunnels(parallel: int, short: int, long: int) -> Work:
    """Open a tunnel, with its handshake and its token, and close it."""
    runs = _runs(lambda count: ("tunnels", parallel, count), short, long)
    return Work("tunnels", "tunnel", *runs)


def bulk(direction: str, streams: int, short: int, long: int) -> Work:
    """Transfer bytes, as many as `short` and `long` say, through some streams at a time."""
    runs = _runs(lambda nbytes: ("bulk", direction, streams, nbytes), short, long)
    return Work(f"{'down' if direction == 'D' else 'up'} {streams}", "byte", *runs)


def frames(piece: int, short: int, long: int) -> Work:
    """Transfer data up in small frames of `piece` bytes."""
    runs = _runs(lambda count: ("bulk", "U", 1, count * piece), short, long)
    return Work(f"frames of {piece} up", "frame", *runs, options=("--piece", str(piece)))


def idle(few: int, many: int) -> Work:
    """Hold idle tunnels for about a minute of the proxy's clock."""
    runs = _runs(lambda count: ("hold", count, IDLE_S / FASTER), few, many)
    return Work("idle minute", "tunnel", *runs, begin=BEGIN_IDLE, most_worse=IDLE_MOST_WORSE)


def _runs(mode: Callable[[int], Sequence[object]], short: int, long: int) -> tuple[Run, Run]:
    return Run(mode(short), short), Run(mode(long), long)


WORKS = (
    opens(50, 100, 300),
    opens(1, 40, 120),
    bulk("D", 1, 8_000_000, 40_000_000),
    bulk("U", 1, 8_000_000, 40_000_000),
    bulk("D", 50, 16_000_000, 48_000_000),
    bulk("U", 50, 16_000_000, 48_000_000),
    frames(64, 1000, 5000),
    tunnels(8, 16, 48),
    idle(10, 70),
)


def measure(works: Sequence[Work], workers: int) -> Iterator[tuple[str, Figure]]:
    """Measure each kind of work, and yield its name and figure; for workers two of them."""
    with tempfile.TemporaryDirectory(prefix="tessel-bench-") as temporary, ExitStack() as stack:
        folder = Path(temporary)
        contenders.make_certificate(folder)
        site, port = contenders.site(SITE, folder)
        stack.callback(site.stop)
        setup = Setup(folder, port)
        with running(setup, workers) as (proxy, processes):
            for work in works:
                runs = [_counts(setup, proxy, processes, work, run) for run in work.runs]
                for name, which in _parts(work.name, workers):
                    short, long = (sum(run[which], NOTHING) for run in runs)
                    yield name, Figure.of(work.unit, long - short, work.more)


def _parts(name: str, workers: int) -> list[tuple[str, slice]]:
    """Return the names of the figures, and which processes each of them counts."""
    if workers == 1:
        return [(name, slice(None))]
    all_of_them = f"{name}, {workers} workers"
    return [(all_of_them, slice(1, None)), (f"{all_of_them}: supervisor", slice(1))]


@contextmanager
def running(setup: Setup, workers: int) -> Iterator[tuple[Contender, Sequence[CountedProcess]]]:
    """Run the proxy under callgrind; its first process is the one that was started."""
    with tempfile.TemporaryDirectory(dir=setup.folder) as name:
        out = Path(name)
        launch = Launch(counted(out, contenders.PLAIN.program), environ(out))
        if workers == 1:
            proxy = contenders.proxy(setup, launch)
        else:
            proxy = contenders.proxy_with_workers(setup, workers, launch)
        served = proxy.served
        assert served is not None, "it is a process"
        try:
            yield proxy, [CountedProcess(served, out, pid) for pid in served.each_usage()]
        finally:
            proxy.stop()


def _counts(
    setup: Setup, proxy: Contender, processes: Sequence[CountedProcess], work: Work, run: Run
) -> list[Counts]:
    options = [*proxy.options(setup), *work.options]
    with Load(LOAD, options, run.mode) as load:
        load.until_ready()
        for each in processes:
            each.begin(work.begin)
        load.go()
        load.figures()
        return [each.end() for each in processes]


def worse(now: Figures, then: Figures) -> list[Work]:
    """Return the kinds of work whose figure is more than `most_worse` above the stored one."""
    return [
        work
        for work in WORKS
        if work.name in now and work.name in then
        if now[work.name].instructions > (1 + work.most_worse) * then[work.name].instructions
    ]


def main() -> int:
    """Measure; print, store or compare. Return the exit code: 1 if anything became worse."""
    arguments = _parser().parse_args()
    here = build()
    try:
        chosen = named(WORKS, arguments.only)
        tables = load_tables(TABLE)
        then = tables.get(here, {})
        now: Figures = {}
        for name, figure in measure(chosen, arguments.workers):
            now = {**now, name: figure}
            if arguments.functions:
                print(profile(name, figure), flush=True)
        for _ in range(RECOUNTS if arguments.compare else 0):
            if doubtful := worse(now, then):
                now = least(now, dict(measure(doubtful, arguments.workers)))
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    print(comparison(now, then), f"\n{here}", sep="\n")
    if arguments.save:
        save_tables(TABLE, {**tables, here: {**then, **now}})
    if not arguments.compare:
        return 0
    if not then:
        print(f"Nothing is compared: {TABLE.name} has no figures for this build of Python.")
    failed = worse(now, then)
    for work in failed:
        print(f"{work.name} is more than {work.most_worse:.0%} worse than stored", file=sys.stderr)
    return 1 if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.instructions", description=__doc__)
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="NAME",
        help="measure only kinds of work whose name begins with NAME; may be repeated",
    )
    parser.add_argument(
        "--compare",
        action="store_true",
        help=f"fail if a figure is more than {MOST_WORSE * 100:.0f} %% worse than stored",
    )
    parser.add_argument(
        "--save", action="store_true", help="store the figures for this build of Python"
    )
    parser.add_argument(
        "--workers",
        type=int,
        default=1,
        metavar="N",
        help="count N workers and their supervisor instead of a single process",
    )
    parser.add_argument(
        "--functions", action="store_true", help="print the functions that cost most"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
