"""Answers that the chip cannot give yet: until something happens to a socket, or time is over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

T = TypeVar("T")


@dataclass(eq=False, slots=True)
class _PendingAnswer(Generic[T]):
    attempt: Callable[[], T | None]
    answer: Deferred[T]
    timer: IDelayedCall | None = None


class PendingAnswers(Generic[T]):
    """Those who wait. An attempt gives None while there is nothing to answer."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._waits: list[_PendingAnswer[T]] = []

    def __bool__(self) -> bool:
        return bool(self._waits)

    def until(
        self, attempt: Callable[[], T | None], within_s: float | None, late: Callable[[], T]
    ) -> T | Deferred[T]:
        """The answer, now or when there is one. `within_s` None: it may take for ever."""
        now = attempt()
        if now is not None:
            return now
        if within_s is not None and within_s <= 0:
            return late()
        wait: _PendingAnswer[T] = _PendingAnswer(attempt, Deferred())
        self._waits.append(wait)
        if within_s is not None:
            wait.timer = self._clock.callLater(within_s, self._late, wait, late)
        return wait.answer

    def changed(self) -> None:
        """Something happened: whoever can be answered is answered."""
        for wait in list(self._waits):
            answer = wait.attempt()
            if answer is not None:
                self._end(wait)
                wait.answer.callback(answer)

    def stop(self) -> None:
        """Nobody will be answered any more."""
        for wait in list(self._waits):
            self._end(wait)

    def _late(self, wait: _PendingAnswer[T], late: Callable[[], T]) -> None:
        wait.timer = None
        self._end(wait)
        wait.answer.callback(late())

    def _end(self, wait: _PendingAnswer[T]) -> None:
        self._waits.remove(wait)
        if wait.timer is not None:
            wait.timer.cancel()
            wait.timer = None
