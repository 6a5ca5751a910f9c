"""Steps of the proxy's stop: before the drain, in it, and after it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import SystemRandom
from typing import Final

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.threadpool import ThreadPool

from tessel_proxy.startup.listeners import DevicePorts
from tessel_proxy.targets.lookup import Lookups
from tessel_proxy.tunnel.drain import Drain
from tessel_proxy.tunnel.shared_state import SharedState
from tessel_service_kit.texts import counted

_log = Logger()

NEWCOMERS_S: Final = 5.0
"""Seconds for devices that connected before a hand-over to complete TLS and token check, and as
many to open their first substream. Slower ones are ended and come back; they have no open
connections to lose."""

STOP_GRACE_S: Final = 5.0
"""Seconds that a stopping proxy waits for devices and targets to take the data sent to them."""

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


class OpenConnections:
    """The connections of devices and targets while a process stops: drained, ended, or reset."""

    def __init__(self, shared: SharedState, ports: DevicePorts, clock: IReactorTime) -> None:
        self._tunnels = shared.tunnels
        self._targets = shared.opener.sockets
        self._ports = ports
        self._clock = clock

    async def wait_for_newcomers(self) -> None:
        """Wait until all that have connected are authenticated, for NEWCOMERS_S at most."""
        await wait_while(self._clock, self._has_newcomers, NEWCOMERS_S)

    def _has_newcomers(self) -> bool:
        return bool(self._tunnels.unauthenticated or self._ports.waiting)

    def drain(self) -> Drain:
        """Return a drain of all tunnels, which waits for substreams."""
        return Drain(self._tunnels, self._clock, SystemRandom().randint, self._have_unsent)

    def _have_unsent(self) -> bool:
        return any(each.unsent_bytes for each in self._targets)

    async def end(self) -> None:
        """Close all tunnels, and reset after STOP_GRACE_S what is open then."""
        for session in list(self._tunnels.all):
            session.stop()
        await wait_while(self._clock, self._some_are_open, STOP_GRACE_S)
        self.abort()
        await wait_while(self._clock, self._some_are_open, STOP_LOOK_S)

    def abort(self) -> None:
        """Reset all connections."""
        for session in list(self._tunnels.all):
            session.abort()
        for target in list(self._targets):
            target.abort()

    def _some_are_open(self) -> bool:
        return bool(self._tunnels.all or self._targets)
