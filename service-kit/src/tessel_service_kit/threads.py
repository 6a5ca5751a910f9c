"""Thread pools on a system that may refuse to start a thread."""

from __future__ import annotations

from twisted.python.threadpool import ThreadPool


def forget_unstarted(pool: ThreadPool) -> None:
    """Remove the threads that could not be started from `pool`.

    Call it after the pool raised RuntimeError ("can't start new thread"). Twisted's pool keeps
    such a thread in its list, and would fail to join it when the pool stops.
    """
    pool.threads[:] = [each for each in pool.threads if each.ident is not None]
