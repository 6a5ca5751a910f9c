"""The answers of several processes as one. Pure."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from operator import add
from typing import Any, Final

from tessel_proxy.operations.history import MAX_ACCOUNTS

Row = dict[str, Any]

_ADDED: Final = (
    "tunnels",
    "substreams",
    "bytes_from_device_per_s",
    "bytes_from_target_per_s",
    "opens_per_s",
)
_SERIES: Final = ("bytes_from_device", "bytes_from_target", "opens")


def page_of_tunnels(answers: Iterable[Row], limit: int) -> Row:
    """Return the first `limit` rows in the order of ids, and the id after which others follow."""
    parts = list(answers)
    rows = sorted((row for part in parts for row in part["rows"]), key=lambda row: order(row["id"]))
    page = rows[:limit]
    left = sum(part["left"] for part in parts)
    return {
        "tunnels": page,
        "next": page[-1]["id"] if page and left > len(page) else None,
        "total": sum(part["total"] for part in parts),
    }


def order(tunnel_id: str) -> tuple[str, int]:
    """Return the key by which ids are ordered: the process, then the number."""
    prefix, _, number = tunnel_id.rpartition("-")
    return prefix, int(number)


def rows_of_each(left: Mapping[str, int], rows: int) -> dict[str, int]:
    """Return how many of its next rows each process gives, so that there are `rows` in all.

    `left`: how many rows each process has, in the order of the list: all rows of one process come
    before those of the next. Processes that give none are not in the result.
    """
    found: dict[str, int] = {}
    for member, count in left.items():
        taken = min(count, rows - sum(found.values()))
        if taken > 0:
            found[member] = taken
    return found


def accounts(answers: Iterable[Row], limit: int) -> Row:
    """Return one row for each account, ordered by name; numbers are added. `limit` + 1 at most.

    A process whose answer has `more` has accounts after its last row. So what others have after
    that row is not complete, and is left out.
    """
    parts = list(answers)
    found: dict[str, Row] = {}
    for row in (each for part in parts for each in part["rows"]):
        before = found.get(row["account"])
        found[row["account"]] = row if before is None else _account(before, row)
    ends = [part["rows"][-1]["account"] for part in parts if part["more"]]
    names = [name for name in sorted(found) if not ends or name <= min(ends)]
    page = names[: limit + 1]
    return {"rows": [found[name] for name in page], "more": bool(ends) or len(names) > len(page)}


def _account(one: Row, other: Row) -> Row:
    refusals = [each["last_refusal"] for each in (one, other) if each["last_refusal"]]
    return {
        **one,
        **{name: one[name] + other[name] for name in _ADDED},
        "refused": dict(Counter(one["refused"]) + Counter(other["refused"])),
        "last_refusal": max(refusals, key=lambda each: each["at"], default=None),
    }


def history(answers: Sequence[Row]) -> Row:
    """Return the hours of several processes as one, with the busiest accounts of all.

    For the few answers of one host. Many are added one by one: see `Hours`.
    """
    hours = Hours()
    for each in answers:
        hours.add(each)
    return hours.shown()


class Hours:
    """Adds up the last hours of processes one by one: each takes about a millisecond."""

    def __init__(self) -> None:
        self._last: Row = {}  # has the times of the steps
        self._all: Row = {}
        self._refusals: Row = {}
        self._accounts: dict[str, Row] = {}

    def add(self, answer: Row) -> None:
        """Add the hour of one process; the answer must not be changed later."""
        self._last = answer
        refusals = answer["all"]["refusals"]
        self._all = _sums(self._all, {name: answer["all"][name] for name in _SERIES})
        self._refusals = _sums(self._refusals, refusals)
        for name, series in answer["accounts"].items():
            self._accounts[name] = _sums(self._accounts.get(name, {}), series)

    def shown(self) -> Row:
        """Return the hours as one, with the busiest accounts of all."""
        busiest = heapq.nlargest(
            MAX_ACCOUNTS, self._accounts, key=lambda name: _bytes_of(self._accounts[name])
        )
        return {
            **self._last,
            "all": self._all | {"refusals": dict(sorted(self._refusals.items()))},
            "accounts": {name: self._accounts[name] for name in busiest},
        }


def _sums(one: Row, other: Row) -> Row:
    """Return the series of both, added step by step."""
    sums = {
        name: list(map(add, one[name], series)) for name, series in other.items() if name in one
    }
    return {**one, **other, **sums}


def _bytes_of(series: Row) -> int:
    return sum(series["bytes_from_device"]) + sum(series["bytes_from_target"])


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


def divided(number: int, tunnels: Mapping[str, int]) -> dict[str, int]:
    """Divide `number` tunnels among processes in proportion to what they have, and exactly.

    Processes that give none are not in the result.
    """
    total = sum(tunnels.values())
    if total <= number:
        return {member: each for member, each in tunnels.items() if each}
    found: dict[str, int] = {}
    seen = given = 0
    for member in sorted(tunnels):
        seen += tunnels[member]
        due = round(number * seen / total)  # of all so far: so the sum is exact
        if due > given:
            found[member] = due - given
        given = due
    return found
