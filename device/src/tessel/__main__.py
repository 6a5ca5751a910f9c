"""`tessel run [--env NAME=VALUE]... PROGRAM.py [ARG...]`: run a program as on the device."""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import random
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import cast

from twisted.logger import ILogObserver, globalLogBeginner

from tessel.config import malformed
from tessel.program import IProgramReactor, Program
from tessel.settings import described, lookalikes

USAGE_EXIT = 2  # as argparse's own

_RUN = """\
Run a program as on the device, until nothing is open any more. Options go before PROGRAM.py; what
stands behind it is the program's own.

Exit code: 0 if all went well; 1 for an error that nobody listened for, or a setting that cannot be
used; what the program gave to sys.exit; 130 and 143 when it was stopped by a signal."""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; its exit code."""
    given = _parser().parse_args(arguments)
    os.environ.update(dict(given.env))
    for hint in lookalikes(os.environ):
        print(f"tessel: warning: {hint}", file=sys.stderr)
    faults = malformed(os.environ)
    for fault in faults:
        print(f"tessel: {fault}", file=sys.stderr)
    if faults:
        return 1
    path = Path(given.program)
    if not path.is_file():
        print(f"tessel: {path} is not a file; a Python program is expected", file=sys.stderr)
        return USAGE_EXIT
    return _run(path, given.arguments)


def _run(path: Path, arguments: Sequence[str]) -> int:
    from twisted.internet import reactor  # noqa: PLC0415 - it is installed when imported

    program = Program(
        cast("IProgramReactor", reactor), os.environ, random.random, sys.stderr, os._exit
    )
    show = warnings.showwarning
    globalLogBeginner.beginLoggingTo(
        [cast("ILogObserver", program.observe)], redirectStandardIO=False
    )
    warnings.showwarning = show  # a program's warnings go where Python sends them
    return program.run(lambda: _execute(path, arguments))


def _execute(path: Path, arguments: Sequence[str]) -> None:
    """As `python PROGRAM.py ARG...` would."""
    module = ModuleType("__main__")
    module.__file__ = str(path)
    sys.modules["__main__"] = module
    sys.argv[:] = [str(path), *arguments]
    sys.path.insert(0, str(path.resolve().parent))
    code = compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
    exec(code, module.__dict__)  # noqa: S102 - it is what the command is for


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tessel", description="Runs programs as on a Tessel 1, with its network."
    )
    parser.add_argument("--version", action=_TellVersion, nargs=0, help="tell it and exit")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run = commands.add_parser(
        "run",
        help="run a program until nothing is open any more",
        usage="tessel run [-h] [--env NAME=VALUE]... PROGRAM.py [ARG...]",
        description=_RUN,
        epilog=f"settings, from the environment or --env:\n{described()}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    run.add_argument(
        "--env",
        metavar="NAME=VALUE",
        type=_assignment,
        action="append",
        default=[],
        help="set a variable of the environment for the program",
    )
    run.add_argument("program", metavar="PROGRAM.py", help="the program to run")
    run.add_argument(
        "arguments",
        metavar="ARG",
        nargs=argparse.REMAINDER,
        help="what the program finds in sys.argv: all that stands behind PROGRAM.py",
    )
    return parser


class _TellVersion(argparse.Action):
    """argparse's own would look the version up at each start."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        print(f"tessel {importlib.metadata.version('tessel')}")
        parser.exit()


def _assignment(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


if __name__ == "__main__":
    sys.exit(main())
