"""A check that takes too long is one that cannot be made now."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from tessel_proxy.auth.interface import AuthUnavailableError

T = TypeVar("T")


def within(
    timeout_s: float, clock: IReactorTime, work: Coroutine[Deferred[object], object, T]
) -> Deferred[T]:
    """What `work` gives; when its time is up it is cancelled, and nobody waits for it to agree."""
    working = Deferred.fromCoroutine(work)
    answer: Deferred[T] = Deferred(lambda _: give_up())

    def expire() -> None:
        answer.errback(AuthUnavailableError(f"no answer within {timeout_s:g} s"))
        working.cancel()

    def give_up() -> None:
        deadline.cancel()
        working.cancel()

    deadline = clock.callLater(timeout_s, expire)

    def worked(result: T | Failure) -> None:
        if deadline.active():
            deadline.cancel()
        if not answer.called:
            answer.callback(result)  # a Failure goes to the errbacks

    working.addBoth(worked)
    return answer
