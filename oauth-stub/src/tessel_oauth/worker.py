"""Threads for blocking jobs, so that the reactor is never blocked."""

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
    """Runs blocking jobs in threads, with a limit on the jobs that wait.

    With one thread, jobs run in the order of the calls.
    """

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
        """Start the threads."""
        self._pool.start()

    def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        """Call `work` in a thread.

        If the caller cancels the Deferred, the job still runs. It counts as waiting until it is
        done: else clients that disconnect at once could queue any number of jobs.

        Returns:
            a Deferred with the result of `work`. It fails with OverloadError if too many jobs
            wait, or the worker is stopping.
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
        """Finish running jobs, then call `last` in a thread and end the threads.

        Waiting jobs fail with OverloadError.
        """
        self._stopping = True
        if self._pool.started:
            await deferToThreadPool(self._reactor, self._pool, last)
            self._pool.stop()

    def _job(self, work: Callable[[], T]) -> Callable[[], T]:
        def unless_stopping() -> T:
            # Checked when the job's turn comes: running a full queue would delay the stop.
            if self._stopping:
                raise OverloadError(f"{self._name}: stopping")
            return work()

        return unless_stopping

    def _done(self, result: T) -> T:
        self._waiting -= 1
        return result
