"""Checks results of the chip: negative ones are errors."""

from __future__ import annotations

from tessel.cc3000.errors import CommandError
from tessel.cc3000.hci.replies import Result


def checked(what: str, code: int) -> int:
    """Return `code` if it is 0 or positive, else raise CommandError.

    `what` names the command in the error's text.
    """
    if code < 0:
        raise CommandError(what, code)
    return code


def ok(what: str, result: Result) -> int:
    """Return the value of `result` if it is 0 or positive, else raise CommandError.

    `what` names the command in the error's text.
    """
    return checked(what, result.value)
