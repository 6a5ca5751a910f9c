"""Blocking work done in threads of its own, so that the reactor never waits for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IReactorFromThreads
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

from tessel_oauth.errors import OverloadError

P = ParamSpec("P")
T = TypeVar("T")


class Worker:
    """Some threads and a bounded queue. With one thread, work is done in the order it was given."""

    def __init__(
        self, reactor: IReactorFromThreads, name: str, *, threads: int, max_waiting: int
    ) -> None:
        self._reactor = reactor
        self._pool = ThreadPool(threads, threads, name)
        self._name = name
        self._max_waiting = max_waiting
        self._waiting = 0
        self._stopping = False

    def start(self) -> None:
        self._pool.start()

    def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        """The result of `work`; OverloadError if too much waits.

        Whoever asked may cancel. The thread goes on all the same, so its place in the queue
        counts until it is done: else clients that hang up at once could fill it without end.
        """
        if self._waiting >= self._max_waiting:
            return fail(OverloadError(f"{self._name}: {self._waiting} jobs wait already"))
        self._waiting += 1
        job = deferToThreadPool(self._reactor, self._pool, self._job(lambda: work(*args, **kwargs)))
        job.addBoth(self._done)
        result: Deferred[T] = Deferred()
        job.chainDeferred(result)
        return result

    async def stop(self, last: Callable[[], None]) -> None:
        """End what runs, refuse what waits, do `last`, and join the threads."""
        self._stopping = True
        if self._pool.started:
            await deferToThreadPool(self._reactor, self._pool, last)
            self._pool.stop()

    def _job(self, work: Callable[[], T]) -> Callable[[], T]:
        def unless_stopping() -> T:
            # Read in the thread, when its turn comes: a full queue would hold up the stop.
            if self._stopping:
                raise OverloadError(f"{self._name}: stopping")
            return work()

        return unless_stopping

    def _done(self, result: T) -> T:
        self._waiting -= 1
        return result
