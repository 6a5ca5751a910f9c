"""Remember results of token checks, by a keyed digest of the token, never by the token itself.

A token is kept only while its tunnel is open. The digests in these memories are useless without
their key, which never leaves the process.
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
    """Return a function that computes the BLAKE2b digest of a token under `key`.

    The token may be any text, also with unpaired surrogates.
    """

    def digest(token: str) -> bytes:
        data = token.encode("utf-8", "surrogatepass")
        return hashlib.blake2b(data, key=key, digest_size=DIGEST_BYTES).digest()

    return digest


def fresh_digest() -> Digest:
    """Return a digest function for tokens with a new random key; see `keyed_digest`."""
    return keyed_digest(secrets.token_bytes(KEY_BYTES))


V = TypeVar("V")


class BoundedMemory(Generic[V]):
    """A map from token digests to values, with a limit on the number of entries.

    When it is full, the entry that was not used for the longest time is dropped.
    """

    def __init__(self, room: int) -> None:
        """`room`: the number of entries."""
        self._room = room
        self._entries: OrderedDict[bytes, V] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: bytes) -> V | None:
        """Return the value for `key`, or None. The entry becomes the most recently used one."""
        if key in self._entries:
            self._entries.move_to_end(key)
        return self._entries.get(key)

    def put(self, key: bytes, value: V) -> None:
        """Add or replace an entry. If the memory is full, drop the least recently used entry."""
        self._entries[key] = value
        self._entries.move_to_end(key)
        if len(self._entries) > self._room:
            self._entries.popitem(last=False)

    def drop(self, key: bytes) -> None:
        """Remove the entry for `key`, if there is one."""
        self._entries.pop(key, None)


T = TypeVar("T")


class SingleFlight(Generic[T]):
    """Merges simultaneous calls with the same key into one call. All callers get its result.

    This is needed because all devices of one owner have the same token, and connect together after
    a power cut.
    """

    def __init__(self) -> None:
        self._questions: dict[bytes, _Question[T]] = {}

    def __len__(self) -> int:
        return len(self._questions)

    def join(self, key: bytes, ask: Callable[[], Deferred[T]]) -> Deferred[T]:
        """Return a Deferred with the result of the running call for `key`; without one, call `ask`.

        Cancelling the Deferred ends only this caller's wait. When all callers have cancelled, the
        running call is cancelled, too.
        """
        question = self._questions.get(key)
        if question is not None:
            return question.wait()
        question = self._questions[key] = _Question(partial(self._over, key))
        answer = question.wait()
        question.follow(ask())
        return answer

    def close(self, key: bytes) -> None:
        """Let no more callers join the running call for `key`: the next one makes a new call."""
        self._questions.pop(key, None)

    def _over(self, key: bytes, question: _Question[T]) -> None:
        if self._questions.get(key) is question:  # and not a newer one
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
        self._asked = asked.addBoth(self._deliver)

    def _leave(self, answer: Deferred[T]) -> None:
        if answer not in self._waiting:
            return  # the result is being delivered, and its first receiver cancelled this wait
        self._waiting.remove(answer)
        if not self._waiting and self._asked is not None:
            self._over(self)  # first, so that a new caller does not join a cancelled call
            self._asked.cancel()

    def _deliver(self, result: T | Failure) -> None:
        waiting, self._waiting = self._waiting, []
        self._over(self)
        for answer in waiting:
            if not answer.called:
                answer.callback(result)  # a Failure goes to the errbacks
