"""Pools of threads on a system that may have no thread to give."""

from __future__ import annotations

from twisted.python.threadpool import ThreadPool


def forget_those_not_started(pool: ThreadPool) -> None:
    """After a thread could not be started: a pool counts on all that it has made.

    It could not join these when it stops.
    """
    pool.threads[:] = [each for each in pool.threads if each.ident is not None]
