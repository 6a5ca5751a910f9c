"""The command `tessel`: runs programs, checks a chip, decodes traces.

tessel run [OPTION]... PROGRAM [ARG...]    run it as on the device
tessel gateway [OPTION]... [-- PROGRAM]    a SOCKS and HTTP proxy over its network
tessel connect [OPTION]... HOST PORT       join a connection to stdin and stdout
tessel join [--print FORM] INVITATION      exchange an invitation for this device's settings
tessel radio check [--env NAME=VALUE]...   check the chip's wiring
tessel radio decode FILE                   explain a trace
"""

from __future__ import annotations

import argparse
import atexit
import importlib.metadata
import os
import random
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, TextIO, cast

from twisted.logger import ILogObserver, globalLogBeginner

from tessel import join_command, radio_check
from tessel.cc3000.decode import NotATraceError, explained, read_trace
from tessel.cc3000.trace import TracedBus
from tessel.entry import INTERRUPTED_EXIT
from tessel.gateway_options import add_connect, add_gateway
from tessel.javascript import IJavaScriptReactor, JavaScriptProgram
from tessel.javascript.find_node import NodeMissingError, find_node
from tessel.program.bypass import PlainSockets
from tessel.program.program import IProgramReactor, Program
from tessel.radio_factory import BusWrap
from tessel.radio_settings import RadioSettings
from tessel.run_options import (
    PROGRAMS,
    RUN_DESCRIPTION,
    RUN_USAGE,
    add_env,
    add_run_options,
    board_options,
)
from tessel.settings import SETTINGS, exposed, lookalikes, malformed
from tessel.settings_file import SettingsFileError, add_settings_of_file
from tessel_service_kit.command_line import CommandParser
from tessel_service_kit.output import LineOutput, descriptor_of
from tessel_service_kit.settings_help import described

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from tessel.cc3000.bus import IBus

