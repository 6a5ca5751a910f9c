"""The arguments of the commands.

CommandParser does not know the options of argparse's groups: which exclude each other is checked
by each command.
"""

from __future__ import annotations

import argparse
import re
from datetime import datetime
from pathlib import Path
from typing import Any, Final

COMMANDS: Final = frozenset(
    {
        "tunnels",
        "tunnel",
        "accounts",
        "proxies",
        "usage",
        "end",
        "end-tunnels",
        "check-tokens",
        "refuse",
        "allow",
        "refused",
        "rebalance",
        "drain",
        "upgrade",
        "top",
    }
)
WHERE: Final = (
    "Asks the proxy at CONTROL_SOCKET, as its user or root, or at --url with the operator's token. "
    "One proxy answers for all its workers and for the others of its fleet. On a terminal, the "
    "answer is a table; otherwise JSON."
)
NO_FLEET: Final = (
    "Without --url, but with FLEET_URL, the command needs no proxy: it reaches all proxies of the "
    "fleet through their engine. The exit code is 1 if one has not acted within half a second."
)
UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d")


def add_commands(commands: Any) -> None:
    """Declare all commands of the operator."""
    tunnels = _command(commands, "tunnels", "list open tunnels")
    tunnels.add_argument("--account", help="only those of this account")
    tunnels.add_argument("--device", help="only those of devices with this name")
    tunnels.add_argument("--address", help="only those from this IP address")
    tunnel = _command(commands, "tunnel", "show one tunnel and its open substreams")
    tunnel.add_argument("id", metavar="ID", help="as `tessel-proxy tunnels` shows it")
    _command(commands, "accounts", "list accounts: what they use, and refusals by number")
    _command(commands, "proxies", "list processes, and what keeps one from being ready")
    _command(commands, "refused", "list whom the operator refuses")
    _command(commands, "top", "show sums, faults and the busiest tunnels live; q ends")
    _add_usage(commands)
    _add_ending(commands)
    _add_refusing(commands)
    _add_moving(commands)
    _add_upgrade(commands)


def _add_usage(commands: Any) -> None:
    usage = _command(commands, "usage", "sum bytes and openings by account and day (UTC)")
    usage.add_argument("--account", help="only this account")
    usage.add_argument("--from", dest="first", type=_day, metavar="DAY", help="YYYY-MM-DD")
    usage.add_argument("--to", dest="last", type=_day, metavar="DAY", help="YYYY-MM-DD")
    usage.add_argument("--csv", action="store_true", help="print comma-separated values")
    usage.add_argument(
        "--log",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="sum log files of the proxy, JSON or text, also .gz, instead of asking a proxy",
    )


def _add_ending(commands: Any) -> None:
    ending = _command(commands, "end", "end a tunnel, or all of an account or device")
    ending.add_argument("id", metavar="ID", nargs="?", help="of one tunnel")
    ending.add_argument("--account", help="all tunnels of this account")
    ending.add_argument("--device", help="of this device alone; needs --account")
    _add_reason(ending)
    meaning = "end the tunnels of an account or device, also of a fleet without a proxy at hand"
    telling = _command(commands, "end-tunnels", meaning, NO_FLEET)
    telling.add_argument("account", metavar="ACCOUNT")
    telling.add_argument("device", metavar="DEVICE", nargs="?")
    _add_reason(telling)
    meaning = "check the tokens of open tunnels now, after one was revoked"
    checking = _command(
        commands,
        "check-tokens",
        meaning,
        f"Each process first reads changed files of tokens. {NO_FLEET}",
    )
    checking.add_argument("account", metavar="ACCOUNT", nargs="?", help="default: all accounts")


def _add_refusing(commands: Any) -> None:
    refusing = _command(commands, "refuse", "end and refuse an account, a device or an address")
    refusing.add_argument("--account")
    refusing.add_argument("--device", help="a device of the account; needs --account")
    refusing.add_argument("--address", help="an IP address, or a network such as 192.0.2.0/24")
    refusing.add_argument(
        "--for",
        dest="for_s",
        type=_duration,
        metavar="TIME",
        help="such as 30m, 12h or 7d; without it and --until, until it is removed by `allow`",
    )
    refusing.add_argument(
        "--until",
        dest="until_at",
        type=_instant,
        metavar="DATE_TIME",
        help="such as 2026-12-24T18:00+01:00, or with Z for UTC",
    )
    _add_reason(refusing)
    allowing = _command(commands, "allow", "remove a refusal")
    allowing.add_argument("rule", metavar="RULE", help="as `tessel-proxy refused` shows it")


def _add_moving(commands: Any) -> None:
    moving = _command(commands, "rebalance", "ask devices to reconnect, elsewhere if possible")
    moving.add_argument("--tunnels", type=int, help="number of tunnels of each process")
    moving.add_argument("--share", type=float, help="share of the tunnels, 0 to 1")
    moving.add_argument("--member", help="of this process alone; see `tessel-proxy proxies`")
    draining = _command(commands, "drain", "stop processes as SIGTERM does")
    draining.add_argument("--member", help="this process; see `tessel-proxy proxies`")
    draining.add_argument("--all", action="store_true", help="all processes, of all hosts")


def _add_upgrade(commands: Any) -> None:
    command = commands.add_parser(
        "upgrade",
        help="start the workers of a running proxy anew, from the code that is installed now",
        description="Ask the supervisor at CONTROL_SOCKET, on the same host, to start new workers "
        "on the same sockets. When they serve, the former ones drain for DRAIN_S. If they do not, "
        "the former ones stay, and the exit code is 1.",
    )
    # declared, so that the error says why they are not allowed
    command.add_argument("--url", help=argparse.SUPPRESS)
    command.add_argument("--token-file", help=argparse.SUPPRESS)
    _add_form(command)


def _command(commands: Any, name: str, meaning: str, more: str = "") -> Any:
    text = f"{meaning[0].upper()}{meaning[1:]}. {WHERE} {more}".strip()
    command = commands.add_parser(name, help=meaning, description=text)
    command.add_argument("--url", help="the proxy's admin port (ADMIN_URL), http://HOST:PORT")
    command.add_argument("--token-file", metavar="FILE", help="the token (ADMIN_TOKEN_FILE)")
    if name != "top":
        _add_form(command)
    return command


def _add_form(command: Any) -> None:
    command.add_argument("--json", action="store_true", help="print JSON on a terminal, too")
    command.add_argument("--table", action="store_true", help="print a table to a pipe, too")


def _add_reason(command: Any) -> None:
    command.add_argument(
        "--reason",
        metavar="TEXT",
        help="at most 200 characters; the device's program gets it, and the audit log has it",
    )


def _day(text: str) -> str:
    if not _DAY.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r}; allowed: YYYY-MM-DD")
    return text


def _duration(text: str) -> float:
    """Return the seconds of a text such as 30m."""
    found = re.fullmatch(r"([0-9]{1,9})([smhd])", text)
    if found is None or int(found[1]) == 0:
        raise argparse.ArgumentTypeError(f"{text!r}; allowed: a number and s, m, h or d: 12h")
    return float(int(found[1]) * UNITS[found[2]])


def _instant(text: str) -> float:
    """Return the seconds since 1970 of a date and time with its zone."""
    allowed = "allowed: 2026-12-24T18:00+01:00, or 2026-12-24T17:00Z (UTC)"
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}; {allowed}") from None
    if found.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r} has no time zone; {allowed}")
    return found.timestamp()
