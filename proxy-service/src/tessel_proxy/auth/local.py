"""Authenticators that need no other service: shared tokens, and tokens of a file."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from tessel_proxy.auth.account_file import Accounts, Hashes, TokenLine, load_accounts
from tessel_proxy.auth.attempts import within
from tessel_proxy.auth.hashing import HashingQueue
from tessel_proxy.auth.interface import (
    Account,
    AuthOverloadedError,
    AuthUnavailableError,
    Refused,
)
from tessel_proxy.auth.token_memory import BoundedMemory, Digest, SingleFlight
from tessel_proxy.files.reloadable import stamps_of
from tessel_service_kit.texts import MAX_TOKEN_CHARACTERS

ACCOUNT = Account("hardcoded")


class HardcodedAuthenticator:
    """Accepts the tokens of AUTH_HARDCODED, which all devices share.

    Several tokens are accepted while devices change to a new one. The duration of a check does not
    reveal how much of a wrong token is right.
    """

    def __init__(self, *tokens: str) -> None:
        self._expected: list[bytes] = []
        self.withdrawn: set[str] = set()  # accounts that have lost a token; the reader empties it
        self.use(tokens)

    def use(self, tokens: Iterable[str]) -> None:
        """Accept only these tokens from now on. Called at a reload of the settings."""
        former, self._expected = self._expected, [each.encode() for each in tokens]
        if not set(former) <= set(self._expected):
            self.withdrawn.add(ACCOUNT.name)

    def check(self, token: str) -> Deferred[Account | Refused]:
        """Return a Deferred, fired already, with the account `hardcoded`, or Refused."""
        # A token from the wire may be any text, unpaired surrogates included.
        given = token.encode("utf-8", "surrogatepass")
        # All are compared, also after a match: the time must not show which token it is.
        matches = [hmac.compare_digest(each, given) for each in self._expected]
        return succeed(ACCOUNT if any(matches) else Refused())


MAX_REFUSED: Final = 10_000
"""Tokens to remember that are not in the file, 0.5 KiB each. Others are hashed again."""


class FileAuthenticator:
    """Accepts the tokens whose hashes are in AUTH_FILE.

    A token is hashed once for each salt in the file: the hashes of the last wrong tokens are
    remembered, too, because another authenticator may accept these. So guesses of wrong tokens do
    not delay known devices, and after a reload they do not all wait for a computation.
    """

    name: Final = "AUTH_FILE"

    def __init__(
        self,
        path: Path,
        hashing: HashingQueue,
        clock: IReactorTime,
        timeout_s: float,
        digest: Digest,
    ) -> None:
        """Read the file at `path`. Raises ConfigError."""
        self._path = path
        self._hashing = hashing
        self._clock = clock
        self._timeout_s = timeout_s
        self._digest = digest
        self._checks: SingleFlight[Account | Refused] = SingleFlight()
        self._accepted: dict[bytes, TokenLine] = {}  # never more than the file has lines
        self._refused: BoundedMemory[Hashes] = BoundedMemory(MAX_REFUSED)
        self.withdrawn: set[str] = set()  # as in HardcodedAuthenticator, of tokens that were used
        self.reload()

    @property
    def paths(self) -> Sequence[Path]:
        """The files that are read again when they change: only AUTH_FILE."""
        return (self._path,)

    @property
    def tokens(self) -> int:
        """Number of tokens in the file."""
        return len(self._accounts)

    def reload(self) -> None:
        """Read AUTH_FILE again.

        Raises ConfigError if the file has faults or cannot be read; the accounts that were read
        before then stay in force.
        """
        self.stamps = stamps_of(self.paths)
        self._use(load_accounts(self._path))

    def _use(self, accounts: Accounts) -> None:
        self._accounts = accounts
        again = {key: accounts.again(line) for key, line in self._accepted.items()}
        self.withdrawn |= {
            line.account.name for key, line in self._accepted.items() if again[key] != line
        }
        for key, line in self._accepted.items():
            if again[key] is None:
                self._refused.put(key, {line.recipe: line.hashed})
        self._accepted = {key: line for key, line in again.items() if line}

    def check(self, token: str) -> Deferred[Account | Refused]:
        """Return a Deferred with the account of `token`, or Refused.

        Fails with AuthOverloadedError if the hash takes longer than the timeout, or too many tokens
        wait to be hashed.
        """
        if len(token) > MAX_TOKEN_CHARACTERS:
            return succeed(Refused())
        key = self._digest(token)
        line = self._accepted.get(key)
        if line is not None:
            return succeed(line.account)
        hashes = self._refused.get(key)
        if hashes is not None and self._accounts.can_decide(hashes):
            return succeed(self._decided(key, hashes))
        return self._checks.join(key, partial(self._ask, key, token))

    def _ask(self, key: bytes, token: str) -> Deferred[Account | Refused]:
        asked = within(self._timeout_s, self._clock, self._find(key, token))
        return asked.addErrback(_is_overload)

    async def _find(self, key: bytes, token: str) -> Account | Refused:
        hashes = self._refused.get(key) or {}
        while not self._accounts.can_decide(hashes):  # again if the file was read meanwhile
            hashes = await self._hashing.run(partial(self._accounts.hashes, token, hashes))
        return self._decided(key, hashes)

    def _decided(self, key: bytes, hashes: Hashes) -> Account | Refused:
        line = self._accounts.line_of(hashes)
        if line is None:
            self._refused.put(key, hashes)
            return Refused()
        self._refused.drop(key)
        self._accepted[key] = line
        return line.account


def _is_overload(failure: Failure) -> Failure:
    """Return the failure of a check in this process: nobody else was asked who could be down."""
    failure.trap(AuthUnavailableError)
    return Failure(AuthOverloadedError(failure.getErrorMessage()))
