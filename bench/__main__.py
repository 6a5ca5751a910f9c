"""`make bench`: measure the proxy and comparable programs. README.md explains the tables.

Exit codes: 0 all was measured; 1 something could not be measured. A missed bar is not a failure.
"""

from __future__ import annotations

import argparse
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from bench import contenders
from bench.bars import bars_table
from bench.contenders import Contender, Setup, Start
from bench.measures import Figures, Measure, Stage, measures
from bench.names import named
from bench.processes import BenchError
from bench.results import Results
from bench.sizes import FULL, QUICK, Sizes
from bench.table import aligned, comparison_table, figures_table

HERE = Path(__file__).parent
WHY_MISSED = "docs/decisions/0013-fast-path.md"
SITE, LOAD = HERE / "build" / "site", HERE / "build" / "load"
RUNS = 5


def main() -> int:
    """Run the bench; return the exit code."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    arguments = _parser().parse_args()
    runs = arguments.runs or (1 if arguments.quick else RUNS)
    sizes = QUICK if arguments.quick else FULL
    begun = time.monotonic()
    try:
        chosen = named(measures(sizes), arguments.only)
        earlier = Results.load(arguments.compare) if arguments.compare else None
        results = measure_all(chosen, runs, sizes)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:  # nothing was measured yet
        print("bench: interrupted; everything is stopped", file=sys.stderr)
        return 1
    shown = report(results, earlier)
    print(shown)
    if "missed" in shown:
        print(f"\nWhy, and which changes were tried: {WHY_MISSED}")
    print(
        f"\n{runs} runs in {time.monotonic() - begun:.0f} s, commit {_commit()}, {_interpreter()}"
    )
    for failure in results.failures:
        print(f"not measured: {failure}", file=sys.stderr)
    if arguments.json:
        results.save(arguments.json, date=f"{datetime.now(UTC):%F %T}", commit=_commit())
    return 1 if results.failures else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="NAME",
        help="run only measures whose name begins with NAME; may be repeated",
    )
    parser.add_argument(
        "--runs", type=int, metavar="N", help=f"rounds of all measures (default: {RUNS})"
    )
    parser.add_argument(
        "--quick", action="store_true", help="one round with small sizes, to check that it works"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="save the result in FILE")
    parser.add_argument(
        "--compare", type=Path, metavar="FILE", help="compare with the result in FILE"
    )
    return parser


def measure_all(chosen: Sequence[Measure], runs: int, sizes: Sizes) -> Results:
    """Run these measures `runs` times. After an interrupt, return the results so far."""
    results = Results()
    with running_contenders() as (setup, running):
        try:
            for run in range(runs):
                of_round = [one for one in chosen if run < (one.most_runs or runs)]
                for measure, start, contender in _turns(of_round, running):
                    _show_progress(f"run {run + 1} of {runs}: {measure.name}, {contender.name}")
                    _measure(measure, start, Stage(LOAD, setup, contender, sizes), results)
        except KeyboardInterrupt:
            results.failures.append("the remaining measures: interrupted")
    _show_progress("")
    return results


def _turns(
    measures: Sequence[Measure], running: Sequence[tuple[Start, Contender]]
) -> Iterator[tuple[Measure, Start, Contender]]:
    """Yield each measure with all contenders in turn, so that drift affects all of them alike."""
    for measure in measures:
        for start, contender in running:
            if measure.applies(contender):
                yield measure, start, contender


@contextmanager
def running_contenders() -> Iterator[tuple[Setup, list[tuple[Start, Contender]]]]:
    """Start the site and all installed contenders, and stop them at the end."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tessel-bench-")))
        contenders.make_certificate(folder)
        site, port = contenders.site(SITE, folder)
        stack.callback(site.stop)
        setup = Setup(folder, port)
        running: list[tuple[Start, Contender]] = []
        for start in contenders.STARTS:
            contender = start(setup)
            if contender is None:
                print(f"{start.__name__} is not installed; `make bench-peers` installs it")
                continue
            stack.callback(contender.stop)
            running.append((start, contender))
        yield setup, running


def _measure(measure: Measure, start: Start, stage: Stage, results: Results) -> None:
    name = stage.contender.name
    try:
        figures = _afresh(measure, start, stage) if measure.fresh else measure.run(stage)
    except BenchError as error:
        results.failures.append(f"{measure.name}, {name}: {error}")
        return
    for figure, value in figures.items():
        results.add(figure, name, value)


def _afresh(measure: Measure, start: Start, stage: Stage) -> Figures:
    contender = start(stage.setup)
    assert contender is not None, "it is installed"
    try:
        return measure.run(replace(stage, contender=contender))
    finally:
        contender.stop()


def report(results: Results, earlier: Results | None) -> str:
    """Return the tables as text: figures, bars, and the comparison with earlier results."""
    tables = [figures_table(results)]
    if len(bars := bars_table(results)) > 1:
        tables.append(aligned(bars))
    if earlier:
        tables.append(comparison_table(results, earlier))
    return "\n\n".join(tables)


def _interpreter() -> str:
    """Return the Python that runs the proxy and the forwarder: its build can change 15 %."""
    return f"Python {platform.python_version()} of {sys.base_prefix}"


def _commit() -> str:
    command = ["git", "-C", str(HERE), "describe", "--always", "--dirty"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def _show_progress(progress: str) -> None:
    """Show the current measure in one line that is overwritten, if this is a terminal."""
    if sys.stderr.isatty():
        print(f"\r\033[K{progress}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
