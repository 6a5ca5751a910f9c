"""One event that is to come: made before what brings it about, so that it cannot be missed."""

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
    """Fulfilled by the first event of which `pick` makes something."""

    def __init__(self, driver: Driver, pick: Callable[[Unsolicited], T | None]) -> None:
        self._pick = pick
        self._stop_watching = [driver.watch(self._told), driver.watch_loss(self._lost)]
        self._came: T | ChipError | None = None
        self._waiting: Deferred[None] | None = None

    async def within(self, seconds: float, clock: IReactorTime) -> T | None:
        """What was made of the event; None if it did not come. Raises ChipError."""
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
        """It is not waited for any more."""
        while self._stop_watching:
            self._stop_watching.pop()()

    def _told(self, event: Unsolicited) -> None:
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
