"""What each command asks, and how it prints the answer."""

from __future__ import annotations

import csv
import json
import time
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TextIO
from urllib.parse import quote

from tessel_proxy.console import views
from tessel_proxy.console.client import Client, ConsoleError, WrongPlaceError, place_of
from tessel_proxy.console.log_usage import summed
from tessel_proxy.console.tables import Column, table
from tessel_proxy.console.units import plain
from tessel_service_kit.serving import FAILED, OK
from tessel_service_kit.texts import counted

USAGE_FIELDS: Final = (
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


@dataclass(frozen=True, slots=True)
class Screen:
    """Where a command prints. `columns`: of the terminal; None: standard output is none.

    `ask` asks the person for a text; None: nobody is there to be asked.
    """

    out: TextIO
    errors: TextIO
    columns: int | None
    ask: Callable[[str], str] | None = None


def run(arguments: Namespace, environ: Mapping[str, str], screen: Screen) -> int:
    """Run a command of the operator; return its exit code. Raises ConsoleError."""
    if arguments.command != "top" and arguments.json and arguments.table:
        raise WrongPlaceError("expected either --json, or --table")
    if arguments.command == "usage" and arguments.log:
        return _print_usage(arguments, summed(arguments.log), screen)
    client = Client(place_of(arguments.url, arguments.token_file, environ))
    if arguments.command == "top":
        return _top(client, screen)
    if arguments.command == "usage":
        return _usage(client, arguments, screen)
    if arguments.command in _LISTS:
        answer, lines = _LISTS[arguments.command](client, arguments, screen.columns)
    else:
        answer, lines = _STEERING[arguments.command](client, arguments, screen)
    _print(arguments, answer, lines, screen)
    return _told(answer.get("missing") or (), screen)


def _told(missing: Sequence[str], screen: Screen) -> int:
    for name in missing:
        print(f"tessel-proxy: no answer from {plain(name)}", file=screen.errors)
    return FAILED if missing else OK


def _print(arguments: Namespace, answer: Any, lines: Sequence[str], screen: Screen) -> None:
    is_table = arguments.table or (screen.columns is not None and not arguments.json)
    text = "\n".join(lines) if is_table else json.dumps(answer, indent=2)
    print(text, file=screen.out)


Shown = tuple[dict[str, Any], list[str]]


def _tunnels(client: Client, arguments: Namespace, columns: int | None) -> Shown:
    asked = {name: getattr(arguments, name) for name in ("account", "device", "address")}
    return _list(client, "tunnels", views.tunnels(time.time()), columns, asked)


def _accounts(client: Client, _: Namespace, columns: int | None) -> Shown:
    return _list(client, "accounts", views.accounts(), columns, {})


def _list(
    client: Client,
    name: str,
    shown: Sequence[Column],
    columns: int | None,
    asked: Mapping[str, Any],
) -> Shown:
    rows: list[dict[str, Any]] = []
    missing: set[str] = set()
    for page in client.pages(name, **asked):
        rows += page[name]
        missing.update(page["missing"])
    lines = table(shown, rows, columns) if rows else [f"no {name}"]
    return {name: rows, "missing": sorted(missing)}, lines


def _tunnel(client: Client, arguments: Namespace, columns: int | None) -> Shown:
    row = client.get(f"tunnels/{quote(arguments.id, safe='')}")
    now = time.time()
    lines = views.facts_of_tunnel(row, now)
    if row["open"]:
        lines += ["", *table(views.substreams(now), row["open"], columns)]
    return row, lines


def _proxies(client: Client, _: Namespace, columns: int | None) -> Shown:
    answer = client.get("proxies")
    lines = table(views.proxies(time.time()), answer["proxies"], columns)
    if answer["engine"]["url"] is not None:
        state = "away" if answer["engine"]["away"] else "reached"
        lines.append(f"engine {plain(answer['engine']['url'])}: {state}")
    return answer, lines


def _refused(client: Client, _: Namespace, columns: int | None) -> Shown:
    answer = client.get("refused")
    rows = answer["refused"]
    return answer, table(views.rules(), rows, columns) if rows else ["nobody is refused"]


def _end(client: Client, arguments: Namespace, screen: Screen) -> Shown:
    if (arguments.id is None) == (arguments.account is None):
        raise WrongPlaceError("end: expected either the ID of a tunnel, or --account")
    if arguments.id is not None and arguments.device is not None:
        raise WrongPlaceError("end: --device needs --account, not an ID")
    reason = _reason(arguments, screen)
    if arguments.id is not None:
        answer = client.delete(f"tunnels/{quote(arguments.id, safe='')}", reason=reason)
    else:
        named = {"account": arguments.account, "device": arguments.device}
        answer = client.post("end", **named, reason=reason)
    return answer, [f"ended {counted(answer['ended'], 'tunnel')}", *_confirmed(answer)]


def _refuse(client: Client, arguments: Namespace, screen: Screen) -> Shown:
    if (arguments.address is None) == (arguments.account is None):
        raise WrongPlaceError("refuse: expected either --account, or --address")
    if arguments.address is not None and arguments.device is not None:
        raise WrongPlaceError("refuse: --device needs --account, not --address")
    names = ("account", "device", "address", "for_s")
    asked = {name: getattr(arguments, name) for name in names}
    answer = client.post("refused", **asked, reason=_reason(arguments, screen))
    lines = [
        f"rule {plain(answer['id'])}: remove it with tessel-proxy allow {plain(answer['id'])}",
        f"ended {counted(answer['ended'], 'tunnel')}",
        *_confirmed(answer),
    ]
    if answer.get("kept") is False:
        lines.append("the rule ends with the process: neither REFUSALS_FILE nor FLEET_URL is set")
    return answer, lines


def _allow(client: Client, arguments: Namespace, _: Screen) -> Shown:
    answer = client.delete(f"refused/{quote(arguments.rule, safe='')}")
    return answer, [f"rule {plain(arguments.rule)} is removed", *_confirmed(answer)]


def _rebalance(client: Client, arguments: Namespace, _: Screen) -> Shown:
    if (arguments.tunnels is None) == (arguments.share is None):
        raise WrongPlaceError("rebalance: expected either --tunnels, or --share")
    asked = {name: getattr(arguments, name) for name in ("tunnels", "share", "member")}
    answer = client.post("rebalance", **asked)
    return answer, [f"asked {counted(answer['asked'], 'tunnel')} to reconnect"]


def _drain(client: Client, arguments: Namespace, _: Screen) -> Shown:
    if (arguments.member is None) == (not arguments.all):
        raise WrongPlaceError("drain: expected either --member, or --all")
    answer = client.post("drain", member=arguments.member)
    return answer, ["draining: no new devices; open connections may finish within DRAIN_S"]


def _confirmed(answer: Mapping[str, Any]) -> list[str]:
    return [f"confirmed by {plain(name)}" for name in sorted(answer.get("confirmed") or ())]


def _reason(arguments: Namespace, screen: Screen) -> str:
    """Return the reason of a command; a person is asked for it. Raises WrongPlaceError."""
    reason: str = arguments.reason or ""
    if not reason.strip() and screen.ask is not None:
        reason = screen.ask("reason (the device is told): ")
    if not reason.strip():
        raise WrongPlaceError(f"{arguments.command}: --reason is missing; the device is told it")
    return reason.strip()


def _usage(client: Client, arguments: Namespace, screen: Screen) -> int:
    asked = {"account": arguments.account, "from": arguments.first, "to": arguments.last}
    rows = [row for page in client.pages("usage", **asked) for row in page["usage"]]
    return _print_usage(arguments, rows, screen)


def _print_usage(arguments: Namespace, rows: list[dict[str, Any]], screen: Screen) -> int:
    first, last = arguments.first or "", arguments.last or "9999-99-99"
    rows = [
        row
        for row in rows
        if first <= row["day"] <= last and arguments.account in (None, row["account"])
    ]
    if arguments.csv:
        _write_csv(rows, screen.out)
    else:
        lines = table(views.USAGE, rows, screen.columns) if rows else ["no usage"]
        _print(arguments, {"usage": rows}, lines, screen)
    return OK


def _write_csv(rows: Sequence[Mapping[str, Any]], out: TextIO) -> None:
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(USAGE_FIELDS)
    for row in rows:
        account = plain(row["account"])
        guarded = f"'{account}" if account.startswith(FORMULA) else account
        writer.writerow([row["day"], guarded, *(row[name] for name in USAGE_FIELDS[2:])])


def _top(client: Client, screen: Screen) -> int:
    if screen.columns is None or screen.ask is None:
        raise ConsoleError("top needs a terminal; `tessel-proxy tunnels` prints a list once")
    from tessel_proxy.console.top import watch  # noqa: PLC0415 -- needs termios

    watch(client)
    return OK


_LISTS: Final[Mapping[str, Callable[[Client, Namespace, int | None], Shown]]] = {
    "tunnels": _tunnels,
    "tunnel": _tunnel,
    "accounts": _accounts,
    "proxies": _proxies,
    "refused": _refused,
}
_STEERING: Final[Mapping[str, Callable[[Client, Namespace, Screen], Shown]]] = {
    "end": _end,
    "refuse": _refuse,
    "allow": _allow,
    "rebalance": _rebalance,
    "drain": _drain,
}
