"""The answers of several processes as one. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import Any

Row = dict[str, Any]


def page_of_tunnels(answers: Iterable[Row], limit: int) -> Row:
    """Return the first `limit` rows in the order of ids, and the id after which others follow."""
    parts = list(answers)
    rows = sorted((row for part in parts for row in part["rows"]), key=lambda row: order(row["id"]))
    page = rows[:limit]
    return {
        "tunnels": page,
        "next": page[-1]["id"] if len(rows) > limit else None,
        "total": sum(part["total"] for part in parts),
    }


def order(tunnel_id: str) -> tuple[str, int]:
    """Return the key by which ids are ordered: the process, then the number."""
    prefix, _, number = tunnel_id.rpartition("-")
    return prefix, int(number)


def accounts(answers: Iterable[Sequence[Row]]) -> list[Row]:
    """Return one row for each account, ordered by name; numbers are added."""
    found: dict[str, Row] = {}
    for row in (each for part in answers for each in part):
        before = found.get(row["account"])
        found[row["account"]] = row if before is None else _account(before, row)
    return [found[name] for name in sorted(found)]


def _account(one: Row, other: Row) -> Row:
    refusals = [each["last_refusal"] for each in (one, other) if each["last_refusal"]]
    added = (
        "tunnels",
        "substreams",
        "bytes_from_device_per_s",
        "bytes_from_target_per_s",
        "opens_per_s",
    )
    return {
        **one,
        **{name: one[name] + other[name] for name in added},
        "refused": dict(Counter(one["refused"]) + Counter(other["refused"])),
        "last_refusal": max(refusals, key=lambda each: each["at"], default=None),
    }


def history(answers: Sequence[Row]) -> Row:
    """Return the hours of several processes as one."""
    first = answers[0]
    names = dict.fromkeys(name for each in answers for name in each["accounts"])
    return {
        **first,
        "all": _series([each["all"] for each in answers])
        | {"refusals": _refusals([each["all"]["refusals"] for each in answers])},
        "accounts": {
            name: _series([each["accounts"][name] for each in answers if name in each["accounts"]])
            for name in names
        },
    }


def _series(parts: Sequence[Row]) -> Row:
    names = ("bytes_from_device", "bytes_from_target", "opens")
    return {name: _sums(part[name] for part in parts) for name in names}


def _refusals(parts: Sequence[Row]) -> Row:
    codes = sorted({code for part in parts for code in part})
    return {code: _sums(part.get(code, []) for part in parts) for code in codes}


def _sums(lists: Iterable[Sequence[int]]) -> list[int]:
    return [sum(step) for step in zip_longest(*lists, fillvalue=0)]


def totals(answers: Iterable[Row]) -> Row:
    """Return the totals of several processes as one."""
    sums: Counter[str] = Counter()
    for each in answers:
        sums.update(each)
    return dict(sums)


def changes(answers: Sequence[Row]) -> Row:
    """Return what has changed in the tunnels of several processes."""
    return {
        name: [row for each in answers for row in each["tunnels"][name]]
        for name in ("opened", "changed", "closed")
    }
