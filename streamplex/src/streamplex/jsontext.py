"""JSON as the wire has it: written without blanks, read strictly.

Foreign JSON must cost nobody anything: no NaN, no infinity, no lone surrogates, and neither
numbers of thousands of digits nor nesting of thousands of levels get past the parser.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from sys import getsizeof
from typing import Any, Never, TypeAlias

from streamplex.errors import LocalError, RemoteError, in_bytes

# A JSON value. Narrow it with isinstance before use; `type(x) is int` keeps booleans out.
Json: TypeAlias = Any

MAX_DIGITS = 308
"""Digits of an integer: what a double, JavaScript's only number, can hold. Python's own
limit of 4,300 would let one frame cost milliseconds."""

MAX_DEPTH = 64
"""Levels of nesting: far beyond any message's, far below Python's recursion limit."""


def dumps(value: Json) -> bytes:
    """`value` as JavaScript's JSON.stringify writes it. Raises LocalError if it cannot be."""
    try:
        return _ENCODER.encode(value).encode()
    except (TypeError, ValueError, RecursionError) as fault:
        raise LocalError(f"not a JSON value: {fault}") from fault


def loads(data: bytes) -> Json:
    """The value of a UTF-8 JSON text. Raises RemoteError that says what is wrong with it.

    It quotes nothing: errors stand in logs, and the text may hold a token.
    """
    try:
        text = data.decode()
        value = _value(text)
    except (ValueError, RecursionError) as fault:
        raise RemoteError(f"invalid JSON of {in_bytes(len(data))}: {fault}") from fault
    # Only texts that could hide one of these are searched: they are rare.
    if "\\u" in text:
        _refuse_lone_surrogates(value)
    if text.count("[") + text.count("{") > MAX_DEPTH and _depth(value) > MAX_DEPTH:
        raise RemoteError(f"JSON nested deeper than {MAX_DEPTH} levels")
    return value


def _value(text: str) -> Json:
    if text[:1] == "{":  # what `decode` does besides is for blanks, which hardly a peer sends
        value, end = _DECODER.raw_decode(text)
        if end == len(text):
            return value
    return _DECODER.decode(text)


def size_in_memory(value: Json) -> int:
    """Bytes of memory that a value takes: many times those of its text, if it is made for it."""
    return sum(getsizeof(inner) for level in _levels(value) for inner in level)


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ValueError(f"integer of {len(digits)} digits; allowed: {MAX_DIGITS}")
    return int(digits)


def _real(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError("number out of range")
    return number


def _constant(name: str) -> Never:
    raise ValueError(f"{name} is not JSON")


_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False)
_DECODER = json.JSONDecoder(parse_int=_integer, parse_float=_real, parse_constant=_constant)


def _refuse_lone_surrogates(value: Json) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except (UnicodeEncodeError, RecursionError) as fault:
        raise RemoteError("lone surrogate or deep nesting in JSON") from fault


def _depth(value: Json) -> int:
    """Levels of lists and objects."""
    return sum(any(isinstance(inner, (dict, list)) for inner in level) for level in _levels(value))


def _levels(value: Json) -> Iterator[list[Json]]:
    """The values of each level of nesting, keys too, outermost first, found without recursion."""
    level = [value]
    while level:
        yield level
        level = [
            inner
            for outer in level
            if isinstance(outer, (dict, list))
            for inner in ((*outer, *outer.values()) if isinstance(outer, dict) else outer)
        ]
