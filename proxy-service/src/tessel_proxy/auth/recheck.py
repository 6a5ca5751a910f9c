"""Check the token of an open tunnel again and again, until it is no longer valid.

A tunnel whose key was renewed or revoked is closed after at most AUTH_RECHECK_S seconds, plus
AUTH_CACHE_S if the authenticator's results are cached.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, Protocol

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from streamplex.tx.timers import SharedTimers, Tick
from tessel_proxy.auth.interface import (
    Account,
    Authenticator,
    AuthOverloadedError,
    AuthUnavailableError,
    Refused,
)

SHORTEST: Final = 0.8
"""Shortest pause between two checks, as a part of AUTH_RECHECK_S. The pause is random, so that
tunnels that connected together after a restart are not checked together ever after."""


BUSY_PAUSE_S: Final = 1.0
"""Longest pause before the next check, if this proxy was too busy for one. It is random as well."""


class TokenLoss(Enum):
    """The reason why the tunnel of a token must be closed."""

    REVOKED = "revoked"  # it is wrong, or belongs to another account
    UNCONFIRMED = "unconfirmed"  # it could not be checked, and the grace period is over


class Rechecked(Protocol):
    """The tunnel whose token Recheck checks.

    `token_lost` is called when the token is refused, belongs to another account, or cannot be
    checked. It is not called if this proxy is too busy: then the token is checked soon again.
    `recheck_failed` is called if the authenticator raises an error that it should not.
    """

    def token_lost(self, why: TokenLoss, /) -> None: ...
    def recheck_failed(self, failure: Failure, /) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RecheckRules:
    """When and by whom the tokens of all tunnels are checked again.

    `authenticator` checks them at intervals, and `first` those that must be checked now.
    """

    authenticator: Authenticator
    first: Authenticator
    timers: SharedTimers
    every_s: float  # 0: never
    jitter: Callable[[], float]  # from 0 to 1


@dataclass(slots=True, kw_only=True, eq=False)
class Recheck:
    """Checks the token of one tunnel again every `every_s` seconds or a little sooner (0: never).

    `every_s` is one of the `rules`, which all tunnels share.
    """

    rules: RecheckRules
    token: str = field(repr=False)
    account: Account
    tunnel: Rechecked  # not its methods: stored bound methods take 64 bytes each
    _next: Tick | None = None
    _asking: Deferred[Account | Refused] | None = None
    _doubted: Authenticator | None = None  # to be asked after the check in progress

    def start(self) -> None:
        """Schedule the next check, and after each success another one.

        Checks go on until `stop` is called, or until a method of the tunnel was called.
        """
        if self.rules.every_s:
            self._later(self.rules.every_s)

    def now(self) -> None:
        """Check at once, in place of the next check.

        A check in progress is left to end, and another one follows: the answer to the former may
        be from before the token was revoked.
        """
        self._again(self.rules.first)

    def in_turn(self) -> None:
        """As `now`, but after other tokens that wait to be checked."""
        self._again(self.rules.authenticator)

    def _again(self, authenticator: Authenticator) -> None:
        if self._asking is not None:
            self._doubted = authenticator
            return
        self._cancel_next()
        self._ask(authenticator)

    def stop(self) -> None:
        """Stop checking, and cancel a check that is in progress."""
        self._cancel_next()
        if self._asking is not None:
            self._asking.cancel()

    def _later(self, longest_s: float) -> None:
        pause_s = longest_s * (SHORTEST + (1 - SHORTEST) * self.rules.jitter())
        self._next = self.rules.timers.wake_in(pause_s, self)

    def _cancel_next(self) -> None:
        if self._next is not None:
            self.rules.timers.cancel(self._next, self)

    def wake(self) -> None:
        """Called by the timers when the next check is due."""
        self._ask(self.rules.authenticator)

    def _ask(self, authenticator: Authenticator) -> None:
        self._doubted = None
        checked = self._asking = authenticator.check(self.token)
        answered = checked.addCallbacks(self._answered, self._not_answered)
        answered.addErrback(self.tunnel.recheck_failed)

    def _answered(self, answer: Account | Refused) -> None:
        self._asking = None
        if answer != self.account:
            self.tunnel.token_lost(TokenLoss.REVOKED)
        elif self._doubted is not None:
            self._ask(self._doubted)
        else:
            self.start()

    def _not_answered(self, failure: Failure) -> None:
        self._asking = None
        if failure.check(CancelledError):
            return  # by `stop`
        failure.trap(AuthUnavailableError)
        if failure.check(AuthOverloadedError):
            self._later(BUSY_PAUSE_S)
        else:
            self.tunnel.token_lost(TokenLoss.UNCONFIRMED)
