"""Draws the screen of `top`: a pure function of its picture and of the terminal's size."""

from __future__ import annotations

from typing import Final

from tessel_proxy.console import views
from tessel_proxy.console.live import Live, Order
from tessel_proxy.console.tables import table
from tessel_proxy.console.units import cut, lasted, moment, plain

MAX_FAULTS: Final = 3
"""Lines for a lost connection, and for proxies that are not ready or did not answer."""

KEYS: Final = ", ".join(f"{each.key}: {each.title}" for each in Order)


def lines_of(live: Live, order: Order, now: float, columns: int, rows: int) -> list[str]:
    """Return at most `rows` lines of at most `columns` columns: sums, faults, tunnels.

    `now`: seconds since 1970.
    """
    head = [*_sums(live, now), *_faults(live, now)[:MAX_FAULTS], "", _listed(live, order)]
    left = max(0, rows - len(head) - 1)  # one line has the headings
    shown = table(views.busy_tunnels(now, order), live.busiest(order, left), columns)
    return [cut(line, columns) for line in (*head, *shown)][:rows]


def _sums(live: Live, now: float) -> list[str]:
    title = f"tessel-proxy top  {moment(now)}  q: quit"
    if live.totals is None or live.proxies is None:
        return [title, "waiting for the proxy"]
    totals = live.totals
    from_devices, from_targets = (
        totals[f"bytes_from_{each}_per_s"] for each in ("device", "target")
    )
    accounts = {row["account"] for row in live.tunnels.values()} - {None}
    open_now = f"tunnels {totals['tunnels']}  open {totals['substreams']}"
    moved = f"from devices {from_devices}  from targets {from_targets}"
    return [
        title,
        f"processes {len(live.proxies['proxies'])}  accounts {len(accounts)}  {open_now}",
        f"{moved}  opens {totals['opens_per_s']:.1f}/s",
        f"refused in the last hour: {views.counts(live.refusals.counts(now))}",
    ]


def _faults(live: Live, now: float) -> list[str]:
    lines = []
    if live.lost is not None:
        since, why = live.lost
        lines.append(f"connection lost {lasted(now - since)} ago, trying again: {plain(why)}")
    if live.proxies is None:
        return lines
    if live.proxies["engine"]["away"]:
        lines.append("the engine is away")
    lines += [f"no answer: {plain(name)}" for name in live.proxies["missing"]]
    lines += [
        f"{plain(each['member'])} is not ready: {plain('; '.join(each['obstacles']))}"
        for each in live.proxies["proxies"]
        if not each["ready"]
    ]
    return lines


def _listed(live: Live, order: Order) -> str:
    """Say how the list is sorted, and whether it has all tunnels."""
    known, total = len(live.tunnels), live.totals["tunnels"] if live.totals else 0
    partial = f", {known:,} of {total:,}" if 0 < known < total else ""
    return f"tunnels by {order.title}{partial} (keys: {KEYS})"
