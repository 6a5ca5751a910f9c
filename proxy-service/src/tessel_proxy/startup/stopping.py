"""Steps of the proxy's stop: before the drain, and after it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.threadpool import ThreadPool

from tessel_proxy.targets.lookup import Lookups
from tessel_service_kit.texts import counted

_log = Logger()

NEWCOMERS_S: Final = 5.0
"""Seconds for devices that connected before a hand-over to complete TLS and token check, and as
many to open their first substream. Slower ones are ended and come back; they have no open
connections to lose."""

STOP_LOOK_S: Final = 0.05
"""Seconds between two looks whether a wait is over."""


async def wait_for_load_balancers(clock: IReactorTime, delay_s: float) -> None:
    """Wait `delay_s` seconds (0: not at all), so that load balancers notice that /readyz fails.

    New tunnels are accepted meanwhile.
    """
    if not delay_s:
        return
    _log.info(
        "not ready any more; new tunnels are accepted for {seconds:g} s",
        event="drain_delayed",
        seconds=delay_s,
    )
    await deferLater(clock, delay_s)


async def wait_while(clock: IReactorTime, is_true: Callable[[], bool], within_s: float) -> None:
    """Wait as long as a condition is true, for `within_s` seconds at most."""
    deadline = clock.seconds() + within_s
    while is_true() and clock.seconds() < deadline:
        await deferLater(clock, STOP_LOOK_S)


def stop_lookups(lookups: Lookups, pools: Iterable[ThreadPool]) -> None:
    """Stop idle thread pools of name look-ups; log how many look-ups in progress are abandoned.

    A pool with a look-up in progress is not stopped, because that would wait for it.
    """
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
