"""`make bench`: the proxy beside its peers, in one run on this machine. README.md tells how to read it.

Exit codes: 0 measured, 1 something could not be measured. Bars that are missed are no failure.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from bench import contenders
from bench.contenders import Contender, Ground
from bench.measures import FULL, QUICK, Measure, Sizes, Stage, chosen
from bench.processes import BenchError
from bench.results import Results
from bench.table import comparison_table, figures_table

HERE = Path(__file__).parent
BUILT = HERE / "build"
RUNS = 5


def main() -> int:
    arguments = _parser().parse_args()
    runs = arguments.runs or (1 if arguments.quick else RUNS)
    try:
        measures = chosen(arguments.only)
        earlier = Results.load(arguments.compare) if arguments.compare else None
        results = measure_all(measures, runs, QUICK if arguments.quick else FULL)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    print(figures_table(results))
    if earlier:
        print(f"\n{comparison_table(results, earlier)}")
    for failure in results.failures:
        print(f"not measured: {failure}", file=sys.stderr)
    if arguments.json:
        results.save(arguments.json, date=f"{datetime.now(UTC):%F %T}", commit=_commit())
    return 1 if results.failures else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--only", action="append", default=[], metavar="NAME")
    parser.add_argument("--runs", type=int, help=f"rounds of all measures (default: {RUNS})")
    parser.add_argument("--quick", action="store_true", help="one run of little: does it work?")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the result there")
    parser.add_argument("--compare", type=Path, metavar="FILE", help="with an earlier result")
    return parser


def measure_all(measures: Sequence[Measure], runs: int, sizes: Sizes) -> Results:
    """Rounds of all measures, each of all contenders in turn, so that drift hits all alike."""
    results = Results()
    begun = time.monotonic()
    with ground() as (where, running):
        for run in range(runs):
            for measure in measures:
                _tell(
                    f"[{time.monotonic() - begun:4.0f} s] run {run + 1} of {runs}: {measure.name}"
                )
                for contender in running:
                    _measure(measure, Stage(BUILT / "load", where, contender, sizes), results)
    _tell("")
    return results


@contextmanager
def ground() -> Iterator[tuple[Ground, list[Contender]]]:
    """The site and all contenders that are installed, running until the end."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tessel-bench-")))
        contenders.make_certificate(folder)
        site, port = contenders.site(BUILT / "site", folder)
        stack.callback(site.stop)
        where = Ground(folder, port)
        running: list[Contender] = []
        for start in contenders.STARTS:
            contender = start(where)
            if contender is None:
                print(f"{start.__name__}: not installed, `make bench-peers` does it")
                continue
            stack.callback(contender.stop)
            running.append(contender)
        yield where, running


def _measure(measure: Measure, stage: Stage, results: Results) -> None:
    if not measure.applies(stage.contender):
        return
    try:
        figures = measure.run(stage)
    except BenchError as error:
        results.failures.append(f"{measure.name}, {stage.contender.name}: {error}")
        return
    for figure, value in figures.items():
        results.add(figure, stage.contender.name, value)


def _commit() -> str:
    command = ["git", "-C", str(HERE), "describe", "--always", "--dirty"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def _tell(progress: str) -> None:
    """One line that is written over, for whoever sits before it."""
    if sys.stderr.isatty():
        print(f"\r\033[K{progress}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
