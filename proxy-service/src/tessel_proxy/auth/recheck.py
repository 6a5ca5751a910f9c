"""Does the token of an open tunnel still hold? Asked again and again, until it does not.

How soon a renewed or revoked key ends its tunnels: AUTH_RECHECK_S and, where an answer may come
from memory, AUTH_CACHE_S besides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from tessel_proxy.auth.interface import Account, Authenticator, AuthUnavailableError, Refused

SHORTEST: Final = 0.8
"""Of AUTH_RECHECK_S, the least between two questions: tunnels that came in together after a restart
shall not be asked about together for ever after."""


class Doubt(Enum):
    """Why a token holds no longer."""

    REVOKED = "revoked"  # it is wrong, or somebody else's
    UNCONFIRMED = "unconfirmed"  # it could not be checked, and the grace is over


@dataclass(slots=True, kw_only=True)
class Recheck:
    """The questions about one tunnel's token."""

    authenticator: Authenticator
    clock: IReactorTime
    every_s: float  # 0: never
    jitter: Callable[[], float]
    token: str = field(repr=False)
    account: Account
    ended: Callable[[Doubt], None]
    broken: Callable[[Failure], None]
    _next: IDelayedCall | None = None
    _asking: Deferred[None] | None = None

    def start(self) -> None:
        """From now on until `stop`, or until `ended` or `broken` is called."""
        if self.every_s:
            pause_s = self.every_s * (SHORTEST + (1 - SHORTEST) * self.jitter())
            self._next = self.clock.callLater(pause_s, self._ask)

    def stop(self) -> None:
        if self._next is not None and self._next.active():
            self._next.cancel()
        if self._asking is not None:
            self._asking.cancel()

    def _ask(self) -> None:
        checked = self.authenticator.check(self.token)
        self._asking = checked.addCallbacks(self._answered, self._not_answered)
        self._asking.addErrback(self.broken)

    def _answered(self, answer: Account | Refused) -> None:
        if answer == self.account:
            self.start()
        else:
            self.ended(Doubt.REVOKED)

    def _not_answered(self, failure: Failure) -> None:
        if failure.check(CancelledError):
            return  # by `stop`
        failure.trap(AuthUnavailableError)
        self.ended(Doubt.UNCONFIRMED)
