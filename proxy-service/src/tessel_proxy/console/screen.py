"""What `top` shows: a pure function of a snapshot and of the terminal's size."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from tessel_proxy.console import views
from tessel_proxy.console.tables import table
from tessel_proxy.console.units import cut, moment, plain, rate

MAX_FAULTS: Final = 3
"""Lines for proxies that are not ready, or did not answer."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the API answered at one moment. `now`: seconds since 1970."""

    now: float
    tunnels: Sequence[dict[str, Any]]
    accounts: Sequence[dict[str, Any]]
    proxies: Sequence[dict[str, Any]]
    missing: Sequence[str] = ()
    engine_away: bool = False


def lines_of(snapshot: Snapshot, columns: int, rows: int) -> list[str]:
    """Return at most `rows` lines of at most `columns` columns: sums, faults, busiest tunnels."""
    head = [*_sums(snapshot), *_faults(snapshot)[:MAX_FAULTS], ""]
    busiest = sorted(snapshot.tunnels, key=_bytes_per_s, reverse=True)
    left = max(0, rows - len(head) - 1)  # one line has the headings
    shown = table(views.busy_tunnels(snapshot.now), busiest[:left], columns)
    return [cut(line, columns) for line in (*head, *shown)][:rows]


def _bytes_per_s(tunnel: dict[str, Any]) -> float:
    return float(tunnel["bytes_from_device_per_s"] + tunnel["bytes_from_target_per_s"])


def _sums(snapshot: Snapshot) -> list[str]:
    def total(name: str) -> float:
        return float(sum(tunnel[name] for tunnel in snapshot.tunnels))

    refused: Counter[str] = Counter()
    for account in snapshot.accounts:
        refused.update(account["refused"])
    from_device, from_target = total("bytes_from_device_per_s"), total("bytes_from_target_per_s")
    opens = sum(account["opens_per_s"] for account in snapshot.accounts)
    counted = (
        f"processes {len(snapshot.proxies)}  accounts {len(snapshot.accounts)}  "
        f"tunnels {len(snapshot.tunnels)}  open {total('open_substreams'):.0f}"
    )
    return [
        f"tessel-proxy top  {moment(snapshot.now)}  q: quit",
        counted,
        f"from devices {rate(from_device)}  from targets {rate(from_target)}  opens {opens:.1f}/s",
        f"refused: {views.counts(refused)}",
    ]


def _faults(snapshot: Snapshot) -> list[str]:
    lines = ["the engine is away"] if snapshot.engine_away else []
    lines += [f"no answer: {plain(name)}" for name in snapshot.missing]
    lines += [
        f"{plain(each['member'])} is not ready: {plain('; '.join(each['obstacles']))}"
        for each in snapshot.proxies
        if not each["ready"]
    ]
    return lines
