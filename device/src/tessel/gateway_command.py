"""The commands `tessel gateway` and `tessel connect`: their settings, log and exit codes."""

from __future__ import annotations

import argparse
import random
import secrets
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final, TypeAlias, cast

from twisted.logger import ILogObserver, LogEvent, LogLevel, formatEvent, globalLogBeginner

from tessel.gateway import (
    GATEWAY_SETTINGS,
    GatewayRun,
    GatewaySettings,
    IGatewayReactor,
    IStdioReactor,
    StdioRun,
)
from tessel.gateway.settings import Address
from tessel.gateway_options import CONNECT, GATEWAY
from tessel.network.interface import Target
from tessel.settings import DEBUG_VARIABLE, SETTINGS, Settings, SettingsError
from tessel_service_kit.files import hints_of_exposed
from tessel_service_kit.output import Writable
from tessel_service_kit.settings import ConfigError
from tessel_service_kit.settings_help import lookalikes

Level: TypeAlias = object  # of Twisted's log: its constants have no public type

RADIO_VARIABLE: Final = "RADIO"
SETTINGS_EXIT: Final = 1
NOT_FOUND_EXIT: Final = 127  # as shells report a program that does not exist
PASSWORD_BYTES: Final = 16  # random: nobody can guess it


def run_gateway(
    given: argparse.Namespace,
    environ: Mapping[str, str],
    reactor: IGatewayReactor,
    errors: Writable,
) -> int:
    """Run the gateway with the options `given`, and return the exit code."""
    program: list[str] = given.program
    environ = on_host(environ)
    try:
        Settings.from_env(environ)
        settings = _gateway_settings(given.listen, environ, has_program=bool(program))
    except (SettingsError, ConfigError) as error:
        return _report(error.faults, errors)
    for hint in _hints(environ):
        errors.write(f"tessel: warning: {hint}\n")
    if program and shutil.which(program[0]) is None:
        errors.write(f"tessel: {program[0]}: there is no such program\n")
        return NOT_FOUND_EXIT
    _log_to(errors, environ, LogLevel.warn if program else LogLevel.info)
    return GatewayRun(reactor, environ, settings, random.random).run(program)


def run_connect(
    given: argparse.Namespace,
    environ: Mapping[str, str],
    reactor: IStdioReactor,
    errors: Writable,
) -> int:
    """Run one connection with the options `given`, and return the exit code."""
    environ = on_host(environ)
    try:
        Settings.from_env(environ)
    except SettingsError as error:
        return _report(error.faults, errors)
    _log_to(errors, environ, LogLevel.warn)
    target = Target(given.host, given.port)
    is_typed = sys.stdin is not None and sys.stdin.isatty()
    return StdioRun(reactor, environ, target, random.random, is_typed=is_typed).run()


def _hints(environ: Mapping[str, str]) -> list[str]:
    """Return hints about misspelt settings, and about a password that every user can read."""
    file = GatewaySettings.table()["password"].file(environ)
    exposed = hints_of_exposed([] if file is None else [(file.name, file.path)])
    return [*lookalikes(environ, (*GATEWAY_SETTINGS, *SETTINGS)), *exposed]


def on_host(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment with RADIO=host if it names no radio.

    The programs of a gateway expect the speed of this machine, not that of a simulated chip.
    """
    return {**environ, RADIO_VARIABLE: environ.get(RADIO_VARIABLE, "").strip() or "host"}


def _gateway_settings(
    listen: str | None, environ: Mapping[str, str], *, has_program: bool
) -> GatewaySettings:
    """Return the settings; those of a program's own gateway are a free port and a new password."""
    given = {} if listen is None else {"GATEWAY_LISTEN": listen}
    settings = GatewaySettings.from_env({**environ, **given})
    if not has_program or listen is not None:
        return settings
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    return replace(settings, listen=Address("127.0.0.1", 0), password=password)


def _log_to(errors: Writable, environ: Mapping[str, str], level: Level) -> None:
    """Write the log to standard error, from a level on; all of it if _PROXY_DBG is set."""
    lowest = LogLevel.debug if DEBUG_VARIABLE in environ else level
    observer = cast("ILogObserver", _observer(errors.write, lowest))
    globalLogBeginner.beginLoggingTo([observer], redirectStandardIO=False)


def _observer(write: Callable[[str], object], lowest: Level) -> Callable[[LogEvent], None]:
    levels = list(LogLevel.iterconstants())
    shown = frozenset(levels[levels.index(lowest) :])

    def observe(event: LogEvent) -> None:
        if event.get("log_level") not in shown or not _is_ours(event):
            return
        failure = event.get("log_failure")
        trace = "" if failure is None else f"\n{failure.getTraceback()}"
        write(f"tessel: {formatEvent(event)}{trace}\n")

    return observe


def _is_ours(event: LogEvent) -> bool:
    """Return whether to show an event: of this package or the kit, or a failure of any code."""
    return "log_failure" in event or str(event.get("log_namespace")).startswith("tessel")


def _report(faults: Sequence[str], errors: Writable) -> int:
    for fault in faults:
        errors.write(f"tessel: {fault}\n")
    return SETTINGS_EXIT


COMMANDS: Final[Mapping[str, Callable[..., int]]] = {GATEWAY: run_gateway, CONNECT: run_connect}
"""The functions that run the commands."""
