"""Accounts that a member reports before its next exchange."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.internet.interfaces import IDelayedCall, IReactorTime

GATHER_S: Final = 0.05
"""Seconds in which the ends of tunnels of an account near its limit are gathered into one call."""


class GatheredAccounts:
    """Calls `due` with each added account, once for all that was added within GATHER_S."""

    def __init__(self, clock: IReactorTime, due: Callable[[str], object]) -> None:
        self._clock = clock
        self._due = due
        self._calls: dict[str, IDelayedCall] = {}

    def add(self, account: str) -> None:
        """Call `due` with this account soon."""
        if account not in self._calls:
            self._calls[account] = self._clock.callLater(GATHER_S, self._call, account)

    def _call(self, account: str) -> None:
        del self._calls[account]
        self._due(account)

    def stop(self) -> None:
        """Forget all accounts."""
        for each in self._calls.values():
            each.cancel()
        self._calls.clear()
