"""Limit the time of a token check, and retry requests to the token service that failed.

A retry helps if the token service restarts, or its load balancer has no server for a moment.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from tessel_proxy.auth.interface import AuthUnavailableError

T = TypeVar("T")

PAUSES_S: Final = (0.25, 1.0)
"""Longest pauses before the second and the third attempt, in seconds. There is no fourth. All
attempts share the timeout of the check."""

Jitter = Callable[[], float]  # from 0 to 1, as random.random


class PassingTroubleError(AuthUnavailableError):
    """A request to the token service failed, but a retry within a second may succeed."""


async def with_retries(
    attempt: Callable[[], Coroutine[Any, Any, T]], clock: IReactorTime, jitter: Jitter
) -> T:
    """Call `attempt` up to three times, and return the result of the first call that succeeds.

    Only PassingTroubleError leads to a retry. Raises the error of the last call.

    `jitter` returns a random number from 0 to 1, by which each longest pause (PAUSES_S) is
    multiplied, so that proxies and tunnels that failed together do not retry together.
    """
    for most_s in PAUSES_S:
        try:
            return await attempt()
        except PassingTroubleError:
            await deferLater(clock, most_s * jitter())
    return await attempt()


def within(
    timeout_s: float, clock: IReactorTime, work: Coroutine[Deferred[object], object, T]
) -> Deferred[T]:
    """Run `work`, and return a Deferred with its result.

    Fails with AuthUnavailableError if `work` takes longer than `timeout_s` seconds: `work` is then
    cancelled, and the caller does not wait until it has stopped.
    """
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
