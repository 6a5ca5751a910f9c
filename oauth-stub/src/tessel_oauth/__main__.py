"""The command line: `tessel-oauth [serve]` and `tessel-oauth renew-key ACCOUNT`."""

from __future__ import annotations

# isort: off
# First, because another import would install Twisted's own reactor.
from tessel_service_kit.reactor import reactor as installed_reactor
# isort: on

import argparse
import errno
import os
import select
import sys
from collections.abc import Sequence
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from typing import cast

from twisted.logger import Logger

from tessel_oauth import tokens
from tessel_oauth.config import IN_MEMORY, SETTINGS, Config
from tessel_oauth.errors import StoreError, UnavailableError
from tessel_oauth.server import IServerReactor, Server
from tessel_oauth.store import Store
from tessel_service_kit.command_line import CommandParser, explain_assignment
from tessel_service_kit.files import hints_of_exposed
from tessel_service_kit.logs import begin_logging
from tessel_service_kit.output import descriptor_of
from tessel_service_kit.serving import AT_FAULT, FAILED, IServingReactor, Serving
from tessel_service_kit.settings import ConfigError
from tessel_service_kit.settings_help import described, lookalikes


class IReactor(IServerReactor, IServingReactor):
    """The parts of a reactor that the server and Serving need."""


reactor = cast("IReactor", installed_reactor)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with the arguments `argv`; return the exit code of the process.

    None: the arguments of this process.
    """
    arguments = _parser().parse_args(argv)
    try:
        config = Config.from_env(os.environ)
    except ConfigError as error:
        return _fail("\n".join([*error.faults, *lookalikes(os.environ, SETTINGS)]), AT_FAULT)
    if arguments.command == "renew-key":
        for hint in _hints(config):
            print(f"tessel-oauth: hint: {hint}", file=sys.stderr)
        return _renew_key(config, arguments.account)
    return _serve(config)


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser(
        prog="tessel-oauth",
        explain=explain_assignment,
        description="A substitute for the Tessel token server, for development and tests.",
        epilog=f"settings, from the environment:\n{described(SETTINGS)}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--version", action="version", version=f"%(prog)s {version('tessel-oauth')}"
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands.add_parser("serve", help="answer requests until SIGTERM (this is the default)")
    renew = commands.add_parser(
        "renew-key", help="make a new API key for an account in DATABASE, and print it"
    )
    renew.add_argument("account", metavar="ACCOUNT")
    return parser


def _serve(config: Config) -> int:
    begin_logging(sys.stderr, config.log_level, config.log_format)
    for hint in _hints(config):
        Logger().warn("{hint}", event="setting_hint", hint=hint)
    server = Server(config, reactor, os.urandom, _show_key)
    return Serving(server.start, server.stop, reactor, foreseen=(UnavailableError,)).run()


def _hints(config: Config) -> list[str]:
    """Return hints about probable mistakes: misspelt settings, files that everybody can read."""
    files = [each.file(os.environ) for each in SETTINGS]
    secrets = [(each.name, each.path) for each in files if each is not None]
    if config.database != IN_MEMORY:  # it holds API keys
        secrets.append(("DATABASE", Path(config.database)))
    return lookalikes(os.environ, SETTINGS) + hints_of_exposed(secrets)


def _show_key(account: str, api_key: str) -> None:
    try:
        _print_or_fail(f"API key of account {account}, shown only once: {api_key}")
    except OSError as error:
        Logger().error(
            "cannot print the API key of {account} on standard output: {why}; "
            "`tessel-oauth renew-key {account}` makes another one",
            event="key_not_shown",
            account=account,
            why=error.strerror,
        )
        sys.stdout = None  # else Python tries to write the rest again at its exit, and fails


def _print_or_fail(text: str) -> None:
    """Print a line. Raises OSError if standard output is closed or full, or nobody reads it."""
    if sys.stdout is None:  # standard output was closed when the process started
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    descriptor = descriptor_of(sys.stdout)
    if descriptor is not None and not _takes_a_line(descriptor):  # print would block
        raise OSError(errno.EAGAIN, "nobody reads it")
    print(text, flush=True)


def _takes_a_line(descriptor: int) -> bool:
    """Return whether a line can be written without blocking.

    A pipe that poll reports as writable has room for at least 4096 bytes.
    """
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return bool(poll.poll(0))


def _renew_key(config: Config, account: str) -> int:
    if config.database == IN_MEMORY:
        return _fail(
            "renew-key needs a file: set DATABASE to the one that the server uses "
            "(a database in memory can be used by its server only)"
        )
    api_key = tokens.new_api_key(os.urandom)
    try:
        with closing(Store.open_existing(config.database)) as store:
            renewed = store.renew_key(account, api_key)
    except StoreError as error:
        return _fail(error)
    if not renewed:
        return _fail(f"there is no account {account!r} in {config.database}")
    print(api_key)
    return 0


def _fail(why: object, exit_code: int = FAILED) -> int:
    for line in str(why).splitlines():
        print(f"tessel-oauth: {line}", file=sys.stderr)
    return exit_code


if __name__ == "__main__":
    sys.exit(main())
