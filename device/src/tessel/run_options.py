"""The options of `tessel run`, as an argument parser reads them."""

from __future__ import annotations

import argparse
from typing import Final

from tessel.settings import BOARD_INPUT_VARIABLE, BOARD_LOG_VARIABLE

RUN_USAGE: Final = (
    "tessel run [-h] [--env NAME=VALUE]... [--trace-spi FILE] [--board-log FILE] "
    "[--board-input FILE] PROGRAM [ARG...]"
)


RUN_DESCRIPTION: Final = """\
Run a program as on the device, until it has no open connection or timer.
A .js, .cjs or .mjs file, or a folder with package.json or index.js, runs in Node, whose network is
the device. Other files are Python.
Options go before PROGRAM; arguments after it are passed to the program.

Exit code: 0 if the program ended without an error; 1 for an unhandled error (JavaScript with
TESSEL_COMPAT=board: 8) or a wrong setting; the argument of process.exit or sys.exit; 130 for SIGINT
and 143 for SIGTERM."""

PROGRAMS: Final = "a JavaScript or Python program, or a folder with package.json or index.js"


def add_env(parser: argparse.ArgumentParser) -> None:
    """Add --env, which several commands have."""
    parser.add_argument(
        "--env",
        metavar="NAME=VALUE",
        type=_assignment,
        action="append",
        default=[],
        help="set a variable of the environment for the program",
    )


def add_run_options(run: argparse.ArgumentParser) -> None:
    """Add all options of `tessel run`, the program, and its arguments."""
    add_env(run)
    run.add_argument(
        "--trace-spi",
        metavar="FILE",
        help="write the traffic of the chip's bus to a file, with passwords in clear",
    )
    run.add_argument(
        "--board-log",
        metavar="FILE",
        help="write what a JavaScript program does at the board's pins and buses to a file",
    )
    run.add_argument(
        "--board-input",
        metavar="FILE",
        help="feed the board's pins, buttons and buses from a script: docs/board.md",
    )
    run.add_argument(
        "program", metavar="PROGRAM", help="the program: a .js or .py file, or a package's folder"
    )
    run.add_argument(
        "arguments",
        metavar="ARG",
        nargs=argparse.REMAINDER,
        help="arguments for the program, in process.argv or sys.argv",
    ).required = False  # else argparse reports it as missing when only PROGRAM is


def board_options(given: argparse.Namespace) -> dict[str, tuple[str, str]]:
    """Return the variable and the value of each option for the board that was given."""
    options = {
        "--board-log": (BOARD_LOG_VARIABLE, given.board_log),
        "--board-input": (BOARD_INPUT_VARIABLE, given.board_input),
    }
    return {
        name: (variable, file) for name, (variable, file) in options.items() if file is not None
    }


def _assignment(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value
