"""Authenticators that wrap other authenticators: to report results, or to ask several in turn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from tessel_proxy.auth.interface import (
    Account,
    Authenticator,
    AuthMisconfiguredError,
    AuthOverloadedError,
    AuthUnavailableError,
    Refused,
)
from tessel_proxy.records.durations import Histogram


class AuthResult(StrEnum):
    """The end of a token check, as reported to logs and metrics."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNAVAILABLE = "unavailable"
    MISCONFIGURED = "misconfigured"  # the operator's credentials are wrong
    CANCELLED = "cancelled"  # the device closed its tunnel before the result
    BROKEN = "broken"  # a bug in the proxy or in a plug-in


class ResultListener:
    """Passes results of token checks to its `listener`, which may be set later.

    While `listener` is None, results are dropped.
    """

    def __init__(self) -> None:
        self.listener: Callable[[AuthResult], None] | None = None

    def report(self, result: AuthResult) -> None:
        """Call the listener, if there is one, with `result`."""
        if self.listener is not None:
            self.listener(result)


class TimedAuthenticator:
    """An authenticator that asks another one, and counts how long each check takes.

    Checks that fail, or are cancelled, count as well.
    """

    def __init__(self, authenticator: Authenticator, clock: IReactorTime, took: Histogram) -> None:
        self._authenticator = authenticator
        self._clock = clock
        self._took = took

    def check(self, token: str) -> Deferred[Account | Refused]:
        """Return the other authenticator's result for `token`."""
        return self._authenticator.check(token).addBoth(self._ended, self._clock.seconds())

    def _ended(
        self, result: Account | Refused | Failure, began: float
    ) -> Account | Refused | Failure:
        self._took.observe(self._clock.seconds() - began)
        return result


class ReportingAuthenticator:
    """An authenticator that asks another one, and passes the outcome of each check to `report`."""

    def __init__(self, authenticator: Authenticator, report: Callable[[AuthResult], None]) -> None:
        self._authenticator = authenticator
        self._report = report

    def check(self, token: str) -> Deferred[Account | Refused]:
        """Return the other authenticator's result for `token`, after reporting the outcome."""
        return self._authenticator.check(token).addCallbacks(self._answered, self._failed)

    def _answered(self, answer: Account | Refused) -> Account | Refused:
        accepted = isinstance(answer, Account)
        self._report(AuthResult.ACCEPTED if accepted else AuthResult.REFUSED)
        return answer

    def _failed(self, failure: Failure) -> Failure:
        self._report(_result_of(failure))
        return failure


def _result_of(failure: Failure) -> AuthResult:
    if failure.check(AuthMisconfiguredError):
        return AuthResult.MISCONFIGURED
    if failure.check(AuthUnavailableError):
        return AuthResult.UNAVAILABLE
    return AuthResult.CANCELLED if failure.check(CancelledError) else AuthResult.BROKEN


class AuthenticatorChain:
    """Asks several authenticators in turn, until one accepts the token.

    The token is refused if all refuse it. The check fails with AuthUnavailableError if none accepts
    the token and at least one could not check it: with AuthOverloadedError if one was too busy,
    since that one may accept the token soon.
    """

    def __init__(self, authenticators: Sequence[Authenticator]) -> None:
        self._authenticators = tuple(authenticators)

    def check(self, token: str) -> Deferred[Account | Refused]:
        """Return a Deferred with the account of `token`, or Refused; see Authenticator.check."""
        return Deferred.fromCoroutine(self._ask(token))

    async def _ask(self, token: str) -> Account | Refused:
        silent: AuthUnavailableError | None = None
        for each in self._authenticators:
            try:
                answer = await each.check(token)
            except AuthUnavailableError as error:
                silent = silent if isinstance(silent, AuthOverloadedError) else error
                continue
            if isinstance(answer, Account):
                return answer
        if silent is not None:
            raise silent
        return Refused()
