"""Ends the tunnels of tokens that were removed from a file: here at once, elsewhere on SIGHUP."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from tessel_proxy.fleet.engine import Engine, EngineError
from tessel_proxy.fleet.notices import TokensRevoked
from tessel_proxy.records.error_codes import ErrorCode

TOLD_S: Final = 60.0
"""Seconds for which an account is published on the next SIGHUP: this process may have read the file
before, at a look. Later, the others have looked at it themselves."""

MAX_TOLD: Final = 64
"""Accounts that are published one by one. With more, all processes check all tokens."""


class WithdrawnTokens:
    """Checks the tunnels of accounts that have lost a token when a file was read again."""

    _log = Logger()

    def __init__(
        self,
        take: Callable[[], Collection[str]],
        check: Callable[[Collection[str]], None],
        engine: Engine | None,
        clock: IReactorTime,
    ) -> None:
        """`take` returns the accounts since its last call; `check` checks the tunnels of some.

        `engine` None: there are no other processes.
        """
        self._take = take
        self._check = check
        self._engine = engine
        self._clock = clock
        self._since: dict[str, float] = {}  # by account: when it lost a token

    def reloaded(self) -> None:
        """Called when a file of tokens was read again: checks the tunnels of this process."""
        accounts = self._take()
        self._since.update(dict.fromkeys(accounts, self._clock.seconds()))
        self._check(accounts)

    def notify(self) -> None:
        """Called after a SIGHUP: lets all other processes read their files and check as well."""
        oldest = self._clock.seconds() - TOLD_S
        accounts = sorted(name for name, at in self._since.items() if at >= oldest)
        self._since.clear()
        if self._engine is None:
            return
        for each in accounts if len(accounts) <= MAX_TOLD else (None,):
            telling = Deferred.fromCoroutine(self._publish(self._engine, each))
            telling.addErrback(
                lambda why: self._log.failure(
                    "others were not notified of a token", why, error=ErrorCode.INTERNAL_ERROR.value
                )
            )

    async def _publish(self, engine: Engine, account: str | None) -> None:
        with suppress(EngineError):  # then they read their files at their next look
            await engine.publish(TokensRevoked(account))
