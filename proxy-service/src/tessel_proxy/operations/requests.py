"""Arguments of the admin API about refusals and usage -> values, and values -> JSON. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict
from datetime import date, timedelta
from typing import Any, Final

from tessel_proxy.operations.rules import MAX_FOR_S, Rule, RuleError
from tessel_proxy.operations.usage import KEPT_DAYS, UsagePage, UsageQuestion
from tessel_proxy.operations.usage_keeping import day_of

MAX_USAGE_ROWS: Final = 1000
"""Rows of a page of usage, as of the API's other lists."""

RULE_ARGUMENTS: Final = frozenset({"account", "device", "address", "for_s", "until_at", "reason"})
USAGE_ARGUMENTS: Final = frozenset({"account", "from", "to", "limit", "after"})
SEPARATOR: Final = "/"
"""Between day and account in the name of a row behind which the next page begins."""

_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class ArgumentError(ValueError):
    """An argument cannot be used; the text says which, and what is allowed."""


def rule_from_request(arguments: object, by: str, now: float) -> Rule:
    """Return the rule of a `POST /api/v1/refused`; raises ArgumentError.

    Args:
        arguments: the JSON value of the body.
        by: who asks, such as "token".
        now: seconds since 1970.
    """
    if not isinstance(arguments, dict):
        raise ArgumentError("expected a JSON object")
    _only(arguments, RULE_ARGUMENTS)
    texts = {name: _text(arguments, name) for name in ("account", "device", "address", "reason")}
    try:
        return Rule.made(
            account=texts["account"],
            device=texts["device"],
            address=texts["address"],
            until_at=_until(arguments, now),
            reason=texts["reason"] or "",
            by=by,
            now=now,
        )
    except RuleError as error:
        raise ArgumentError(str(error)) from error


def _until(arguments: Mapping[str, Any], now: float) -> float | None:
    for_s, until_at = arguments.get("for_s"), arguments.get("until_at")
    if for_s is not None and until_at is not None:
        raise ArgumentError("expected for_s or until_at, not both")
    if until_at is not None:
        return _number("until_at", until_at, now, now + MAX_FOR_S)
    if for_s is not None:
        return now + _number("for_s", for_s, 0.0, MAX_FOR_S)
    return None


def usage_question(arguments: Mapping[str, str], now: float) -> UsageQuestion:
    """Return the question of a `GET /api/v1/usage`; raises ArgumentError.

    `arguments` are those of the query. Without `from` and `to`, all days that are kept are meant;
    `now`: seconds since 1970.
    """
    _only(arguments, USAGE_ARGUMENTS)
    last = _day(arguments, "to", day_of(now))
    oldest = date.fromisoformat(day_of(now)) - timedelta(days=KEPT_DAYS - 1)
    first = _day(arguments, "from", oldest.isoformat())
    if first > last:
        raise ArgumentError(f"from={first}: expected a day that is not after to={last}")
    day, _, account = arguments.get("after", "").partition(SEPARATOR)
    if day and not _is_day(day):
        raise ArgumentError(f"after={day!r:.40}: expected `next` of the page before")
    return UsageQuestion(
        first=max(first, oldest.isoformat()),
        last=last,
        account=arguments.get("account") or None,
        after=(day, account),
        limit=_limit(arguments.get("limit", "100")),
    )


def usage_as_json(page: UsagePage) -> dict[str, object]:
    """Return the JSON object of a page of usage."""
    rows = [{"day": each.day, "account": each.account, **asdict(each.usage)} for each in page.rows]
    last = page.rows[-1] if page.has_more else None
    return {"usage": rows, "next": last and f"{last.day}{SEPARATOR}{last.account}"}


def _only(arguments: Mapping[str, object], known: frozenset[str]) -> None:
    if unknown := sorted(set(arguments) - known):
        raise ArgumentError(f"{unknown[0]!r:.40} is unknown; known: {', '.join(sorted(known))}")


def _text(arguments: Mapping[str, object], name: str) -> str | None:
    value = arguments.get(name)
    if value is None or isinstance(value, str):
        return value
    raise ArgumentError(f"{name}={value!r:.40}: expected text")


def _number(name: str, value: object, above: float, most: float) -> float:
    # a boolean is an int to isinstance, and NaN compares with nothing
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not above < value <= most:  # type: ignore[operator] # it is a number
        raise ArgumentError(f"{name}={value!r:.40}: expected more than {above:g}, up to {most:g}")
    return float(value)  # type: ignore[arg-type] # as above


def _day(arguments: Mapping[str, str], name: str, default: str) -> str:
    value = arguments.get(name, default)
    if not _is_day(value):
        raise ArgumentError(f"{name}={value!r:.40}: expected a day, as {default}")
    return value


def _is_day(text: str) -> bool:
    if _DAY.fullmatch(text) is None:  # fromisoformat takes other forms as well
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _limit(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) <= len(str(MAX_USAGE_ROWS)):
        number = int(text)
        if 1 <= number <= MAX_USAGE_ROWS:
            return number
    raise ArgumentError(f"limit={text!r:.40}: expected 1 to {MAX_USAGE_ROWS}")
