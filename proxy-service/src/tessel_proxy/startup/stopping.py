"""Steps of the proxy's stop: before the drain, and after it."""

from __future__ import annotations

from collections.abc import Iterable

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.threadpool import ThreadPool

from tessel_proxy.targets.lookup import Lookups
from tessel_service_kit.texts import counted

_log = Logger()


async def wait_for_load_balancers(clock: IReactorTime, delay_s: float) -> None:
    """Wait DRAIN_DELAY_S: load balancers ask /readyz meanwhile, and new tunnels are accepted."""
    if not delay_s:
        return
    _log.info(
        "not ready any more; new tunnels are accepted for {seconds:g} s",
        event="drain_delayed",
        seconds=delay_s,
    )
    await deferLater(clock, delay_s)


def stop_lookups(lookups: Lookups, pools: Iterable[ThreadPool]) -> None:
    """Stop the thread pools of name look-ups, and abandon look-ups in progress."""
    if count := lookups.under_way:
        # Their threads are daemons: they do not keep the process, but waiting for them would.
        _log.warn(
            "abandoned at the stop: {log_lookups}",
            event="lookups_left",
            log_lookups=counted(count, "name look-up"),
            count=count,
        )
    for pool in pools:
        if pool.started and not pool.working:
            pool.stop()
