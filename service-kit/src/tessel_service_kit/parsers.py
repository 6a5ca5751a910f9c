"""Parsers that turn the text of a setting into a typed value.

A parser raises ValueError; the error's text says what is allowed, and follows "allowed:".
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
    """Return a parser that returns None for an empty text, and calls `parse` for other texts."""
    return lambda text: parse(text) if text else None


def listening_address(text: str) -> str:
    """Parse an IP address to listen on, or `localhost`. An empty default is returned as it is."""
    if text == "localhost":
        return "127.0.0.1"  # no look-up: the name means this address everywhere
    try:
        return str(ip_address(text)) if text else text
    except ValueError:
        raise ValueError("an IPv4 or IPv6 address; 0.0.0.0 or :: for all interfaces") from None


def integer(low: int, high: int) -> Callable[[str], int]:
    """Return a parser for integers from `low` to `high`, both included."""

    def parse(text: str) -> int:
        # int() would accept '1_000', ' 5 ' and digits of other scripts.
        if not re.fullmatch(r"[0-9]{1,10}", text) or not low <= int(text) <= high:
            raise ValueError(f"an integer from {low} to {high}")
        return int(text)

    return parse


def seconds(text: str) -> float:
    """Parse a number of seconds, more than 0 and at most a day."""
    # float() would accept '1_000', digits of other scripts and 'infinity'.
    value = float(text) if _NUMBER.fullmatch(text) else math.nan
    if not 0 < value <= MAX_SECONDS:  # false for NaN, too
        raise ValueError(f"seconds, more than 0 and at most {MAX_SECONDS:.0f}")
    return value


def seconds_or_none(text: str) -> float:
    """Parse a number of seconds, at most a day, or 0.

    0 switches off the behaviour that the setting controls.
    """
    if text == "0":
        return 0.0
    try:
        return seconds(text)
    except ValueError as error:
        raise ValueError(f"0, or {error}") from None


def one_of(kind: type[E]) -> Callable[[str], E]:
    """Return a parser that turns a text into the member of the enum `kind` with this value.

    The text may be in lower or upper case.
    """

    def parse(text: str) -> E:
        try:
            return kind(text.lower())
        except ValueError:
            raise ValueError(" or ".join(str(each.value) for each in kind)) from None

    return parse
