"""Waits for an event of the chip.

An `Expectation` is made before the command that causes the event, so that it cannot be missed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from tessel.cc3000.driver import Driver
from tessel.cc3000.errors import ChipError
from tessel.cc3000.hci.events import Unsolicited

T = TypeVar("T")


class Expectation(Generic[T]):
    """Waits for the first event for which `pick` returns something other than None.

    Make it before sending the command that causes the event.
    """

    def __init__(self, driver: Driver, pick: Callable[[Unsolicited], T | None]) -> None:
        self._pick = pick
        self._stop_watching = [driver.watch(self._event_came), driver.watch_loss(self._lost)]
        self._came: T | ChipError | None = None
        self._waiting: Deferred[None] | None = None

    async def within(self, seconds: float, clock: IReactorTime) -> T | None:
        """Wait at most `seconds` for the event and return the result of `pick`.

        Returns None if no such event came in time. Raises ChipError if the chip is lost.
        """
        if self._came is None:
            self._waiting = Deferred()
            limit = clock.callLater(seconds, self._wake)
            await self._waiting
            if limit.active():
                limit.cancel()
        self.drop()
        if isinstance(self._came, ChipError):
            raise self._came
        return self._came

    def drop(self) -> None:
        """Stop watching for the event. May be called several times."""
        while self._stop_watching:
            self._stop_watching.pop()()

    def _event_came(self, event: Unsolicited) -> None:
        if self._came is None:
            self._came = self._pick(event)
            if self._came is not None:
                self._wake()

    def _lost(self, error: ChipError) -> None:
        if self._came is None:
            self._came = error
            self._wake()

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.callback(None)
