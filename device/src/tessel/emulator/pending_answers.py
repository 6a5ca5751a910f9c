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
    """Holds commands that cannot be answered yet.

    Each has an attempt: a function that returns the answer, or None if it is too early.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._waits: list[_PendingAnswer[T]] = []

    def __bool__(self) -> bool:
        return bool(self._waits)

    def until(
        self, attempt: Callable[[], T | None], within_s: float | None, late: Callable[[], T]
    ) -> T | Deferred[T]:
        """Return the result of `attempt`, or a Deferred that fires with it if it is None now.

        The attempt is repeated at each `changed`. After `within_s` seconds the answer is the result
        of `late`; None waits without a limit.
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
        """Repeat the attempts, and answer the commands that can be answered now.

        Called when something has happened to a socket.
        """
        for wait in list(self._waits):
            answer = wait.attempt()
            if answer is not None:
                self._end(wait)
                wait.answer.callback(answer)

    def stop(self) -> None:
        """Forget all waiting commands; their Deferreds never fire."""
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
