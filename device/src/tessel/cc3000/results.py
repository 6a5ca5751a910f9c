"""Results below zero are errors."""

from __future__ import annotations

from tessel.cc3000.errors import CommandError
from tessel.cc3000.hci.replies import Result


def checked(what: str, code: int) -> int:
    """Raises CommandError if it is below zero."""
    if code < 0:
        raise CommandError(what, code)
    return code


def ok(what: str, result: Result) -> int:
    return checked(what, result.value)
