"""A thread of its own for files that may block: the reactor's thread serves devices meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Final, ParamSpec, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as TookTooLongError
from twisted.internet.threads import deferToThreadPool

from tessel_service_kit.names import IThreadsAndTime
from tessel_service_kit.threads import DaemonThreads

STOP_S: Final = 3.0
"""Seconds that a stop waits for the last call: a disk that hangs must not keep the process."""

P = ParamSpec("P")
T = TypeVar("T")


class OneThread:
    """Makes calls one after the other in a thread that does not keep the process from ending."""

    def __init__(self, reactor: IThreadsAndTime, name: str) -> None:
        self._reactor = reactor
        self._threads = DaemonThreads(0, 1, name)
        self._under_way = 0

    def start(self) -> None:
        """Start the thread with the first call."""
        self._threads.start()

    def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        """Make a call in the thread; the Deferred has its result. Calls keep their order."""
        self._under_way += 1
        done: Deferred[T] = deferToThreadPool(self._reactor, self._threads, call, *args, **kwargs)
        return done.addBoth(self._ended)

    def _ended(self, result: T) -> T:
        self._under_way -= 1
        return result

    async def stop(self, last: Deferred[object] | None = None) -> None:
        """Wait for `last` for STOP_S at most, then stop the thread, unless a call hangs in it."""
        if last is not None:
            with suppress(TookTooLongError):
                await last.addTimeout(STOP_S, self._reactor)
        if not self._under_way and self._threads.started:
            self._threads.stop()
