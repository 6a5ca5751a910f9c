"""Ends tunnels whose devices acknowledge nothing although data was sent to them.

One timer serves all tunnels. It is meant for devices that do not support ping/1, and rarely ends
a tunnel.
"""

from __future__ import annotations

from typing import Final

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from tessel_proxy.tunnel.shared_state import TunnelRegistry

LOOKS: Final = 4
"""Number of checks within the time limit."""


class UnansweredWatch:
    """A timer that closes tunnels whose devices do not acknowledge sent data."""

    def __init__(self, clock: IReactorTime, tunnels: TunnelRegistry, limit_s: float) -> None:
        """Prepare the timer; `limit_s`: seconds without an acknowledgement (0: no limit)."""
        self._clock = clock
        self._tunnels = tunnels
        self._limit_s = limit_s
        self._look: IDelayedCall | None = None

    def start(self) -> None:
        """Check all tunnels four times in each `limit_s` seconds; with 0 do nothing."""
        if self._limit_s:
            self._look = self._clock.callLater(self._limit_s / LOOKS, self._looked)

    def stop(self) -> None:
        """Stop checking."""
        if self._look is not None and self._look.active():
            self._look.cancel()

    def _looked(self) -> None:
        for tunnel in list(self._tunnels.all):
            tunnel.give_up_unanswered(self._limit_s)
        self.start()
