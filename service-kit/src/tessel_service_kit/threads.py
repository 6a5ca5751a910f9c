"""Thread pools that end with the process, and on a system that may refuse to start a thread."""

from __future__ import annotations

from threading import Thread

from twisted.python.threadpool import ThreadPool


class DaemonThread(Thread):
    """A thread that does not keep the process from ending, even while it waits for an answer."""

    daemon = True


class DaemonThreads(ThreadPool):
    """A thread pool whose threads do not keep the process from ending."""

    threadFactory = DaemonThread


def forget_unstarted(pool: ThreadPool) -> None:
    """Remove the threads that could not be started from `pool`.

    Call it after the pool raised RuntimeError ("can't start new thread"). Twisted's pool keeps
    such a thread in its list, and would fail to join it when the pool stops.
    """
    pool.threads[:] = [each for each in pool.threads if each.ident is not None]
