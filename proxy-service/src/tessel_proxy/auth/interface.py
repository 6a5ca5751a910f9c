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
    """The owner of tokens. Log lines and limits use the account's name."""

    name: str

    @classmethod
    def named(cls, name: object) -> Account:
        """Return the account with this name, which comes from a file, a service or a plug-in.

        Raises ValueError, which does not quote `name`, unless it is 1 to 256 printable characters.
        """
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
    """The result of a check if the token is wrong. A retry would give the same result."""


class AuthUnavailableError(Exception):
    """The token could not be checked now, so it is neither valid nor wrong.

    The error's text gives the reason, and holds no secret.
    """


class AuthOverloadedError(AuthUnavailableError):
    """This proxy itself is too busy to check the token. A retry may succeed soon.

    It is no reason to end a tunnel whose token was accepted before.
    """


class AuthMisconfiguredError(AuthUnavailableError):
    """The token cannot be checked until the operator of this proxy corrects its settings."""


class Authenticator(Protocol):
    """Checks a token, and finds the account that it belongs to."""

    def check(self, token: str) -> Deferred[Account | Refused]:
        """Return a Deferred with the account of `token`, or Refused if the token is wrong.

        Fails with AuthUnavailableError if the token cannot be checked now; never raises. The
        Deferred fires within AUTH_TIMEOUT_S seconds, and may be cancelled before.
        """
