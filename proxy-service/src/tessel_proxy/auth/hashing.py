"""Long computations beside the reactor: so many at a time, and so many that wait for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from twisted.internet.defer import Deferred, DeferredSemaphore, fail
from twisted.internet.interfaces import IReactorThreads
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure

from tessel_proxy.auth.interface import AuthUnavailableError
from tessel_service_kit.threads import forget_unstarted

T = TypeVar("T")

AT_ONCE = 2
"""Computations under way: a guesser shall not have all cores, nor 64 MiB often."""

MAX_WAITING = 128
"""Those that wait: what is done within a check's deadline."""


class RunInThread(Protocol):
    """Runs what blocks in a thread of its own."""

    def __call__(self, work: Callable[[], T]) -> Deferred[T]: ...


def reactor_threads(reactor: IReactorThreads) -> RunInThread:
    """Those of the reactor's own pool; AuthUnavailableError where the system has none to give."""

    def run(work: Callable[[], T]) -> Deferred[T]:
        pool = reactor.getThreadPool()
        try:
            return deferToThreadPool(reactor, pool, work)
        except RuntimeError as error:  # "can't start new thread", raised before there is a Deferred
            forget_unstarted(pool)
            return fail(AuthUnavailableError(f"a token cannot be hashed: {error}"))

    return run


class HashingQueue:
    """Takes computations in their order."""

    def __init__(self, threads: RunInThread) -> None:
        self._threads = threads
        self._turns = DeferredSemaphore(AT_ONCE)

    def run(self, work: Callable[[], T]) -> Deferred[T]:
        """What it gives; fails with AuthUnavailableError if too many wait. May be cancelled."""
        if len(self._turns.waiting) >= MAX_WAITING:
            return fail(AuthUnavailableError("too many tokens wait to be hashed"))
        return self._turns.acquire().addCallback(lambda _turn: self._start(work))

    def _start(self, work: Callable[[], T]) -> Deferred[T]:
        # Cancelled is the wait alone: a thread goes on to its end, and keeps its turn till then.
        answer: Deferred[T] = Deferred()

        def ended(result: T | Failure) -> T | Failure | None:
            self._turns.release()
            if answer.called:
                return result
            answer.callback(result)
            return None

        self._threads(work).addBoth(ended)
        return answer
