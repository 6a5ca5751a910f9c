"""Another attempt where the first met a moment's weather: a restart, a balancer without a peer."""

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
"""The most that is waited before the second attempt and the third; there is no fourth. All of them
share the one deadline of the check."""

Jitter = Callable[[], float]  # from 0 to 1, as random.random


class PassingTroubleError(AuthUnavailableError):
    """It may well go better in a moment."""


async def with_retries(
    attempt: Callable[[], Coroutine[Any, Any, T]], clock: IReactorTime, jitter: Jitter
) -> T:
    """What an attempt gives; raises what the last one raised.

    The whole pause is random: proxies and tunnels that failed together must not come back so.
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
