"""Checks of the arguments of `tessel.node`, and their errors.

Errors are raised inside the call, so that the traceback ends at the program's own line. They are
NodeErrors with Node's code; for a wrong type also a TypeError.
"""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeAlias

from tessel.errors import NodeError

Callback: TypeAlias = Callable[..., object]

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


class ArgumentTypeError(NodeError, TypeError):
    """Raised for an argument or option of the wrong type; its code is ERR_INVALID_ARG_TYPE.

    `name` is that of an argument, or "options." with the name of an option. `expected` describes
    the right type. `value` is the value that was passed.
    """

    def __init__(self, name: str, expected: str, value: object) -> None:
        super().__init__(
            f"The {_named(name)} must be {expected}. Received {received(value)}",
            "ERR_INVALID_ARG_TYPE",
        )


class ArgumentValueError(NodeError, ValueError):
    """Raised for an argument or option of the right type with a value that is not allowed.

    For `name`, `expected` and `value` see ArgumentTypeError.
    """

    def __init__(
        self, name: str, expected: str, value: object, code: str = "ERR_INVALID_ARG_VALUE"
    ) -> None:
        super().__init__(f"The {_named(name)} must be {expected}. Received {value!r}", code)


class UnknownOptionError(NodeError, TypeError):
    """Raised for an option that the called function does not have."""


def _named(name: str) -> str:
    """`options.port` -> `option 'port'`."""
    if name.startswith("options."):
        return f"option {name.removeprefix('options.')!r}"
    return f"argument {name!r}"


def received(value: object) -> str:
    """Return a description of a value of the wrong type: its type, and the value if it is short."""
    if value is None:
        return "None"
    shown = repr(value)
    if isinstance(value, str | bytes | bool | int | float) and len(shown) <= 40:  # noqa: PLR2004 - one line
        return f"type {type(value).__name__} ({shown})"
    return f"an instance of {type(value).__name__}"


def call_with_error(callback: Callback, error: BaseException | None) -> None:
    """Call a callback with an error, or with None, and with as many arguments as it accepts.

    As in Node, a callback may have no parameter for the error, or more parameters for results.
    """
    callback(*_error_arguments(callback, error))


def _error_arguments(callback: Callback, error: BaseException | None) -> Sequence[object]:
    ways: tuple[tuple[object, ...], ...] = ((), (None,))
    if error is not None:
        ways = ((error,), (error, None), (error, None, None), ())  # dns.lookup has two results
    for way in ways:
        try:
            inspect.signature(callback).bind(*way)
        except TypeError:
            continue
        except ValueError:  # a built-in function without a signature
            break
        return way
    return ways[0]


# Options.


def check_options(
    given: Mapping[str, object],
    known: Iterable[str],
    where: str,
    unsupported: Mapping[str, str] | None = None,
) -> None:
    """Raise UnknownOptionError for an option that `where` does not have.

    Args:
        given: the options as the program passed them.
        known: all names that are allowed.
        where: the function, as the program calls it, such as "net.connect".
        unsupported: options that Node has and a device has not, each with the reason.

    """
    names = frozenset(known)
    for name in given:
        if name in names:
            continue
        if not isinstance(name, str):
            raise ArgumentTypeError("options", "a mapping with text as keys", name)
        raise UnknownOptionError(
            _unknown(name, names, where, unsupported or {}), "ERR_UNKNOWN_OPTION"
        )


def _unknown(name: str, names: frozenset[str], where: str, unsupported: Mapping[str, str]) -> str:
    snake = snake_case(name)
    if snake in unsupported:
        return f"{where} has no option {name!r}: {unsupported[snake]}"
    near = nearest(name, names)
    if near is not None:
        return f"{where} has no option {name!r}. Did you mean {near!r}?"
    return f"{where} has no option {name!r}. It has: {', '.join(sorted(names))}"


