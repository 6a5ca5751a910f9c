"""JSON on the wire: written without spaces, read strictly.

The peer's JSON must not exhaust this side. The parser refuses NaN, infinities, lone surrogates,
integers of more than MAX_DIGITS digits and nesting of more than MAX_DEPTH levels.
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
    """Return the UTF-8 JSON text of `value` as JavaScript's JSON.stringify writes it.

    Raises LocalError if `value` cannot be written as JSON.
    """
    try:
        return _ENCODER.encode(value).encode()
    except (TypeError, ValueError, RecursionError) as fault:
        raise LocalError(f"not a JSON value: {fault}") from fault


def loads(data: bytes) -> Json:
    """Return the value of a JSON text in UTF-8.

    Raises RemoteError if the text is not valid or exceeds MAX_DIGITS or MAX_DEPTH. The error does
    not quote the text: errors are logged, and the text may contain a token.
    """
    try:
        text = data.decode()
        value = _value(text)
    except (ValueError, RecursionError) as fault:
        raise RemoteError(f"invalid JSON of {in_bytes(len(data))}: {fault}") from fault
    # Only texts that could hide one of these are searched: they are rare.
    if "\\u" in text:
        _refuse_lone_surrogates(value)
    if len(text) > 2 * MAX_DEPTH and _brackets(text) > MAX_DEPTH and _depth(value) > MAX_DEPTH:
        raise RemoteError(f"JSON nested deeper than {MAX_DEPTH} levels")
    return value


def _value(text: str) -> Json:
    # In a short text no integer is too long: it needs no call for each of them.
    decoder = _DECODER if len(text) > MAX_DIGITS else _SHORT_DECODER
    if text[:1] == "{":  # faster than `decode`, which also skips spaces: peers rarely send any
        try:
            value, end = decoder.scan_once(text, 0)  # type: ignore[attr-defined]  # `raw_decode` without a call
        except StopIteration:
            end = -1  # `decode` below says what is wrong
        if end == len(text):
            return value
    return decoder.decode(text)


def size_in_memory(value: Json) -> int:
    """Return the bytes of memory that a JSON value takes.

    They can be many times its text's size.
    """
    return sum(getsizeof(inner, _estimate(inner)) for level in _levels(value) for inner in level)


def _estimate(value: Json) -> int:
    """Return an upper bound of a value's bytes, for PyPy, which does not know them."""
    return 64 + 24 * len(value) if isinstance(value, (str, list, dict)) else 64


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
_SHORT_DECODER = json.JSONDecoder(parse_float=_real, parse_constant=_constant)


def _refuse_lone_surrogates(value: Json) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except (UnicodeEncodeError, RecursionError) as fault:
        raise RemoteError("lone surrogate or deep nesting in JSON") from fault


def _brackets(text: str) -> int:
    return text.count("[") + text.count("{")


def _depth(value: Json) -> int:
    """Return the number of levels of lists and objects."""
    return sum(any(isinstance(inner, (dict, list)) for inner in level) for level in _levels(value))


def _levels(value: Json) -> Iterator[list[Json]]:
    """Yield the values of each level of nesting, keys included, outermost first. No recursion."""
    level = [value]
    while level:
        yield level
        level = [
            inner
            for outer in level
            if isinstance(outer, (dict, list))
            for inner in ((*outer, *outer.values()) if isinstance(outer, dict) else outer)
        ]
