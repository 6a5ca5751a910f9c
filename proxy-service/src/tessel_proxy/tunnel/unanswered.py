"""Devices whose systems answer nothing any more, though data is on its way to them.

One timer for all tunnels: it is for devices that cannot be asked (ping/1), and seldom finds one.
"""

from __future__ import annotations

from typing import Final

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from tessel_proxy.tunnel.shared_state import TunnelRegistry

LOOKS: Final = 4
"""How often within the limit of time it is looked."""


class UnansweredWatch:
    """Ends their tunnels."""

    def __init__(self, clock: IReactorTime, tunnels: TunnelRegistry, limit_s: float) -> None:
        """`limit_s` 0: never."""
        self._clock = clock
        self._tunnels = tunnels
        self._limit_s = limit_s
        self._look: IDelayedCall | None = None

    def start(self) -> None:
        if self._limit_s:
            self._look = self._clock.callLater(self._limit_s / LOOKS, self._looked)

    def stop(self) -> None:
        if self._look is not None and self._look.active():
            self._look.cancel()

    def _looked(self) -> None:
        for tunnel in list(self._tunnels.all):
            tunnel.give_up_unanswered(self._limit_s)
        self.start()