JAVASCRIPT_SUFFIXES = (".js", ".cjs", ".mjs")
USAGE_EXIT = 2  # the same as argparse's


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command `tessel` with these arguments and return its exit code.

    `arguments` None: those of the command line. Wrong arguments raise SystemExit.
    """
    given = _parser().parse_args(arguments)
    try:
        code: int = given.command(given)
    except KeyboardInterrupt:  # before a program runs, or in a command that runs none
        return INTERRUPTED_EXIT
    return code


def _run(given: argparse.Namespace) -> int:
    if not _settings_are_good(given):
        return 1
    path = Path(given.program)
    try:
        source = b"" if _is_package(path) else path.read_bytes()
    except OSError as fault:
        return _misused(f"{path}: {fault.strerror}; expected: {PROGRAMS}")
    is_javascript = path.suffix in JAVASCRIPT_SUFFIXES or _is_package(path)
    run = _run_javascript if is_javascript else _run_program
    for option, (variable, file) in board_options(given).items():
        if run is not _run_javascript:
            return _misused(f"{option}: only JavaScript programs use the board; {path} is another")
        os.environ[variable] = file
    if given.trace_spi is None:
        return run(path, source, given.arguments, lambda bus: bus)
    if _radio_settings().kind == "host":
        return _misused("--trace-spi: RADIO=host has no bus; use RADIO=cc3000-sim or RADIO=cc3000")
    try:
        trace = _private(given.trace_spi)
    except OSError as fault:
        return _misused(f"--trace-spi: {given.trace_spi}: {fault.strerror}")
    with trace:
        return run(path, source, given.arguments, _traced(trace.write))


def _is_package(path: Path) -> bool:
    """Return whether Node finds a program in this folder, by its package.json or its name."""
    return any((path / name).is_file() for name in ("package.json", "index.js"))


def _run_program(path: Path, source: bytes, arguments: Sequence[str], wrap_bus: BusWrap) -> int:
    from tessel_service_kit.reactor import reactor  # noqa: PLC0415 - it is installed when imported

    errors, leave_at_once = _output()
    program = Program(
        cast("IProgramReactor", reactor),
        os.environ,
        random.random,
        errors,
        leave_at_once,
        wrap_bus=wrap_bus,
    )
    show = warnings.showwarning
    globalLogBeginner.beginLoggingTo(
        [cast("ILogObserver", program.observe)], redirectStandardIO=False
    )
    warnings.showwarning = show  # Twisted must not redirect a program's warnings
    sys.addaudithook(PlainSockets(os.environ))
    return program.run(lambda: _execute(path, source, arguments))


def _run_javascript(path: Path, source: bytes, arguments: Sequence[str], wrap_bus: BusWrap) -> int:
    """Run the program in a Node process. Node reads the source itself."""
    del source
    from tessel_service_kit.reactor import reactor  # noqa: PLC0415 - it is installed when imported

    try:
        node = find_node(os.environ)
    except NodeMissingError as error:
        return _misused(str(error))
    errors, leave_at_once = _output()
    program = JavaScriptProgram(
        cast("IJavaScriptReactor", reactor),
        os.environ,
        random.random,
        errors,
        leave_at_once,
        wrap_bus=wrap_bus,
    )
    globalLogBeginner.beginLoggingTo(
        [cast("ILogObserver", program.observe)], redirectStandardIO=False
    )
    return program.run(node, path, arguments)


def _output() -> tuple[LineOutput, Callable[[int], None]]:
    """Return the output to standard error, and a function that ends this process at once."""
    errors = LineOutput(descriptor_of(sys.stderr), _dropped)
    atexit.register(errors.flush)

    def leave_at_once(code: int) -> None:
        errors.flush()
        os._exit(code)

    return errors, leave_at_once


def _dropped(count: int) -> str:
    return f"tessel: {count} lines were dropped: standard error was not writable\n"


def _traced(write: Callable[[str], object]) -> BusWrap:
    from tessel_service_kit.reactor import reactor  # noqa: PLC0415 - it is installed when imported

    return lambda bus: cast("IBus", TracedBus(bus, cast("IReactorTime", reactor), write))


def _private(name: str) -> TextIO:
    """Open a trace for this user only, since it holds passwords and plain text.

    It is written line by line, so that the trace of a program that hangs is complete.
    """
    descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    return open(descriptor, "w", buffering=1, encoding="ascii")  # noqa: PTH123 - a descriptor has no Path


def _gateway(given: argparse.Namespace) -> int:
    """Run `tessel gateway` or `tessel connect`."""
    from tessel.gateway_command import COMMANDS  # noqa: PLC0415 - programs do not need it
    from tessel_service_kit.reactor import reactor  # noqa: PLC0415 - it is installed when imported

    if not _settings_are_good(given):
        return 1
    code: int = COMMANDS[given.name](given, os.environ, reactor, _output()[0])
    return code


def _check(given: argparse.Namespace) -> int:
    if not _settings_are_good(given):
        return 1
    settings = _radio_settings()
    if settings.kind == "host":
        return _misused("RADIO=host has no chip; use RADIO=cc3000 or RADIO=cc3000-sim")
    from tessel_service_kit.reactor import reactor  # noqa: PLC0415 - it is installed when imported

    return radio_check.run(settings, cast("radio_check.ICheckReactor", reactor), print, sys.stderr)


def _join(given: argparse.Namespace) -> int:
    from tessel_service_kit.reactor import reactor  # noqa: PLC0415 - it is installed when imported

    streams = join_command.Streams(sys.stdin, sys.stdout, sys.stderr)
    return join_command.run(given, os.environ, cast("join_command.IJoinReactor", reactor), streams)


def _decode(given: argparse.Namespace) -> int:
    try:
        with Path(given.file).open(encoding="ascii", errors="replace") as trace:
            for line in explained(read_trace(trace)):
                print(line)
    except BrokenPipeError:  # closed by `| head`
        sys.stdout = None
    except NotATraceError:
        return _misused(
            f"{given.file} is not a trace: no line has bytes of the chip's bus; "
            "expected: a file that tessel run --trace-spi FILE has written"
        )
    except OSError as fault:
        return _misused(f"{given.file}: {fault.strerror}")
    return 0


def _settings_are_good(given: argparse.Namespace) -> bool:
    os.environ.update(dict(given.env))
    try:
        add_settings_of_file(os.environ)
    except SettingsFileError as error:
        print(f"tessel: {error}", file=sys.stderr)
        return False
    for hint in [*lookalikes(os.environ), *exposed(os.environ)]:
        print(f"tessel: warning: {hint}", file=sys.stderr)
    faults = malformed(os.environ)
    for fault in faults:
        print(f"tessel: {fault}", file=sys.stderr)
    return not faults


def _radio_settings() -> RadioSettings:
    return RadioSettings.from_env(os.environ)


def _misused(why: str) -> int:
    print(f"tessel: {why}", file=sys.stderr)
    return USAGE_EXIT


def _execute(path: Path, source: bytes, arguments: Sequence[str]) -> None:
    """Execute the program as `python PROGRAM.py ARG...` does."""
    module = ModuleType("__main__")
    module.__file__ = str(path)
    sys.modules["__main__"] = module
    sys.argv[:] = [str(path), *arguments]
    sys.path.insert(0, str(path.resolve().parent))
    code = compile(source, str(path), "exec", dont_inherit=True)
    exec(code, module.__dict__)  # noqa: S102 - the purpose of the command


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser(
        prog="tessel",
        description="Runs programs as on a Tessel 1 board, and over its network.",
        explain=_explain_word,
    )
    parser.add_argument("--version", action=_ShowVersion, nargs=0, help="show the version and exit")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run = commands.add_parser(
        "run",
        help="run a program until it has no open connection or timer",
        usage=RUN_USAGE,
        description=RUN_DESCRIPTION,
        epilog=f"settings, from the environment or --env:\n{described(SETTINGS)}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    run.set_defaults(command=_run)
    add_run_options(run)
    add_gateway(commands, _gateway)
    add_connect(commands, _gateway)
    joining = commands.add_parser(
        "join",
        help="exchange an invitation for the settings of this device",
        description=join_command.DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    joining.set_defaults(command=_join)
    join_command.add_join_options(joining)
    _add_radio(commands.add_parser("radio", help="check the chip, or decode a trace"))
    return parser


def _add_radio(parser: CommandParser) -> None:
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    check = commands.add_parser(
        "check",
        usage="tessel radio check [-h] [--env NAME=VALUE]...",
        help="find wiring faults; show service pack, MAC address and networks in range",
        description="Exit code: 0 if all is well, 1 if not. Wiring: docs/cc3000-hardware.md",
    )
    check.set_defaults(command=_check)
    add_env(check)
    decode = commands.add_parser("decode", help="explain a file written by --trace-spi")
    decode.set_defaults(command=_decode)
    decode.add_argument("file", metavar="FILE", help="the trace")


def _explain_word(word: str) -> str | None:
    """Return a hint for an unknown command."""
    if word.endswith((".py", ".js")) or Path(word).exists():
        return f"to run a program: tessel run {word}"
    if "=" in word:
        return f"to set a variable: tessel run --env {word} PROGRAM"
    return None


class _ShowVersion(argparse.Action):
    """Shows the version. argparse's own action would look it up at each start."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        print(f"tessel {importlib.metadata.version('tessel')}")
        parser.exit()


if __name__ == "__main__":
    sys.exit(main())
