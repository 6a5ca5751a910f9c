"""Should this proxy be given new tunnels now? If not, why not.

What a load balancer asks before it sends a device here, and what its operator reads if not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from twisted.internet.interfaces import IReactorTime

CREDENTIALS_WRONG_S: Final = 60.0
"""How long the token service's word that this proxy's credentials are wrong counts. A proxy that is
not ready gets no tokens to ask about, so it would never hear of the mending."""


@dataclass(slots=True)
class Readiness:
    """Kept up to date by those who know."""

    clock: IReactorTime
    is_listening: Callable[[], bool]
    is_full: Callable[[], bool] = lambda: False  # the memory: who comes is turned away
    draining: bool = False
    _credentials_wrong_at: float | None = None

    def credentials_wrong(self) -> None:
        """The token service does not know this proxy."""
        self._credentials_wrong_at = self.clock.seconds()

    def credentials_right(self) -> None:
        """It does."""
        self._credentials_wrong_at = None

    @property
    def obstacles(self) -> list[str]:
        """Why it should get no new tunnels; empty if it should."""
        found = []
        if self.draining:
            found.append("draining")
        elif not self.is_listening():
            found.append("not listening")
        if self.is_full():
            found.append("memory is full: no new tunnels")
        if self._knows_of_wrong_credentials():
            found.append("the token service does not accept this proxy's credentials")
        return found

    def _knows_of_wrong_credentials(self) -> bool:
        since = self._credentials_wrong_at
        return since is not None and self.clock.seconds() - since < CREDENTIALS_WRONG_S
