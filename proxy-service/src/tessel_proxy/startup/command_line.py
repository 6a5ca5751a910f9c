"""The arguments of the command `tessel-proxy`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from streamplex.conversation import is_host
from tessel_proxy.certificates.make import MAX_DAYS, SERVER_DAYS
from tessel_proxy.console import add_commands
from tessel_proxy.startup.config import SETTINGS
from tessel_service_kit.command_line import CommandParser, explain_assignment
from tessel_service_kit.parsers import integer
from tessel_service_kit.settings_help import described

MAX_PORT: Final = 65_535
INVITATION_HOURS: Final = 24
MAX_INVITATION_HOURS: Final = 24 * 365


def parser() -> argparse.ArgumentParser:
    """Return the argument parser of the command `tessel-proxy`, with all its subcommands."""
    top = CommandParser(
        prog="tessel-proxy",
        explain=explain_assignment,
        description="Accepts a TLS tunnel from each device, and opens its connections to targets.",
        epilog=f"settings, from the environment:\n{described(SETTINGS)}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"%(prog)s {version('tessel-proxy')}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND")
    commands.add_parser("serve", help="serve devices until SIGTERM (this is the default)")
    worker = commands.add_parser("worker")  # no help: only the supervisor calls it
    worker.add_argument("--number", type=int, required=True)
    worker.add_argument("--member", default="worker")  # a supervisor of before does not name it
    worker.add_argument("--sockets", required=True)
    worker.add_argument("--listening", action="append", default=[])
    add_commands(commands)
    commands.add_parser("check-config", help="print the settings in effect, or all their faults")
    make = commands.add_parser(
        "make-cert",
        help="make a server certificate, and the authority that devices trust",
        description="Write CERT_FILE and KEY_FILE for the names and addresses by which devices "
        "reach the proxy. The authority beside them is made once and kept, so a renewal does "
        "not touch the devices. A file that is replaced keeps its owner, group, mode and ACL. "
        "Keys are encrypted if KEY_PASS is set.",
    )
    make.add_argument(
        "--for-tessel-1",
        action="store_true",
        help="write LEGACY_CERT_FILE and LEGACY_KEY_FILE, and an authority for Tessel 1 boards; "
        "names only, because these boards do not read addresses",
    )
    make.add_argument("names", nargs="+", metavar="NAME_OR_ADDRESS")
    make.add_argument(
        "--out", type=Path, metavar="DIR", help="folder to write to, instead of the files' own"
    )
    make.add_argument(
        "--days",
        type=_ranged(1, MAX_DAYS),
        default=SERVER_DAYS,
        help="days until the server certificate expires (default: %(default)s)",
    )
    hashing = commands.add_parser(
        "hash-token",
        help="make a token for an account, and the line of AUTH_FILE that accepts it",
        description="Print a line for AUTH_FILE: add it to the file, which a serving proxy reads "
        "again. The token itself is printed once on standard error and stored nowhere. If "
        "AUTH_FILE is set, the line uses the salt of that file.",
    )
    hashing.add_argument("account", metavar="ACCOUNT")
    hashing.add_argument(
        "--stdin",
        action="store_true",
        help="read the token from standard input instead of making one",
    )
    _add_invite(commands)
    return top


def _add_invite(commands: Any) -> None:
    inviting = commands.add_parser(
        "invite",
        help="make a token for a new device, as an invitation that is used once",
        description="Make a token for the account, add its line to AUTH_FILE, and print an "
        "invitation: a URI that tessel join exchanges for the token, once. On standard error "
        "follow the URI as a QR code, and what to do with it.",
    )
    inviting.add_argument("account", metavar="ACCOUNT")
    inviting.add_argument(
        "--host",
        type=_host,
        help="name by which devices reach the proxy, instead of the certificate's first",
    )
    inviting.add_argument(
        "--port", type=_ranged(1, MAX_PORT), help="port that devices connect to, instead of PORT"
    )
    inviting.add_argument(
        "--hours",
        type=_ranged(1, MAX_INVITATION_HOURS),
        default=INVITATION_HOURS,
        help="hours until the invitation expires (default: %(default)s)",
    )
    inviting.add_argument("--no-qr", action="store_true", help="print no QR code")


def _host(text: str) -> str:
    if not is_host(text.lower()):
        raise argparse.ArgumentTypeError(f"{text!r}; allowed: a name (xn--…), or an address")
    return text.lower()


def _ranged(lowest: int, highest: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        try:
            return integer(lowest, highest)(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{text!r}; allowed: {error}") from None

    return number
