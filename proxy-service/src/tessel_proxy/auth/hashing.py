"""Hash tokens in threads: a limited number at a time, and a limited number that wait."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from twisted.internet.defer import Deferred, DeferredSemaphore, fail
from twisted.internet.interfaces import IReactorThreads
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure

from tessel_proxy.auth.interface import AuthOverloadedError
from tessel_service_kit.threads import forget_unstarted

T = TypeVar("T")

AT_ONCE = 2
"""Computations at a time. Each takes a core and up to 64 MiB, and a device that guesses tokens must
not take all of them."""

MAX_WAITING = 128
"""Computations that wait: about as many as are done within the timeout of a check."""


class RunInThread(Protocol):
    """Calls a blocking function in a thread, and returns a Deferred with the function's result."""

    def __call__(self, work: Callable[[], T]) -> Deferred[T]:
        """Return a Deferred with the result of `work`, which is called in a thread."""


def reactor_threads(reactor: IReactorThreads) -> RunInThread:
    """Return a RunInThread that uses the reactor's thread pool.

    Its Deferred fails with AuthOverloadedError if no thread can be started.
    """

    def run(work: Callable[[], T]) -> Deferred[T]:
        pool = reactor.getThreadPool()
        try:
            return deferToThreadPool(reactor, pool, work)
        except RuntimeError as error:  # "can't start new thread", raised before there is a Deferred
            forget_unstarted(pool)
            return fail(AuthOverloadedError(f"a token cannot be hashed: {error}"))

    return run


class HashingQueue:
    """Runs at most AT_ONCE (2) hash computations at a time, in threads; others wait in a queue."""

    def __init__(self, threads: RunInThread) -> None:
        self._threads = threads
        self._turns = DeferredSemaphore(AT_ONCE)

    def run(self, work: Callable[[], T]) -> Deferred[T]:
        """Call `work` in a thread when its turn has come, and return a Deferred with the result.

        Fails with AuthOverloadedError at once if MAX_WAITING computations wait already. May be
        cancelled: a computation that runs already continues, and keeps its place until it ends.
        """
        if len(self._turns.waiting) >= MAX_WAITING:
            return fail(AuthOverloadedError("too many tokens wait to be hashed"))
        return self._turns.acquire().addCallback(lambda _turn: self._start(work))

    def _start(self, work: Callable[[], T]) -> Deferred[T]:
        answer: Deferred[T] = Deferred()

        def ended(result: T | Failure) -> T | Failure | None:
            self._turns.release()
            if answer.called:
                return result
            answer.callback(result)
            return None

        self._threads(work).addBoth(ended)
        return answer
