"""Whether the engine can be reached, as the log and the metrics report it.

Readiness does not depend on it: every tunnel stays, and new ones are accepted.
"""

from __future__ import annotations

from typing import Final

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from tessel_proxy.records.error_codes import ErrorCode

STEADY_S: Final = 5.0
"""Seconds without a failed call after which the engine counts as reachable again. One that fails
now and then would write two lines for each failure."""


class EngineHealth:
    """Reports when the engine cannot be reached, and when it can again, in one line each."""

    _log = Logger()

    def __init__(self, clock: IReactorTime, where: str) -> None:
        self._clock = clock
        self._where = where
        self._away_since: float | None = None
        self._failed_at = 0.0
        self.failures = 0

    @property
    def is_degraded(self) -> bool:
        """Whether this host decides without the engine now."""
        return self._away_since is not None

    @property
    def away_s(self) -> float:
        """Seconds since the engine could be reached; 0: it can be."""
        return 0.0 if self._away_since is None else self._clock.seconds() - self._away_since

    def failed(self, reason: str) -> None:
        """Called when a call or a connection has failed."""
        self.failures += 1
        self._failed_at = self._clock.seconds()
        if self._away_since is not None:
            return
        self._away_since = self._failed_at
        self._log.error(
            "engine_away: {where}: {reason}. Tunnels stay; limits are kept with the last known "
            "totals, and are divided by the number of proxies after 60 s",
            event="engine_away",
            error=ErrorCode.ENGINE_AWAY.value,
            where=self._where,
            reason=reason,
        )

    def answered(self) -> None:
        """Called when a call has succeeded."""
        if self._away_since is None or self._clock.seconds() - self._failed_at < STEADY_S:
            return
        self._log.info(
            "engine_back: {where}, after {away_s:.0f} s",
            event="engine_back",
            where=self._where,
            away_s=self.away_s,
        )
        self._away_since = None

    def may_evict(self, policy: str) -> None:
        """Called when the server would drop keys if its memory is full."""
        self._log.warn(
            "engine_may_evict: {where} has maxmemory-policy {policy}: counts would be wrong after "
            "it has dropped some; set noeviction",
            event="engine_may_evict",
            error=ErrorCode.ENGINE_EVICTS.value,
            where=self._where,
            policy=policy,
        )
