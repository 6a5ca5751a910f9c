"""The report on standard error of the error that ended a program.

A network error is one line, with the program's line that opened the connection. An error of the
program itself is a Python traceback without the frames of this runtime.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Sequence
from typing import Final

from tessel.errors import NodeError
from tessel.settings import SettingsError
from tessel.source_location import is_programs

MOST_OPEN_SHOWN: Final = 20  # lines in the report at SIGINT: one page of a terminal


def report(error: BaseException) -> str:
    """Return the text that reports an error on standard error, with line ends.

    Settings: a line for each fault. A network error: its text, where the connection was opened, and
    a hint. Another error: a traceback that begins at the program's first frame.
    """
    if isinstance(error, SettingsError):
        return "".join(f"tessel: {fault}\n" for fault in error.faults)
    trace = traceback.TracebackException.from_exception(error)
    if isinstance(error, NodeError):
        if error.opened_at is not None or not _is_programs(trace):
            return "".join(_lines(error))
        trace.__cause__ = trace.__context__ = None  # the runtime's own steps
        trace.stack[:] = [frame for frame in trace.stack if is_programs(frame.filename)]
    _trim(trace, error)
    return "".join(trace.format())


def interrupted_at(error: BaseException | None) -> str | None:
    """Return file and line of the program at which a signal raised `error`.

    None without an error, or if no frame of its traceback is the program's.
    """
    if error is None:
        return None
    trace = traceback.extract_tb(error.__traceback__)
    lines = [f"{one.filename}, line {one.lineno}" for one in trace if is_programs(one.filename)]
    return lines[-1] if lines else None


def open_report(signal_name: str, places: Sequence[str], error: BaseException | None = None) -> str:
    """Return the text that says, when a user stops a program, where it was and what was open."""
    line = interrupted_at(error)
    at = f" at {line}" if line else ""
    if not places:
        return f"tessel: stopped by {signal_name}{at}\n"
    shown = "".join(f"  {place}\n" for place in places[:MOST_OPEN_SHOWN])
    more = len(places) - MOST_OPEN_SHOWN
    rest = f"  and {more} more\n" if more > 0 else ""
    return f"tessel: stopped by {signal_name}{at}. Still open:\n{shown}{rest}"


def _lines(error: NodeError) -> Iterator[str]:
    yield f"tessel: {error}\n"
    if error.opened_at is not None:
        yield f"  opened at {error.opened_at}\n"
    if error.hint is not None:
        yield f"  hint: {error.hint}\n"


def _is_programs(trace: traceback.TracebackException) -> bool:
    return any(is_programs(frame.filename) for frame in trace.stack)


def _trim(trace: traceback.TracebackException, error: BaseException) -> None:
    """Remove the runtime's frames before the program's first frame."""
    first = next(
        (number for number, frame in enumerate(trace.stack) if is_programs(frame.filename)), None
    )
    if first is not None:
        del trace.stack[:first]
    elif isinstance(error, SyntaxError):
        del trace.stack[:]  # it was not compiled; the error itself names the line
    if trace.__cause__ is not None and error.__cause__ is not None:
        _trim(trace.__cause__, error.__cause__)
    if trace.__context__ is not None and error.__context__ is not None:
        _trim(trace.__context__, error.__context__)
