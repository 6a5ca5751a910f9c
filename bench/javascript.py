"""Compare a JavaScript program on the device with the same program in Python, in one run.

usage: python -m bench.javascript [--quick] [--runs N]

Each row is the median over the runs of the ratio of JavaScript to Python, with the bar. CPU seconds
are those of whole `tessel run` processes with their children, the start included.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench import contenders
from bench.contenders import LOOPBACK, TOKEN, Setup, command
from bench.processes import BenchError

HERE = Path(__file__).parent
SITE = HERE / "build" / "site"
PROGRAMS = {each: HERE / f"javascript_program.{each}" for each in ("py", "js")}
SOCKETS = 1_000
RUNS = 5
_RUN_S = 120.0  # limit for one program


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a program: its own figure, CPU seconds, and seconds from start to end."""

    figure: float
    cpu_s: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Row:
    """A measure: arguments of the program, and what is compared."""

    name: str
    way: str
    count: int
    is_tunneled: bool
    compare: Callable[[Run, Run], float]  # JavaScript's and Python's run
    bar: float
    unit: str = "x"


def _cpu(javascript: Run, python: Run) -> float:
    return javascript.cpu_s / python.cpu_s


def _figure(javascript: Run, python: Run) -> float:
    return javascript.figure / python.figure


def _later(javascript: Run, python: Run) -> float:
    return javascript.seconds - python.seconds


def rows(*, quick: bool) -> list[Row]:
    """Return the measures; with fewer bytes and echoes if `quick`."""
    big, echoes = (20_000_000, 200) if quick else (100_000_000, 2_000)
    small = big // 10
    found = [Row("start to end of 1 byte", "D", 1, False, _later, 0.5, "s more")]
    for is_tunneled, where in ((False, "direct"), (True, "tunnel")):
        found += [
            Row(f"down {small // 10**6} MB, {where}: CPU", "D", small, is_tunneled, _cpu, 1.5),
            Row(f"down {big // 10**6} MB, {where}: CPU", "D", big, is_tunneled, _cpu, 1.5),
            Row(f"up {big // 10**6} MB, {where}: CPU", "U", big, is_tunneled, _cpu, 1.5),
            Row(f"echo of one byte, {where}", "E", echoes, is_tunneled, _figure, 2.5),
        ]
    return [*found, Row(f"{SOCKETS} sockets at once, tunnel", "O", SOCKETS, True, _figure, 2.5)]


def run(language: str, row: Row, port: int, settings: Mapping[str, str]) -> Run:
    """Run a program of a language; raises BenchError if it fails."""
    program: list[str | Path] = [
        command("tessel"),
        "run",
        PROGRAMS[language],
        row.way,
        str(port),
        str(row.count),
    ]
    before, begun = _children_cpu_s(), time.perf_counter()
    done = subprocess.run(
        program,
        env={"PATH": os.defpath, "RADIO": "host", **settings},
        capture_output=True,
        text=True,
        timeout=_RUN_S,
        check=False,
    )
    seconds, cpu_s = time.perf_counter() - begun, _children_cpu_s() - before
    if done.returncode != 0:
        raise BenchError(f"{row.name}, {language}: {done.stderr}")
    return Run(float(done.stdout), cpu_s, seconds)


def _children_cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def measure(runs: int, *, quick: bool) -> None:
    """Measure all rows and print them."""
    with tempfile.TemporaryDirectory(prefix="tessel-bench-") as name:
        folder = Path(name)
        contenders.make_certificate(folder)
        site, port = contenders.site(SITE, folder)
        proxy = contenders.proxy(Setup(folder, port))
        tunnel = {
            "PROXY_HOST": LOOPBACK,
            "PROXY_PORT": str(proxy.port),
            "PROXY_TOKEN": TOKEN,
            "PROXY_CERT_FILE": str(folder / "authority-cert.pem"),
            "PROXY_LOCAL": "local.invalid",  # by default, the device reaches loopback directly
        }
        try:
            for row in rows(quick=quick):
                settings = tunnel if row.is_tunneled else {}
                each = [
                    row.compare(run("js", row, port, settings), run("py", row, port, settings))
                    for _ in range(runs)
                ]
                print(_line(row, each), flush=True)
        finally:
            proxy.stop()
            site.stop()


def _line(row: Row, each: list[float]) -> str:
    median = statistics.median(each)
    verdict = "met" if median <= row.bar else "missed"
    spread = f"({min(each):.2f}-{max(each):.2f})"
    return f"{row.name:36} {median:5.2f} {spread:13} {row.unit:7} bar {row.bar}: {verdict}"


def main() -> int:
    """Run the bench; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.javascript", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one run with small sizes")
    parser.add_argument("--runs", type=int, metavar="N", help=f"runs (default: {RUNS})")
    arguments = parser.parse_args()
    try:
        measure(arguments.runs or (1 if arguments.quick else RUNS), quick=arguments.quick)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
