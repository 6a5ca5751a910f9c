"""Cache the results of a slow authenticator, and keep known tokens valid while it is down.

    fresh_s   seconds for which a result, accepted or refused, is used again
    stale_s   grace period: seconds for which an accepted token stays valid if it cannot be checked

Accepted and refused tokens are remembered apart, so that wrong guesses cannot push accepted tokens
out of the memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from math import inf

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger, LogLevel
from twisted.python.failure import Failure

from tessel_proxy.auth.interface import (
    Account,
    Authenticator,
    AuthMisconfiguredError,
    AuthUnavailableError,
    Refused,
)
from tessel_proxy.auth.token_memory import BoundedMemory, Digest, SingleFlight
from tessel_proxy.records.error_codes import ErrorCode

MAX_ACCEPTED = 50_000
"""Accepted tokens to remember: more than a process has tunnels. Each takes some 400 bytes."""

MAX_REFUSED = 10_000
"""Refused tokens to remember. If more than that are tried, each try reaches the token service, as
without a cache."""


@dataclass(frozen=True, slots=True)
class CacheTimes:
    """Holds how long results of token checks are used: `fresh_s` and `stale_s`, in seconds.

    The docstring of this module explains both.
    """

    fresh_s: float
    stale_s: float


@dataclass(slots=True)
class _Accepted:
    account: Account
    answered_at: float  # when the authenticator accepted it
    asked_at: float  # when it was last asked, with or without a result


class CachingAuthenticator:
    """An authenticator that caches the results of another one (`other`).

    If several callers check the same token at the same time, `other` is asked once.
    """

    _log = Logger()

    def __init__(
        self, other: Authenticator, clock: IReactorTime, times: CacheTimes, digest: Digest
    ) -> None:
        self._other = other
        self._clock = clock
        self._times = times
        self._digest = digest
        self._accepted: BoundedMemory[_Accepted] = BoundedMemory(MAX_ACCEPTED)
        self._refused_at: BoundedMemory[float] = BoundedMemory(MAX_REFUSED)
        self._checks: SingleFlight[Account | Refused] = SingleFlight()
        self._doubted_at = -inf  # results from before are not fresh

    def check(self, token: str) -> Deferred[Account | Refused]:
        """Return the cached result for `token`, or else the result of the other authenticator.

        If that fails with AuthUnavailableError, a token accepted up to `stale_s` seconds ago stays
        valid.
        """
        key = self._digest(token)
        known = self._fresh(key)
        if known is not None:
            return succeed(known)
        return self._checks.join(key, partial(self._ask, key, token))

    def forget_refused(self) -> None:
        """Remove all refused tokens from the cache, so that they are checked again.

        Called when the operator has changed the other authenticator's settings. Accepted tokens are
        kept: a mistake in the new settings must not close open tunnels.
        """
        self._refused_at = BoundedMemory(MAX_REFUSED)

    def doubt(self) -> None:
        """Take all results for stale: each token is checked anew at its next use.

        Accepted tokens keep their grace period, in case the other authenticator cannot be asked.
        """
        self._doubted_at = self._clock.seconds()
        self._checks = SingleFlight()  # nobody joins a check that began before

    def _fresh(self, key: bytes) -> Account | Refused | None:
        after = max(self._clock.seconds() - self._times.fresh_s, self._doubted_at)
        good = self._accepted.get(key)
        if good is not None:
            in_time = good.asked_at > after and self._is_good_still(good)
            return good.account if in_time else None
        refused_at = self._refused_at.get(key)
        return Refused() if refused_at is not None and refused_at > after else None

    def _is_good_still(self, good: _Accepted) -> bool:
        age = self._clock.seconds() - good.answered_at
        return age < max(self._times.stale_s, self._times.fresh_s)

    def _ask(self, key: bytes, token: str) -> Deferred[Account | Refused]:
        return self._other.check(token).addCallbacks(
            self._keep,
            self._use_stale,
            callbackArgs=(key, self._clock.seconds()),
            errbackArgs=(key,),
        )

    def _keep(self, answer: Account | Refused, key: bytes, began: float) -> Account | Refused:
        if began < self._doubted_at:
            return answer  # it may be from before the token was revoked
        now = self._clock.seconds()
        match answer:
            case Account():
                self._refused_at.drop(key)
                self._accepted.put(key, _Accepted(answer, now, now))
            case Refused():
                self._accepted.drop(key)
                self._refused_at.put(key, now)
        return answer

    def _use_stale(self, failure: Failure, key: bytes) -> Account | Failure:
        good = self._accepted.get(key)
        if failure.check(AuthUnavailableError) is None or good is None:
            return failure
        age = self._clock.seconds() - good.answered_at
        if age >= self._times.stale_s:
            self._accepted.drop(key)
            return failure
        good.asked_at = self._clock.seconds()  # a service in trouble is not asked for each check
        mine = failure.check(AuthMisconfiguredError) is not None
        self._log.emit(
            LogLevel.error if mine else LogLevel.warn,
            "could not check the token of {account}; it stays valid, accepted {age} s ago: {why}",
            event="auth_stale",
            account=good.account.name,
            age=round(age),
            why=failure.getErrorMessage(),
            error=(ErrorCode.CREDENTIALS if mine else ErrorCode.NOT_RECHECKED).value,
        )
        return good.account
