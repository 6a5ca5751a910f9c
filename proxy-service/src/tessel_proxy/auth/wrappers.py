"""An authenticator as before, and somebody who is told how its checks end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from tessel_proxy.auth.interface import (
    Account,
    Authenticator,
    AuthMisconfiguredError,
    AuthUnavailableError,
    Refused,
)


class AuthResult(StrEnum):
    """How a check of a token ended."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNAVAILABLE = "unavailable"
    MISCONFIGURED = "misconfigured"  # the operator's credentials are wrong
    CANCELLED = "cancelled"  # the device did not wait
    BROKEN = "broken"  # a bug, or a plug-in's


class ResultListener:
    """How checks end, for whoever comes to listen later."""

    def __init__(self) -> None:
        self.listener: Callable[[AuthResult], None] | None = None

    def tell(self, result: AuthResult) -> None:
        if self.listener is not None:
            self.listener(result)


class ReportingAuthenticator:
    """Tells how each check ended."""

    def __init__(self, authenticator: Authenticator, tell: Callable[[AuthResult], None]) -> None:
        self._authenticator = authenticator
        self._tell = tell

    def check(self, token: str) -> Deferred[Account | Refused]:
        return self._authenticator.check(token).addCallbacks(self._answered, self._failed)

    def _answered(self, answer: Account | Refused) -> Account | Refused:
        accepted = isinstance(answer, Account)
        self._tell(AuthResult.ACCEPTED if accepted else AuthResult.REFUSED)
        return answer

    def _failed(self, failure: Failure) -> Failure:
        self._tell(_result_of(failure))
        return failure


def _result_of(failure: Failure) -> AuthResult:
    if failure.check(AuthMisconfiguredError):
        return AuthResult.MISCONFIGURED
    if failure.check(AuthUnavailableError):
        return AuthResult.UNAVAILABLE
    return AuthResult.CANCELLED if failure.check(CancelledError) else AuthResult.BROKEN


class AuthenticatorChain:
    """A token is wrong when all have said so. Who cannot say now leaves the others their word."""

    def __init__(self, authenticators: Sequence[Authenticator]) -> None:
        self._authenticators = tuple(authenticators)

    def check(self, token: str) -> Deferred[Account | Refused]:
        return Deferred.fromCoroutine(self._ask(token))

    async def _ask(self, token: str) -> Account | Refused:
        silent: AuthUnavailableError | None = None
        for each in self._authenticators:
            try:
                answer = await each.check(token)
            except AuthUnavailableError as error:
                silent = error
                continue
            if isinstance(answer, Account):
                return answer
        if silent is not None:
            raise silent
        return Refused()
