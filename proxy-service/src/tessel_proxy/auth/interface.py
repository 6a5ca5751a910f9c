"""The interface of authenticators: a token belongs to an Account, or is Refused.

Both are results. If a token cannot be checked now, the check fails with AuthUnavailableError, which
is never taken for a refusal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from twisted.internet.defer import Deferred

MAX_ACCOUNT_CHARACTERS = 256  # the name is in every log line of the account


@dataclass(frozen=True, slots=True)
class Account:
    """The owner of a token, by the name used in logs and limits."""

    name: str

    @classmethod
    def named(cls, name: object) -> Account:
        """The account with a name from outside. Raises ValueError, which does not quote it."""
        if not isinstance(name, str):
            raise ValueError(f"an account's name is {type(name).__name__}; allowed: text")  # noqa: TRY004 -- the fault of an outside service, not of our caller
        if not 0 < len(name) <= MAX_ACCOUNT_CHARACTERS or not name.isprintable():
            raise ValueError(
                f"an account's name of {len(name)} characters; "
                f"allowed: 1 to {MAX_ACCOUNT_CHARACTERS} printable characters"
            )
        return cls(name)


@dataclass(frozen=True, slots=True)
class Refused:
    """The token is wrong. Another check would give the same result."""


class AuthUnavailableError(Exception):
    """The token could not be checked now. The text says why, and holds no secret."""


class AuthMisconfiguredError(AuthUnavailableError):
    """The token cannot be checked until the operator of this proxy corrects its settings."""


class Authenticator(Protocol):
    """Finds the account of a token."""

    def check(self, token: str) -> Deferred[Account | Refused]:
        """Find the account of `token`. Does not raise, but fails with AuthUnavailableError.

        Ends within AUTH_TIMEOUT_S, and may be cancelled before.
        """
