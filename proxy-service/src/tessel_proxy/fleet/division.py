"""The part of the process limits that one of several workers has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final, TypeVar

from tessel_proxy.limits.settings import LimitSettings

S = TypeVar("S", bound=LimitSettings)

LEAST_MIB: Final = 96
"""Memory below which a worker cannot be expected to serve: it uses 60 MB without a tunnel."""

LOOKED_S: Final = 5.0
"""Age of the last look of the supervisor from which on it is not used: five looks were missed."""


def divided(config: S, workers: int) -> S:
    """Return the settings of one of several workers: with its part of the process limits.

    MAX_TUNNELS is not divided: `TunnelRoom` counts the tunnels of the others. Descriptors are not,
    because the system limits them for each process (limits/descriptors.py knows the exception).
    """
    return replace(
        config,
        max_unauthenticated=_part(config.max_unauthenticated, workers),
        max_handshakes=_part(config.max_handshakes, workers),
        memory_max_mib=_part(config.memory_max_mib, workers),
    )


def _part(limit: int, workers: int) -> int:
    return -(-limit // workers)  # rounded up; 0, which means no limit, stays 0


def memory_hint(config: LimitSettings, workers: int) -> list[str]:
    """Return a hint if MEMORY_MAX_MIB leaves a worker too little."""
    part = _part(config.memory_max_mib, workers)
    if workers == 1 or not config.memory_max_mib or part >= LEAST_MIB:
        return []
    what = f"MEMORY_MAX_MIB={config.memory_max_mib} is {part} MiB for each of {workers} workers"
    return [f"{what}; recommended: {LEAST_MIB} or more for each"]


class TunnelRoom:
    """Limits the tunnels of this worker, so that all together have at most MAX_TUNNELS.

    The supervisor says each second how many the others have, so the limit may be exceeded by what
    opens within two seconds. If it has not for LOOKED_S, this worker has its even part.
    """

    def __init__(
        self,
        max_tunnels: int,
        workers: int,
        last_look: Callable[[], tuple[int, float | None]],
        seconds: Callable[[], float],
    ) -> None:
        """`last_look` returns how many tunnels the others have, and when that was said."""
        self._max_tunnels = max_tunnels
        self._part = _part(max_tunnels, workers)
        self._last_look = last_look
        self._seconds = seconds

    def __call__(self) -> int:
        """Return the number of tunnels that this worker may have now."""
        elsewhere, at = self._last_look()
        if at is None or self._seconds() - at > LOOKED_S:
            return self._part
        return max(0, self._max_tunnels - elsewhere)
