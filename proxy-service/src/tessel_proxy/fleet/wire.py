"""Calls of the engine as JSON: the values that a worker and its supervisor send each other."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any, Final

from tessel_proxy.fleet.engine import Admission, Demand, Engine, EngineError, Slice, Totals
from tessel_proxy.fleet.kept import HostEngine, Kept
from tessel_proxy.fleet.notices import (
    Confirmations,
    CountAsked,
    DeviceMoved,
    Notice,
    RuleAdded,
    RuleRemoved,
    TokensRevoked,
    TunnelsEnded,
)
from tessel_proxy.operations import Rule, Usage

PAGE_BYTES: Final = 48 * 1024
"""Bytes of rules, in JSON, in one answer to a worker: the supervisor serves nobody meanwhile."""

_NOTICES: Final[dict[str, type[Notice]]] = {
    each.__name__: each
    for each in (DeviceMoved, TokensRevoked, TunnelsEnded, RuleAdded, RuleRemoved, CountAsked)
}


def dumped(value: object) -> bytes:
    """Return a value as JSON without spaces."""
    return json.dumps(value, separators=(",", ":")).encode()


def dump_demand(demand: Demand) -> list[float]:
    """Return a demand as a list of its fields."""
    return [
        demand.tunnels,
        demand.substreams,
        round(demand.opens, 3),
        round(demand.to_targets),
        round(demand.to_devices),
    ]


def load_totals(value: Any) -> Totals:
    """Return the totals that `_dump_totals` has made."""
    demand, holders, places = value
    return Totals(Demand(*demand), holders, places)


def dump_notice(notice: Notice) -> bytes:
    """Return a notice as JSON: its kind and its fields."""
    return dumped([type(notice).__name__, asdict(notice)])


def load_notice(data: bytes) -> Notice:
    """Return the notice that `dump_notice` has made.

    Fields that only a later version knows are ignored. Raises KeyError for an unknown kind, and
    RuleError, a ValueError, for a rule that cannot be used.
    """
    kind, values = json.loads(data)
    if kind == RuleAdded.__name__:
        return RuleAdded(Rule.from_json(values["rule"]))
    notice = _NOTICES[kind]
    known = {each.name for each in fields(notice)}
    return notice(**{name: value for name, value in values.items() if name in known})


async def answer(engine: HostEngine, member: str, method: str, values: Any) -> object:
    """Call a method of the engine for `member`, and return its result as JSON types.

    Raises EngineError, also for a method that is not known.
    """
    match method:
        case "renew":
            return list(await engine.renew(member))
        case "leave":
            await engine.leave(member)
            return None
        case "admit":
            *asked, departed = values
            return _dump_admission(await engine.admit(member, *asked, departed=departed))
        case "exchange":
            return await _exchange(engine, member, *values)
        case "take_bytes":
            part = await engine.take_bytes(*values)
            return [part.nbytes, part.ends_in_s]
        case "give_back_bytes":
            await engine.give_back_bytes(*values)
            return None
        case "wrong_tokens":
            return await engine.wrong_tokens(*values)
        case "publish":
            done = await engine.publish(load_notice(values[0].encode()))
            return [done.confirmed, done.missing]
        case _:
            return _kept_answer(engine.kept, member, method, values)


def _kept_answer(kept: Kept, member: str, method: str, values: Any) -> object:
    match method:
        case "rules_after":
            return _page(kept.rules_after(*values))
        case "reported":
            number, more = values
            usage = {account: Usage(*each) for account, each in more.items()}
            kept.reported(member, number, usage)
            return None
        case _:
            raise EngineError(f"the engine has no method {method!r}")


def _page(rules: Sequence[Rule]) -> list[object]:
    """Return as many rules as one answer may carry, at least one; an empty list is the end."""
    page: list[object] = []
    nbytes = 0
    for rule in rules:
        value = rule.as_json()
        nbytes += len(dumped(value)) + 1
        if page and nbytes > PAGE_BYTES:
            break
        page.append(value)
    return page


def load_rules(value: Any) -> list[Rule]:
    """Return the rules of one page."""
    return [Rule.from_json(each) for each in value]


async def _exchange(
    engine: Engine,
    member: str,
    demands: dict[str, list[Any]],
    arrived: list[list[str]],
    departed: dict[str, list[str]],
) -> dict[str, object]:
    totals = await engine.exchange(
        member,
        {account: Demand(*fields) for account, fields in demands.items()},
        [(account, device) for account, device in arrived],
        departed=departed,
    )
    return {account: _dump_totals(each) for account, each in totals.items()}


def load_admission(value: Any) -> Admission:
    """Return the admission that `answer` has made JSON of."""
    granted, totals = value
    return Admission(granted, load_totals(totals))


def load_slice(value: Any) -> Slice:
    """Return the slice that `answer` has made JSON of."""
    return Slice(*value)


def load_confirmations(value: Any) -> Confirmations:
    """Return the confirmations that `answer` has made JSON of."""
    confirmed, missing = value
    return Confirmations(tuple(confirmed), tuple(missing))


def _dump_admission(admission: Admission) -> list[object]:
    return [admission.granted, _dump_totals(admission.totals)]


def _dump_totals(totals: Totals) -> list[object]:
    return [dump_demand(totals.demand), totals.holders, totals.places]
