"""Text of the environment -> typed values.

A parser raises ValueError with the words that follow "allowed:" in the fault's sentence.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from enum import Enum
from ipaddress import ip_address
from typing import Final, TypeVar

T = TypeVar("T")
E = TypeVar("E", bound=Enum)

MAX_SECONDS: Final = 24 * 3600.0

_NUMBER: Final = re.compile(r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")


def optional(parse: Callable[[str], T]) -> Callable[[str], T | None]:
    """Nothing, or what `parse` reads."""
    return lambda text: parse(text) if text else None


def listening_address(text: str) -> str:
    """An address; or nothing, if that is the default of a service that has a meaning for it."""
    if text == "localhost":
        return "127.0.0.1"  # what it means everywhere, without a look-up
    try:
        return str(ip_address(text)) if text else text
    except ValueError:
        raise ValueError("an IPv4 or IPv6 address; 0.0.0.0 or :: for all interfaces") from None


def integer(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        # int() would take '1_000', ' 5 ' and other scripts' digits; ten suffice for any limit.
        if not re.fullmatch(r"[0-9]{1,10}", text) or not low <= int(text) <= high:
            raise ValueError(f"an integer from {low} to {high}")
        return int(text)

    return parse


def seconds(text: str) -> float:
    # float() would take '1_000', other scripts' digits and 'infinity'.
    value = float(text) if _NUMBER.fullmatch(text) else math.nan
    if not 0 < value <= MAX_SECONDS:  # NaN is not
        raise ValueError(f"seconds, more than 0 and at most {MAX_SECONDS:.0f}")
    return value


def seconds_or_none(text: str) -> float:
    """0 turns off whatever would take so long."""
    if text == "0":
        return 0.0
    try:
        return seconds(text)
    except ValueError as error:
        raise ValueError(f"0, or {error}") from None


def one_of(kind: type[E]) -> Callable[[str], E]:
    def parse(text: str) -> E:
        try:
            return kind(text.lower())
        except ValueError:
            raise ValueError(" or ".join(str(each.value) for each in kind)) from None

    return parse
