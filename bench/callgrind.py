"""The proxy under callgrind, which counts the instructions of its process.

`native/counted.c` begins and ends the counting, and says so in the proxy's output.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.processes import BenchError, Server

BEGIN = signal.SIGRTMIN + 1  # with a clock that is as slow as callgrind
BEGIN_IDLE = signal.SIGRTMIN + 2  # with a clock that runs FASTER times faster
END = signal.SIGRTMIN + 3

LIBRARY = Path(__file__).parent / "build" / "counted.so"

FASTER = 10
"""The same as in counted.c."""

_NAME = re.compile(r"\((\d+)\)(?: (.*))?")
_COST = re.compile(r"[+\-*\d]\S* (\d+)$")


@dataclass(frozen=True, slots=True)
class Counts:
    """Instructions, and those of each function of C without what it calls."""

    instructions: int
    functions: Mapping[str, int]

    def __add__(self, other: Counts) -> Counts:
        functions = Counter(self.functions) + Counter(other.functions)
        return Counts(self.instructions + other.instructions, functions)

    def __sub__(self, other: Counts) -> Counts:
        functions = Counter(self.functions)
        functions.subtract(other.functions)
        return Counts(self.instructions - other.instructions, functions)

    def most(self, number: int) -> list[tuple[str, int]]:
        """Return the functions that cost most, and their instructions."""
        return Counter(self.functions).most_common(number)


def environ(out: Path) -> dict[str, str]:
    """Return the environment of a program whose files are in `out`; its children inherit it."""
    return {
        "LD_PRELOAD": str(LIBRARY),
        "COUNTED_ANSWERS": str(_answers(out)),
        "PYTHONHASHSEED": "0",  # else dictionaries differ from run to run
    }


def _answers(out: Path) -> Path:
    return out / "answers"


def counted(out: Path, program: Sequence[str | Path]) -> list[str | Path]:
    """Return the command line that runs `program` under callgrind, with its files in `out`.

    So run the processes that it starts, too. The program needs the environment `environ`. Raises
    BenchError without valgrind.
    """
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        raise BenchError("valgrind is not installed; Debian's package is `valgrind`")
    return [
        valgrind,
        *("--tool=callgrind", "--instr-atstart=no", "--trace-children=yes", "--quiet"),
        *(f"--callgrind-out-file={out}/callgrind.%p", f"--log-file={out}/valgrind.%p"),
        *program,
    ]


NOTHING = Counts(0, {})


class CountedProcess:
    """A process under callgrind. `out` is the folder with callgrind's files."""

    def __init__(self, server: Server, out: Path, pid: int) -> None:
        """`server` is the process that was started: this one, or the one that has started it."""
        self._server = server
        self._out = out
        self._pid = pid

    def begin(self, how: int = BEGIN) -> None:
        """Begin to count, and wait until the process does."""
        self._order(how, "counting")

    def end(self) -> Counts:
        """End the counting. Return what was counted since `begin`."""
        self._order(END, "counted")
        found = self._out.glob(f"callgrind.{self._pid}.*")  # number of the file
        newest = max(found, key=lambda each: int(each.suffix.removeprefix(".")))
        return parsed(newest.read_text())

    def _order(self, number: int, answer: str) -> None:
        before = self._answers(answer)
        os.kill(self._pid, number)
        self._server.awaited(lambda _output: 1 if self._answers(answer) > before else None)

    def _answers(self, answer: str) -> int:
        file = _answers(self._out)
        return file.read_text().split("\n").count(f"{self._pid} {answer}") if file.exists() else 0


def parsed(profile: str) -> Counts:
    """Return the counts in a file of callgrind.

    Its format: valgrind's manual, "Callgrind Format Specification". A name is written out once and
    then given by its number. The line after `calls=` is the cost of a call, which the called
    function has as its own.
    """
    names: dict[str, str] = {}
    functions: Counter[str] = Counter()
    function = ""
    is_call = False
    for line in profile.splitlines():
        if line.startswith("fn="):
            function = _named(line.removeprefix("fn="), names)
        elif line.startswith("cfn="):
            _named(line.removeprefix("cfn="), names)
        elif line.startswith("calls="):
            is_call = True
        elif found := _COST.match(line):
            functions[function] += 0 if is_call else int(found[1])
            is_call = False
    return Counts(functions.total(), functions)


def _named(text: str, names: dict[str, str]) -> str:
    found = _NAME.fullmatch(text)
    if found is None:
        return text
    number, name = found.groups()
    if name:
        names[number] = name.partition("'")[0]  # f'2 is f, called by itself
    return names[number]
