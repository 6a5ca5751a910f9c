"""Tokens -> the names under which things are remembered of them.

A token itself is kept nowhere longer than its tunnel lasts: whoever gets to see a memory of ours
finds digests that are worth nothing without the key, and nothing outside this process.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Generic, TypeAlias, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

DIGEST_BYTES = 32  # two tokens with one digest do not happen
KEY_BYTES = 32

Digest: TypeAlias = Callable[[str], bytes]


def keyed_digest(key: bytes) -> Digest:
    """The digest under this key, of any text from the wire."""

    def digest(token: str) -> bytes:
        nbytes = token.encode("utf-8", "surrogatepass")
        return hashlib.blake2b(nbytes, key=key, digest_size=DIGEST_BYTES).digest()

    return digest


def fresh_digest() -> Digest:
    """Under a key that nobody else has."""
    return keyed_digest(secrets.token_bytes(KEY_BYTES))


V = TypeVar("V")


class BoundedMemory(Generic[V]):
    """Digests of tokens -> what is known of them."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._entries: OrderedDict[bytes, V] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: bytes) -> V | None:
        if key in self._entries:
            self._entries.move_to_end(key)
        return self._entries.get(key)

    def put(self, key: bytes, value: V) -> None:
        self._entries[key] = value
        self._entries.move_to_end(key)
        if len(self._entries) > self._room:
            self._entries.popitem(last=False)

    def drop(self, key: bytes) -> None:
        self._entries.pop(key, None)


T = TypeVar("T")


class SingleFlight(Generic[T]):
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
