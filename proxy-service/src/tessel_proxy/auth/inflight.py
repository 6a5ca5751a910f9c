"""One question for all who ask the same at the same time.

A house full of devices has one key, and all of them come back at once after a power cut.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Generic, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

T = TypeVar("T")


class InFlight(Generic[T]):
    """The questions that are under way, by what they ask."""

    def __init__(self) -> None:
        self._questions: dict[bytes, _Question[T]] = {}

    def __len__(self) -> int:
        return len(self._questions)

    def join(self, key: bytes, ask: Callable[[], Deferred[T]]) -> Deferred[T]:
        """The answer of the question under way, or of a new one.

        Each may cancel its own; the question is cancelled when nobody waits for it any more.
        """
        question = self._questions.get(key)
        if question is not None:
            return question.wait()
        question = self._questions[key] = _Question(partial(self._over, key))
        answer = question.wait()
        question.follow(ask())
        return answer

    def _over(self, key: bytes, question: _Question[T]) -> None:
        if self._questions.get(key) is question:  # not one asked anew since
            del self._questions[key]


class _Question(Generic[T]):
    def __init__(self, over: Callable[[_Question[T]], None]) -> None:
        self._over = over
        self._waiting: list[Deferred[T]] = []
        self._asked: Deferred[None] | None = None

    def wait(self) -> Deferred[T]:
        answer: Deferred[T] = Deferred(self._leave)
        self._waiting.append(answer)
        return answer

    def follow(self, asked: Deferred[T]) -> None:
        self._asked = asked.addBoth(self._tell)

    def _leave(self, answer: Deferred[T]) -> None:
        if answer not in self._waiting:
            return  # there is an answer, and one who was told it just now gave this up
        self._waiting.remove(answer)
        if not self._waiting and self._asked is not None:
            self._over(self)  # at once: who comes now must not join one that is given up
            self._asked.cancel()

    def _tell(self, result: T | Failure) -> None:
        waiting, self._waiting = self._waiting, []
        self._over(self)
        for answer in waiting:
            if not answer.called:
                answer.callback(result)  # a Failure goes to the errbacks
