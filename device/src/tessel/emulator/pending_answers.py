"""Answers that the chip gives only when something happens to a socket, or after a timeout."""

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
    """Commands that wait for their answer. Each attempt at one returns None if it is too early."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._waits: list[_PendingAnswer[T]] = []

    def __bool__(self) -> bool:
        return bool(self._waits)

    def until(
        self, attempt: Callable[[], T | None], within_s: float | None, late: Callable[[], T]
    ) -> T | Deferred[T]:
        """Return the answer now, or a Deferred that fires when there is one.

        After `within_s` seconds `late` makes the answer; None waits without a limit.
        """
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
        """Something happened: answer the commands that can be answered now."""
        for wait in list(self._waits):
            answer = wait.attempt()
            if answer is not None:
                self._end(wait)
                wait.answer.callback(answer)

    def stop(self) -> None:
        """Forget all commands that wait."""
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