def nearest(name: str, names: Iterable[str]) -> str | None:
    """Return the name in `names` that was probably meant by `name`; None if none is similar."""
    by_letters = {_letters(one): one for one in sorted(names)}
    same = by_letters.get(_letters(name))
    if same is not None:
        return same
    close = difflib.get_close_matches(_letters(name), by_letters, n=1, cutoff=0.7)
    return by_letters[close[0]] if close else None


def snake_case(name: str) -> str:
    """Return a name in snake case: `rejectUnauthorized` -> `reject_unauthorized`."""
    return _HUMP.sub("_", name).replace("-", "_").lower()


def _letters(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()


def options_mapping(options: object, name: str = "options") -> Mapping[str, object]:
    """Return the options as a mapping; None means no options. Raises ArgumentTypeError."""
    if options is None:
        return {}
    if isinstance(options, Mapping):
        return options
    raise ArgumentTypeError(name, "a mapping", options)


# Single arguments. Each returns the value if it is of the right type.


def callback_or_none(value: object, name: str = "callback") -> Callback | None:
    """Return a callback, or None for None; raises ArgumentTypeError as `callback`."""
    return None if value is None else callback(value, name)


def callback(value: object, name: str = "callback") -> Callback:
    """Return the value if it is a plain function; raises ArgumentTypeError for others.

    Coroutine and generator functions are refused, because a call would not run them. `name` is that
    of the argument, for the error.
    """
    if not callable(value):
        raise ArgumentTypeError(name, "a function", value)
    if any(would_not_run(value) for would_not_run in _NOT_RUN_BY_A_CALL):
        raise ArgumentTypeError(name, _PLAIN_FUNCTION, value)
    return value


_NOT_RUN_BY_A_CALL = (
    inspect.iscoroutinefunction,
    inspect.isgeneratorfunction,
    inspect.isasyncgenfunction,
)
_PLAIN_FUNCTION = (
    "a function without await and yield, which may call Deferred.fromCoroutine for a coroutine"
)


def text(value: object, name: str) -> str:
    """Return the value if it is text; raises ArgumentTypeError for others.

    `name` is that of the argument, for the error.
    """
    if isinstance(value, str):
        return value
    raise ArgumentTypeError(name, "text", value)


def text_or_none(value: object, name: str) -> str | None:
    """Return the value if it is text or None; raises ArgumentTypeError for others."""
    return None if value is None else text(value, name)


def flag(value: object, name: str) -> bool:
    """Return the value if it is True or False; raises ArgumentTypeError for others."""
    if isinstance(value, bool):
        return value
    raise ArgumentTypeError(name, "True or False", value)


def flag_or_none(value: object, name: str) -> bool | None:
    """Return the value if it is True, False or None; raises ArgumentTypeError for others."""
    return None if value is None else flag(value, name)


def whole_number(value: object, name: str, lowest: int, highest: int) -> int:
    """Return the value if it is an int from `lowest` to `highest`.

    Raises ArgumentTypeError for another type, and ArgumentValueError for a number out of range.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise ArgumentTypeError(name, "a whole number", value)
    if not lowest <= value <= highest:
        raise ArgumentValueError(name, f">= {lowest} and <= {highest}", value, "ERR_OUT_OF_RANGE")
    return value


def split_callback(
    arguments: Sequence[object], most: int, where: str
) -> tuple[list[object], Callback | None]:
    """Return the positional arguments before the callback, and the callback or None.

    Trailing Nones count as left out. Raises ArgumentTypeError for more than `most` arguments
    besides the callback, and for an argument after the callback. `where` is the called function,
    for the error.
    """
    left = list(arguments)
    while left and left[-1] is None:
        left.pop()
    found = left.pop() if left and callable(left[-1]) else None
    for argument in left:
        if callable(argument):
            raise ArgumentTypeError("callback", f"the last argument of {where}", argument)
    if len(left) > most:
        raise ArgumentTypeError("callback", "a function", left[most])
    return left, callback_or_none(found)
