"""Replies of the scripts as values. Text that is not as expected raises EngineError."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from typing import TypeVar

from tessel_proxy.fleet.engine import Demand, EngineError, Totals
from tessel_proxy.fleet.notices import Confirmations

T = TypeVar("T")

MILLI = 1000
"""Opens per second are kept in thousandths: sums of integers are exact."""


def demand_text(demand: Demand) -> str:
    """Return a demand as the scripts keep it: five integers."""
    opens = round(demand.opens * MILLI)
    up, down = round(demand.to_targets), round(demand.to_devices)
    return f"{demand.tunnels} {demand.substreams} {opens} {up} {down}"


class Answer(Enum):
    """The answers of `admit`."""

    REFUSED = "0"
    GRANTED = "1"
    UNDECIDED = "2"  # the engine's counts are not complete


def admission_of(reply: str) -> tuple[str, Answer, Totals]:
    """Return the epoch, and the result of `admit`."""
    answer, _, rest = reply.partition(" ")
    epoch, _, totals = rest.partition(" ")
    return epoch, _read(Answer, answer), _read(_totals, totals)


def totals_of(accounts: Sequence[str], reply: str) -> tuple[str, dict[str, Totals]]:
    """Return the epoch, and the totals of `accounts`, of which each has a line in the reply."""
    epoch, _, text = reply.partition("\n")
    lines = text.split("\n") if text else []
    if len(lines) != len(accounts):
        raise _unexpected(reply)
    return epoch, {name: _read(_totals, line) for name, line in zip(accounts, lines, strict=True)}


def members_of(reply: str) -> tuple[str, str, tuple[str, ...] | None]:
    """Return epoch, version, and the members; None: those of the version that was sent."""
    head, _, names = reply.partition("\n")
    try:
        epoch, version = head.split(" ")
    except ValueError:
        raise _unexpected(reply) from None
    return epoch, version, tuple(names.split("\n")) if names else None


def confirmations_of(reply: str) -> tuple[str, float, Confirmations]:
    """Return the epoch and its age in seconds, and which members have confirmed a notice."""
    head, *lines = reply.split("\n")
    epoch, _, age_ms = head.partition(" ")
    done: dict[str, list[str]] = {"0": [], "1": []}
    for line in lines:
        acted, _, name = line.partition(" ")
        if acted not in done:
            raise _unexpected(reply)
        done[acted].append(name)
    age_s = _read(int, age_ms) / 1000
    return epoch, age_s, Confirmations(tuple(done["1"]), tuple(done["0"]))


def _totals(line: str) -> Totals:
    tunnels, substreams, opens, up, down, holders = map(int, line.split(" "))
    return Totals(Demand(tunnels, substreams, opens / MILLI, float(up), float(down)), holders)


def _read(parse: Callable[[str], T], text: str) -> T:
    try:
        return parse(text)
    except ValueError:
        raise _unexpected(text) from None


def _unexpected(reply: str) -> EngineError:
    return EngineError(f"the engine answered {reply!r:.80}; no script of this version does")
