"""Run programs on the board's parts of the JavaScript runtime, in a real Node."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from support.node import node

PRELOAD = Path(__file__).parent / "preload.js"
BOARD = Path(__file__).parents[3] / "device/src/tessel/javascript/runtime/board"
PATIENCE_S = 60


@dataclass(frozen=True)
class Result:
    """What a program printed, how it ended, and the lines of the board's log without times."""

    code: int
    lines: list[str]
    errors: str
    log: list[str]


def run_on_board(folder, program, script="", **environ):
    """Run a program's text until it ends, with an input script for the board."""
    source = folder / "program.js"
    source.write_text(program)
    inputs = folder / "board.input"
    inputs.write_text(script)
    log = folder / "board.log"
    done = subprocess.run(
        [node(), "--require", PRELOAD, source],
        env=os.environ
        | {"TESSEL_BOARD_INPUT": str(inputs), "TESSEL_BOARD_LOG": str(log)}
        | environ,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
        cwd=folder,
    )
    written = log.read_text().splitlines() if log.exists() else []
    return Result(
        done.returncode,
        done.stdout.splitlines(),
        done.stderr,
        [line.partition(" ")[2] for line in written],
    )
