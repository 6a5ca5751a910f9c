"""The options of an agent, and the comparison of those of connections."""

from __future__ import annotations

from collections.abc import Hashable

from tessel.errors import NodeError
from tessel.node.base.arguments import ArgumentValueError


def limit(given: dict[str, object], name: str, default: float, lowest: int = 0) -> float:
    """Remove the number `name` from the options `given` and return it; `default` if it is not set.

    Raises NodeError for a value that is not a number of at least `lowest`.
    """
    value = given.pop(name, None)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= lowest:
        raise NodeError(
            f"{name} {value!r}; expected a number, {lowest} or more", "ERR_INVALID_ARG_VALUE"
        )
    return value


def scheduling(value: object) -> str:
    """Return the option `scheduling`, "lifo" or "fifo"; "lifo" for None.

    Raises ArgumentValueError for all other values.
    """
    if value in (None, "lifo", "fifo"):
        return str(value or "lifo")
    raise ArgumentValueError("options.scheduling", "'lifo' or 'fifo'", value)


def frozen(value: object) -> Hashable:
    """Return a hashable form of an option's value, for the key of a connection.

    Equal values have equal forms, but 1 and True differ. Other objects are compared by identity.
    """
    if isinstance(value, list | tuple):
        return tuple(frozen(each) for each in value)
    if isinstance(value, str | bytes | int | float):
        return (type(value).__name__, value)
    return id(value)
