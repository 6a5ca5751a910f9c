"""Readiness: whether this proxy should get new tunnels now, and if not, the reasons.

Load balancers ask it before they send a device here; operators read the reasons.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final
from typing import Protocol as Interface

from twisted.internet.interfaces import IReactorTime

CREDENTIALS_WRONG_S: Final = 60.0
"""Seconds for which the proxy is not ready after the token service rejected its credentials. A
proxy that is not ready gets no tokens to check, so it would not notice corrected credentials."""


class HasObstacles(Interface):
    """An interface of what knows why there should be no new tunnels; no obstacle: it is ready."""

    @property
    def obstacles(self) -> Sequence[str]: ...


@dataclass(slots=True)
class Readiness:
    """Decides whether the proxy should get new tunnels now, and gives the reasons if not."""

    clock: IReactorTime
    is_listening: Callable[[], bool]
    is_full: Callable[[], bool] = lambda: False  # the memory limit is reached
    draining: bool = False
    _credentials_wrong_at: float | None = None

    def credentials_wrong(self) -> None:
        """Note that the token service rejected the proxy's own credentials.

        The proxy is then not ready for CREDENTIALS_WRONG_S.
        """
        self._credentials_wrong_at = self.clock.seconds()

    def credentials_right(self) -> None:
        """Note that the token service accepted the proxy's own credentials."""
        self._credentials_wrong_at = None

    @property
    def obstacles(self) -> list[str]:
        """The reasons, in words, why the proxy should get no new tunnels; empty: it is ready."""
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
