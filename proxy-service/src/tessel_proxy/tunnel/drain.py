"""The end of a proxy that serves: its tunnels end one by one, when what is open on them has ended.

    told to go away (those who know the word) -> idle, or time is up -> stopped -> cut

A device that was told may have opened something before it heard: an idle tunnel of such a device is
left for a moment. One that was not told may open more, and is served until the time is up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from tessel_proxy.tunnel.shared_state import OpenTunnel, TunnelRegistry
from tessel_service_kit.texts import counted

LOOK_S: Final = 0.05
"""How often it is looked who is done."""

CROSSING_S: Final = 1.0
"""What crosses `goaway` on the wire is under way no longer than this, on any usable link."""

RESTART_S: Final = 8.0
"""From the end of a drain until the next process listens: devices that take nothing are waited for
(service.STOP_GRACE_S), and then it has to start."""

RETURN_MS: Final = (100, 5_000)
"""What is added to the time when devices come back, drawn for each: not all at once, for the next
proxy has a handshake with each to do."""

MAX_RETURN_MS: Final = 2**31 - 1  # what the wire allows

Draw = Callable[[int, int], int]  # random.randint


class Drain:
    """Ends all tunnels within a limit; those that are left after it have had their time."""

    _log = Logger()

    def __init__(
        self,
        tunnels: TunnelRegistry,
        clock: IReactorTime,
        draw: Draw,
        targets_lack: Callable[[], bool] = lambda: False,
    ) -> None:
        """`targets_lack`: does one still lack what it was sent? Its tunnel may be gone before."""
        self._tunnels = tunnels
        self._clock = clock
        self._draw = draw
        self._targets_lack = targets_lack

    async def run(self, within_s: float, return_s: float | None = None) -> None:
        """Returns when no tunnel is left and every target has its own, or after `within_s`.

        Devices are told to come back after `return_s`, else when the next process listens, as
        far as one can say, and some seconds more.
        """
        if self._is_done:
            return
        started = self._clock.seconds()
        if return_s is None:
            return_s = RESTART_S + (within_s if self._is_busy else min(within_s, CROSSING_S))
        told = self._tell(list(self._tunnels.all), return_s)
        self._log.info(
            "draining: {log_tunnels}, at most {seconds:g} s",
            event="draining",
            log_tunnels=counted(len(self._tunnels.all), "tunnel"),
            tunnels=len(self._tunnels.all),
            told=len(told),
            seconds=within_s,
            return_seconds=return_s,
        )
        while not self._is_done and self._clock.seconds() - started < within_s:
            crossed = self._clock.seconds() - started >= CROSSING_S
            self._end_idle(self._tunnels.all if crossed else self._tunnels.all - told)
            await deferLater(self._clock, LOOK_S)
        self._log.info(
            "drained: {log_left} left",
            event="drained",
            log_left=counted(len(self._tunnels.all), "tunnel"),
            left=len(self._tunnels.all),
            seconds=round(self._clock.seconds() - started, 3),
        )

    @property
    def _is_done(self) -> bool:
        return not self._tunnels.all and not self._targets_lack()

    @property
    def _is_busy(self) -> bool:
        return self._targets_lack() or not all(each.is_idle for each in self._tunnels.all)

    def _tell(self, tunnels: Iterable[OpenTunnel], return_s: float) -> set[OpenTunnel]:
        return {each for each in tunnels if each.drain(self._return_ms(return_s))}

    def _return_ms(self, return_s: float) -> int:
        return min(int(return_s * 1000) + self._draw(*RETURN_MS), MAX_RETURN_MS)

    def _end_idle(self, tunnels: Iterable[OpenTunnel]) -> None:
        for tunnel in list(tunnels):
            tunnel.end_if_idle()
