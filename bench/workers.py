"""Compare one process of the proxy with two workers, and with two proxies that share nothing.

usage: python -m bench.workers [--quick] [--runs N] [--only NAME] [--core-part P]

Two proxies show what the machine gives: two busy cores slow each other, and the load generator
needs its part of both. With --core-part, each process of the proxy gets only this part of a core,
so that the generator leaves it that part (needs root and cgroup v1). CPU time is the sum of all
processes of the proxy, the supervisor's part is shown.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import contenders
from bench.contenders import Contender, Setup
from bench.load import Load
from bench.names import named
from bench.processes import BenchError
from bench.stats import Spread, ratios

BUILT: Path = Path(__file__).parent / "build"
RUNS = 5
LOADS = 2  # one for each worker, each with its own tunnel
GROUPS = Path("/sys/fs/cgroup/cpu")
PERIOD_US = 10_000
_TRIES = 40  # loads to start until each worker has one: more would be a fault
_LOG_S = 5.0  # limit for a log line


@dataclass(frozen=True, slots=True)
class Row:
    """A measure: a mode of native/modes.c, its operations for one load, and the unit of CPU."""

    name: str
    mode: Sequence[object]
    operations: float
    unit: str
    per_s: float = 1e3  # units of CPU time in a second


@dataclass(frozen=True, slots=True)
class Run:
    """One run: operations per second, and CPU seconds per operation of each process.

    The first process of each proxy is the one that was started: with workers, the supervisor.
    """

    rate: float
    cpu_s: Sequence[Sequence[float]]

    @property
    def total_cpu_s(self) -> float:
        """CPU seconds of all processes for one operation."""
        return sum(map(sum, self.cpu_s))


def rows(*, quick: bool) -> list[Row]:
    """Return the measures; with fewer operations if `quick`."""
    part = 10 if quick else 1
    nbytes = 10**9 // part
    return [
        Row("tunnels", ("tunnels", 8, 1500 // part), 1500 // part, "ms"),
        Row("opens 1", ("opens", 1, 2000 // part), 2000 // part, "ms"),
        Row("opens 50", ("opens", 50, 4000 // part), 4000 // part, "ms"),
        Row("down", ("bulk", "D", 1, nbytes), nbytes / 1e9, "s/GB", 1.0),
        Row("up", ("bulk", "U", 1, nbytes), nbytes / 1e9, "s/GB", 1.0),
    ]


def workers_of_tunnels(log: str) -> list[int]:
    """Return the worker of each tunnel whose token was accepted, in the order of the log."""
    lines = (json.loads(line) for line in log.splitlines() if line.startswith("{"))
    return [line.get("worker", 0) for line in lines if line["event"] == "tunnel_authenticated"]


def summary(row: Row, runs: dict[str, list[Run]]) -> list[str]:
    """Return a line for each arrangement: rate and CPU, and their ratios to one process."""
    one = runs["one process"]
    lines = []
    for name, found in runs.items():
        rate = ratios([each.rate for each in found], [each.rate for each in one])
        cpu = ratios([each.total_cpu_s for each in found], [each.total_cpu_s for each in one])
        cost = Spread.of([each.total_cpu_s * row.per_s for each in found]).median
        lines.append(
            f"{row.name:9} {name:12} {Spread.of([each.rate for each in found]).median:8.2f} per s "
            f"x{Spread.of(rate)!s:18} CPU {cost:.3f} {row.unit:5} x{Spread.of(cpu)}"
        )
    return lines


class Arrangement:
    """Proxies that share the load: one with some workers, or several that share nothing else."""

    def __init__(self, name: str, setup: Setup, proxies: Sequence[Contender], workers: int) -> None:
        self.name = name
        self._setup = setup
        self._proxies = proxies
        self._workers = workers

    def run(self, row: Row) -> Run:
        """Run a measure with one load for each worker."""
        with ExitStack() as stack:
            loads = self._loads(row, stack)
            before, began = self._cpu_s(), time.monotonic()
            for each in loads:
                each.go()
            for each in loads:
                each.figures()
            took_s, after = time.monotonic() - began, self._cpu_s()
        count = row.operations * LOADS
        cpu_s = [
            [(now - then) / count for now, then in zip(*pair, strict=True)]
            for pair in zip(after, before, strict=True)
        ]
        return Run(count / took_s, cpu_s)

    def _cpu_s(self) -> list[list[float]]:
        return [
            [each.cpu_s for each in proxy.served.each_usage().values()]
            for proxy in self._proxies
            if proxy.served
        ]

    def _loads(self, row: Row, stack: ExitStack) -> list[Load]:
        """Start the loads. The system chooses the worker: try until no two have the same."""
        loads: dict[int, Load] = {}
        for number in range(_TRIES):
            proxy = self._proxies[number % len(self._proxies)]
            known = len(self._tunnels(proxy))
            load = stack.enter_context(Load(BUILT / "load", proxy.options(self._setup), row.mode))
            load.until_ready()
            worker = self._tunnel_after(proxy, known)
            loads.setdefault(worker if self._workers > 1 else number, load)
            if len(loads) == LOADS:
                return list(loads.values())
        raise BenchError(f"one worker got all of {_TRIES} tunnels")

    def _tunnel_after(self, proxy: Contender, known: int) -> int:
        until = time.monotonic() + _LOG_S
        while time.monotonic() < until:
            if len(found := self._tunnels(proxy)) > known:
                return found[known]
            time.sleep(0.02)
        raise BenchError("the proxy did not log a tunnel")

    def _tunnels(self, proxy: Contender) -> list[int]:
        log = proxy.served.output.read_text() if proxy.served else ""
        return workers_of_tunnels(log)


def nice_for(processes: int) -> int:
    """Return the nice value that gives a session as much processor time as `processes` sessions.

    Each step of it is a quarter (sched(7)).
    """
    return -round(math.log(processes, 1.25))


def give_time(proxy: Contender, processes: int) -> None:
    """Give a proxy the processor time of as many sessions as it has busy processes.

    Where cores are full, Linux divides them evenly among sessions (sched(7), "The autogroup
    feature"). Two proxies have two sessions, and two workers one, so their clients would interrupt
    them more often. Does nothing where sessions have no share of their own, or without root.
    """
    share = Path(f"/proc/{proxy.served.pid}/autogroup") if proxy.served else None
    if share is not None and share.exists() and os.geteuid() == 0:
        share.write_text(str(nice_for(processes)))


@contextmanager
def limited(proxies: Sequence[Contender], part: float | None) -> Iterator[None]:
    """Give each process of the proxies a part of a core; None: no limit.

    The supervisor has no part of its own: it uses that of the first worker.
    """
    groups: list[Path] = []
    try:
        for proxy in proxies if part else ():
            pids = list(proxy.served.each_usage()) if proxy.served else []
            for together in [pids[:2], *([pid] for pid in pids[2:])]:
                group = GROUPS / f"tessel-bench-{os.getpid()}-{together[0]}"
                group.mkdir()
                groups.append(group)
                (group / "cpu.cfs_period_us").write_text(str(PERIOD_US))
                (group / "cpu.cfs_quota_us").write_text(str(int(PERIOD_US * (part or 1.0))))
                for pid in together:
                    (group / "cgroup.procs").write_text(str(pid))
        yield
    except OSError as error:
        raise BenchError(f"cannot limit the processor time: {error}") from error
    finally:
        for proxy in proxies:
            proxy.stop()
        for group in groups:
            group.rmdir()


def measure(chosen: Sequence[Row], runs: int, part: float | None) -> None:
    """Measure with all arrangements in turn, and print a summary of each row."""
    with tempfile.TemporaryDirectory(prefix="tessel-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        contenders.make_certificate(folder)
        site, port = contenders.site(BUILT / "site", folder)
        stack.callback(site.stop)
        setup = Setup(folder, port)
        one, two = contenders.proxy(setup), contenders.proxy_with_workers(setup, 2)
        give_time(two, 2)
        each, other = contenders.proxy(setup), contenders.proxy(setup)
        stack.enter_context(limited([one, two, each, other], part))
        arrangements = [
            Arrangement("one process", setup, [one], 1),
            Arrangement("two workers", setup, [two], 2),
            Arrangement("two proxies", setup, [each, other], 1),
        ]
        for row in chosen:
            found: dict[str, list[Run]] = {}
            for _ in range(runs):
                for arrangement in arrangements:
                    found.setdefault(arrangement.name, []).append(arrangement.run(row))
            supervisor = [run.cpu_s[0][0] * row.per_s for run in found["two workers"]]
            print(*summary(row, found), sep="\n")
            print(f"{'':9} of two workers, the supervisor: {Spread.of(supervisor)} {row.unit}")


def main() -> int:
    """Run the bench; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.workers", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one run with small sizes")
    parser.add_argument("--runs", type=int, metavar="N", help=f"runs (default: {RUNS})")
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="NAME",
        help="run only measures whose name begins with NAME; may be repeated",
    )
    parser.add_argument("--core-part", type=float, metavar="P", help="such as 0.35")
    arguments = parser.parse_args()
    try:
        chosen = named(rows(quick=arguments.quick), arguments.only)
        measure(chosen, arguments.runs or (1 if arguments.quick else RUNS), arguments.core_part)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
