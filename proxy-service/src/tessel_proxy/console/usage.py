"""`tessel-proxy usage`: sums of a proxy or of log files, as a table, JSON or CSV."""

from __future__ import annotations

import csv
from argparse import Namespace
from collections.abc import Mapping, Sequence
from typing import Any, Final, TextIO

from tessel_proxy.console import views
from tessel_proxy.console.client import Client
from tessel_proxy.console.log_usage import summed
from tessel_proxy.console.place import WrongPlaceError
from tessel_proxy.console.printing import Screen, print_answer
from tessel_proxy.console.tables import table
from tessel_proxy.console.units import plain
from tessel_service_kit.serving import OK

FIELDS: Final = (
    "day",
    "account",
    "bytes_from_device",
    "bytes_from_target",
    "opens",
    "tunnels",
    "refusals",
)
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""Beginnings of cells that a spreadsheet would compute; accounts are named by other people."""


def usage_of_proxies(client: Client, arguments: Namespace, screen: Screen) -> int:
    """Print what the proxies have kept; return the exit code. Raises ConsoleError."""
    asked = {"account": arguments.account, "from": arguments.first, "to": arguments.last}
    rows = [row for page in client.pages("usage", **asked) for row in page["usage"]]
    return _print(arguments, rows, screen)


def usage_of_logs(arguments: Namespace, screen: Screen) -> int:
    """Print the sums of log files; return the exit code. Raises ConsoleError."""
    first, last = arguments.first or "", arguments.last or "9999-99-99"
    rows = [
        row
        for row in summed(arguments.log)
        if first <= row["day"] <= last and arguments.account in (None, row["account"])
    ]
    return _print(arguments, rows, screen)


def _print(arguments: Namespace, rows: list[dict[str, Any]], screen: Screen) -> int:
    if arguments.csv and (arguments.json or arguments.table):
        raise WrongPlaceError("expected one of --csv, --json and --table")
    if arguments.csv:
        _write_csv(rows, screen.out)
    else:
        lines = table(views.USAGE, rows, screen.columns) if rows else ["no usage"]
        print_answer(arguments, {"usage": rows}, lines, screen)
    return OK


def _write_csv(rows: Sequence[Mapping[str, Any]], out: TextIO) -> None:
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(FIELDS)
    for row in rows:
        account = plain(row["account"])
        guarded = f"'{account}" if account.startswith(FORMULA) else account
        writer.writerow([row["day"], guarded, *(row[name] for name in FIELDS[2:])])
