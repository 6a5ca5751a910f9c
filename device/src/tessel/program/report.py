"""The error that ended a program -> what is said about it on standard error.

What the network did is told in a line, with the line of the program it happened to; what the
program itself did wrong is told as Python does, without the frames of those who ran it.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator

from tessel.errors import NodeError
from tessel.settings import SettingsError
from tessel.source_location import is_programs


def report(error: BaseException) -> str:
    """The text, with its line ends."""
    if isinstance(error, SettingsError):
        return "".join(f"tessel: {fault}\n" for fault in error.faults)
    told = traceback.TracebackException.from_exception(error)
    if isinstance(error, NodeError):
        if error.opened_at is not None or not _is_programs(told):
            return "".join(_lines(error))
        told.__cause__ = told.__context__ = None  # how the runtime came to say so:
        told.stack[:] = [frame for frame in told.stack if is_programs(frame.filename)]
    _trim(told, error)
    return "".join(told.format())


def interrupted_at(error: BaseException | None) -> str | None:
    """The line of the program that ran when the error was raised into it."""
    if error is None:
        return None
    told = traceback.extract_tb(error.__traceback__)
    lines = [f"{one.filename}, line {one.lineno}" for one in told if is_programs(one.filename)]
    return lines[-1] if lines else None


def _lines(error: NodeError) -> Iterator[str]:
    yield f"tessel: {error}\n"
    if error.opened_at is not None:
        yield f"  opened at {error.opened_at}\n"
    if error.hint is not None:
        yield f"  hint: {error.hint}\n"


def _is_programs(told: traceback.TracebackException) -> bool:
    return any(is_programs(frame.filename) for frame in told.stack)


def _trim(told: traceback.TracebackException, error: BaseException) -> None:
    """Leave out who ran the program; all of it, if the program was never reached."""
    first = next(
        (number for number, frame in enumerate(told.stack) if is_programs(frame.filename)), None
    )
    if first is not None:
        del told.stack[:first]
    elif isinstance(error, SyntaxError):
        del told.stack[:]  # it could not even be compiled, and says itself where
    if told.__cause__ is not None and error.__cause__ is not None:
        _trim(told.__cause__, error.__cause__)
    if told.__context__ is not None and error.__context__ is not None:
        _trim(told.__context__, error.__context__)
