"""Checks results of the chip: negative ones are errors."""

from __future__ import annotations

from tessel.cc3000.errors import CommandError
from tessel.cc3000.hci.replies import Result


def checked(what: str, code: int) -> int:
    """Return `code`. Raises CommandError, about the command `what`, if it is negative."""
    if code < 0:
        raise CommandError(what, code)
    return code


def ok(what: str, result: Result) -> int:
    """Return the value of `result`. Raises CommandError, as `checked` does."""
    return checked(what, result.value)
