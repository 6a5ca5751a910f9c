"""The commands that show something: what each asks, and the lines it prints."""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from tessel_proxy.console import views
from tessel_proxy.console.client import Client
from tessel_proxy.console.printing import Shown
from tessel_proxy.console.tables import Column, table
from tessel_proxy.console.units import plain


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


LISTS: Final[Mapping[str, Callable[[Client, Namespace, int | None], Shown]]] = {
    "tunnels": _tunnels,
    "tunnel": _tunnel,
    "accounts": _accounts,
    "proxies": _proxies,
    "refused": _refused,
}
