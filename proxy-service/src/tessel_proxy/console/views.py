"""The columns of each list, and the lines before and after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from tessel_proxy.console.live import COUNTS, Order
from tessel_proxy.console.tables import Column, Row, field, identifier, number
from tessel_proxy.console.units import NOTHING, lasted, moment, plain, rate, size


def _since(now: float) -> Column:
    return number("SINCE", lambda row: lasted(now - row["since_at"]))


def _bytes(heading: str, name: str) -> Column:
    return number(heading, lambda row: size(row[name]))


def _rate(heading: str, name: str) -> Column:
    return number(heading, lambda row: rate(row[name]))


def _count(heading: str, name: str) -> Column:
    return number(heading, lambda row: plain(row[name]))


def tunnels(now: float) -> list[Column]:
    """Return the columns of tunnels. `now`: seconds since 1970."""
    return [
        identifier("ID", "id"),
        field("ACCOUNT", "account"),
        field("DEVICE", "device"),
        field("ADDRESS", "address"),
        replace(field("STATE", "state"), dropped=1),
        replace(_since(now), dropped=2),
        _count("OPEN", "open_substreams"),
        _bytes("FROM DEVICE", "bytes_from_device"),
        _bytes("FROM TARGET", "bytes_from_target"),
    ]


def busy_tunnels(now: float, order: Order) -> list[Column]:
    """Return the columns of tunnels in `top`: sorted by bytes it shows sums, otherwise rates."""
    if order is Order.BYTES:
        moved = [_bytes("FROM DEVICE", COUNTS[0]), _bytes("FROM TARGET", COUNTS[1])]
    else:
        moved = [_rate("FROM DEVICE", COUNTS[2]), _rate("FROM TARGET", COUNTS[3])]
    return [
        replace(identifier("ID", "id"), dropped=2),
        field("ACCOUNT", "account"),
        field("DEVICE", "device"),
        replace(_since(now), dropped=1),
        replace(_count("OPEN", "open_substreams"), dropped=3),
        *moved,
    ]


def substreams(now: float) -> list[Column]:
    """Return the columns of the open substreams of a tunnel."""
    return [
        _count("NUMBER", "number"),
        field("KIND", "kind"),
        field("TARGET", "target"),
        field("ADDRESS", "address"),
        field("STATE", "state"),
        _since(now),
        _bytes("FROM DEVICE", "bytes_from_device"),
        _bytes("FROM TARGET", "bytes_from_target"),
    ]


def accounts() -> list[Column]:
    """Return the columns of accounts."""
    return [
        field("ACCOUNT", "account"),
        number("TUNNELS", lambda row: _of(row, "tunnels")),
        number("OPEN", lambda row: _of(row, "substreams")),
        _bytes("TODAY", "bytes_today"),
        _rate("FROM DEVICE", "bytes_from_device_per_s"),
        _rate("FROM TARGET", "bytes_from_target_per_s"),
        Column("REFUSED", lambda row: counts(row["refused"])),
    ]


def _of(row: Row, name: str) -> str:
    limit = (row.get("limits") or {}).get(name)
    return f"{plain(row[name])}/{plain(limit)}" if limit else plain(row[name])


def counts(by_code: Mapping[str, Any]) -> str:
    """Return refusals by their numbers, the most frequent first, such as `TP1005 12, TP2005 1`."""
    ordered = sorted(by_code.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{plain(code)} {count}" for code, count in ordered) or NOTHING


def proxies(now: float) -> list[Column]:
    """Return the columns of the processes."""
    return [
        replace(field("PROXY", "proxy"), dropped=2),
        identifier("MEMBER", "member"),
        _count("PID", "pid"),
        replace(field("ROLE", "role"), dropped=3),
        replace(field("VERSION", "version"), dropped=1),
        _since(now),
        _count("TUNNELS", "tunnels"),
        _count("OPEN", "substreams"),
        number("MEMORY", lambda row: size(row["memory_bytes"])),
        Column("STATE", _readiness),
    ]


def _readiness(row: Row) -> str:
    if row["draining"]:
        return "draining"
    return "ready" if row["ready"] else "not ready: " + plain("; ".join(row["obstacles"]))


def rules() -> list[Column]:
    """Return the columns of refusals."""
    return [
        identifier("RULE", "id"),
        field("ACCOUNT", "account"),
        field("DEVICE", "device"),
        field("ADDRESS", "address"),
        Column(
            "UNTIL", lambda row: moment(row["until_at"]) if row["until_at"] else "allowed again"
        ),
        field("REASON", "reason"),
        replace(field("BY", "by"), dropped=1),
    ]


USAGE: Final[Sequence[Column]] = (
    field("DAY", "day"),
    field("ACCOUNT", "account"),
    _bytes("FROM DEVICE", "bytes_from_device"),
    _bytes("FROM TARGET", "bytes_from_target"),
    _count("OPENS", "opens"),
    _count("TUNNELS", "tunnels"),
    _count("REFUSALS", "refusals"),
)


def facts_of_tunnel(row: Mapping[str, Any], now: float) -> list[str]:
    """Return what is known about one tunnel, a line for each fact."""
    facts = {
        "account": plain(row["account"]),
        "device": plain(row["device"]),
        "address": plain(row["address"]),
        "state": plain(row["state"]),
        "proxy": f"{plain(row['proxy'])} ({plain(row['member'])}), {plain(row['listener'])}",
        "since": f"{moment(row['since_at'])} ({lasted(now - row['since_at'])})",
        "TLS": f"{plain(row['tls_version'])} {plain(row['tls_cipher'])}"
        + (", resumed" if row["resumed"] else ""),
        "features": plain(", ".join(row["features"])),
        "from device": f"{size(row['bytes_from_device'])}, now "
        f"{rate(row['bytes_from_device_per_s'])}",
        "from target": f"{size(row['bytes_from_target'])}, now "
        f"{rate(row['bytes_from_target_per_s'])}",
        "substreams": f"{plain(row['open_substreams'])} open, {plain(row['substreams'])} in all",
    }
    return [f"{name + ':':13}{text}" for name, text in facts.items()]
