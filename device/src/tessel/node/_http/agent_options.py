"""The options of an agent, and the comparison of those of connections."""

from __future__ import annotations

from collections.abc import Hashable

from tessel.errors import NodeError
from tessel.node.base.arguments import ArgumentValueError


def limit(given: dict[str, object], name: str, default: float, lowest: int = 0) -> float:
    """Remove a limit from the options and return it; raises NodeError."""
    value = given.pop(name, None)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= lowest:
        raise NodeError(
            f"{name} {value!r}; expected a number, {lowest} or more", "ERR_INVALID_ARG_VALUE"
        )
    return value


def scheduling(value: object) -> str:
    """Return "lifo" or "fifo"; raises ArgumentValueError for others."""
    if value in (None, "lifo", "fifo"):
        return str(value or "lifo")
    raise ArgumentValueError("options.scheduling", "'lifo' or 'fifo'", value)


def frozen(value: object) -> Hashable:
    """Return a hashable value that is equal for equal options; 1 and True differ."""
    if isinstance(value, list | tuple):
        return tuple(frozen(each) for each in value)
    if isinstance(value, str | bytes | int | float):
        return (type(value).__name__, value)
    return id(value)
