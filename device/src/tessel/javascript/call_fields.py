"""Reads the fields of a call from the program, which are JSON from another process."""

from __future__ import annotations

from tessel.javascript.channel import BadCallError
from tessel.javascript.frames import Fields

HIGHEST_PORT = 65_535


def text(fields: Fields, name: str) -> str:
    """Return a field that must be text; raises BadCallError."""
    value = fields.get(name)
    if not isinstance(value, str):
        raise BadCallError(f"{fields.get('op')}: {name} is {value!r}; allowed: text")
    return value


def text_or_none(fields: Fields, name: str) -> str | None:
    """Return a field that is text, or None if it is not set; raises BadCallError."""
    return None if fields.get(name) is None else text(fields, name)


def flag(fields: Fields, name: str, default: bool = False) -> bool:
    """Return a field that is true or false; raises BadCallError."""
    value = fields.get(name, default)
    if not isinstance(value, bool):
        raise BadCallError(f"{fields.get('op')}: {name} is {value!r}; allowed: true, false")
    return value


def whole(fields: Fields, name: str, highest: int) -> int:
    """Return a field that is a number from 0 to `highest`; raises BadCallError."""
    value = fields.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= highest:
        raise BadCallError(f"{fields.get('op')}: {name} is {value!r}; allowed: 0 to {highest}")
    return value


def port(fields: Fields) -> int:
    """Return the field `port`; raises BadCallError."""
    return whole(fields, "port", HIGHEST_PORT)
