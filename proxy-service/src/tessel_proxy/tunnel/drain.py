"""The drain of a proxy that stops: tunnels end one by one, when their substreams have ended.

    devices are asked to leave (goaway/1) -> idle, or the time is over -> closed -> cut

A device that was asked may have opened a substream before the request arrived, so its idle tunnel
stays open for CROSSING_S. A device that does not support goaway/1 may open more substreams; they
are served until the time is over.
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
"""Seconds between two looks for idle tunnels."""

CROSSING_S: Final = 1.0
"""Seconds in which data that crosses `goaway` on the wire arrives, on any usable link."""

RESTART_S: Final = 8.0
"""Seconds from the end of a drain until the next process listens: the stop waits for devices that
take no data (composition.STOP_GRACE_S), and then the process has to start."""

RETURN_MS: Final = (100, 5_000)
"""Random milliseconds added to the time when each device returns, so that the next proxy does not
have to do all TLS handshakes at once."""

MAX_RETURN_MS: Final = 2**31 - 1  # the limit of the wire

Draw = Callable[[int, int], int]  # random.randint


class Drain:
    """The orderly end of all tunnels: closes each one when it is idle, until a time limit."""

    _log = Logger()

    def __init__(
        self,
        tunnels: TunnelRegistry,
        clock: IReactorTime,
        draw: Draw,
        targets_lack: Callable[[], bool] = lambda: False,
    ) -> None:
        """Prepare a drain; it begins with `run`.

        Args:
            tunnels: the open tunnels.
            clock: the reactor.
            draw: returns a random integer between two limits.
            targets_lack: returns whether data still waits to be sent to a target, which can happen
                after its tunnel has ended.
        """
        self._tunnels = tunnels
        self._clock = clock
        self._draw = draw
        self._targets_lack = targets_lack

    async def run(
        self, within_s: float, return_s: float | None = None, idle_s: float = 0.0
    ) -> None:
        """Close tunnels as they become idle; return when all are closed, or after `within_s`.

        All data for targets must also have been sent. Devices are asked to return after `return_s`
        seconds (None: when the next process is likely to listen), plus a random time of up to 5 s.
        `within_s` is in seconds. No tunnel is closed in the first `idle_s` seconds: a slow device
        may be about to open its first substream.
        """
        if self._is_done:
            return
        started = self._clock.seconds()
        if return_s is None:
            return_s = RESTART_S + (within_s if self._is_busy else min(within_s, CROSSING_S))
        asked = self._ask_to_leave(list(self._tunnels.all), return_s)
        self._log.info(
            "draining: {log_tunnels}, at most {seconds:g} s",
            event="draining",
            log_tunnels=counted(len(self._tunnels.all), "tunnel"),
            tunnels=len(self._tunnels.all),
            asked=len(asked),
            seconds=within_s,
            return_seconds=return_s,
        )
        while not self._is_done and self._clock.seconds() - started < within_s:
            passed_s = self._clock.seconds() - started
            if passed_s >= idle_s:
                self._end_idle(self._tunnels.all - asked)
            if passed_s >= max(idle_s, CROSSING_S):
                self._end_idle(asked & self._tunnels.all)
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

    def _ask_to_leave(self, tunnels: Iterable[OpenTunnel], return_s: float) -> set[OpenTunnel]:
        return {each for each in tunnels if each.drain(self._return_ms(return_s))}

    def _return_ms(self, return_s: float) -> int:
        return min(int(return_s * 1000) + self._draw(*RETURN_MS), MAX_RETURN_MS)

    def _end_idle(self, tunnels: Iterable[OpenTunnel]) -> None:
        for tunnel in list(tunnels):
            tunnel.end_if_idle()
