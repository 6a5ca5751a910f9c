"""What a session asks of an authenticator: token -> Account | Refused, or why it cannot say.

The two answers are answers. That none could be had is a failure, and is never mistaken for one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from twisted.internet.defer import Deferred

MAX_ACCOUNT_CHARACTERS = 256  # a name stands in every log line and keys every limit


@dataclass(frozen=True, slots=True)
class Account:
    """The owner of a token, by the name used in logs and limits."""

    name: str

    @classmethod
    def named(cls, name: object) -> Account:
        """The account of a name from outside; raises ValueError, which does not quote it."""
        if not isinstance(name, str):
            raise ValueError(f"an account's name is {type(name).__name__}; allowed: text")  # noqa: TRY004 -- not our caller's bug but an answer from outside
        if not 0 < len(name) <= MAX_ACCOUNT_CHARACTERS or not name.isprintable():
            raise ValueError(
                f"an account's name of {len(name)} characters; "
                f"allowed: 1 to {MAX_ACCOUNT_CHARACTERS} that can be printed"
            )
        return cls(name)


@dataclass(frozen=True, slots=True)
class Refused:
    """The token is wrong. Asking again will not help."""


class AuthUnavailableError(Exception):
    """The token could not be checked now; the text says why and holds no secret."""


class AuthMisconfiguredError(AuthUnavailableError):
    """It cannot be checked until the operator of this proxy mends its settings."""


class Authenticator(Protocol):
    def check(self, token: str) -> Deferred[Account | Refused]:
        """Who owns this token. Never raises: it fails with AuthUnavailableError.

        Ends within AUTH_TIMEOUT_S, and may be cancelled before.
        """
