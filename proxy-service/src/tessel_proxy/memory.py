"""The memory of the process, looked at: when it is much, no new tunnels; then the greediest goes.

Each buffer has a limit of its own; this one is for all of them together, and ends one tunnel where
the system would kill the process and all tunnels with it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final
from typing import Protocol as Interface

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from tessel_proxy.numbers import Number

LOOK_S: Final = 1.0
"""A tunnel's buffers do not grow by more in a second than they may hold at all."""

FULL: Final = 0.9
"""Of the limit: from here on nobody new is let in, and those who are in go on."""

MIB: Final = 1024 * 1024

_STATM = Path("/proc/self/statm")


class Holder(Interface):
    """A tunnel, as far as its buffers go."""

    @property
    def held_octets(self) -> int: ...
    def end_for_memory(self) -> None: ...


def resident_octets() -> int | None:
    """What the process has in memory; None where the system does not tell."""
    try:
        pages = int(_STATM.read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


class MemoryWatch:
    """Looks at it, and does what has to be done."""

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        max_mib: int,
        holders: Callable[[], Iterable[Holder]],
        resident: Callable[[], int | None] = resident_octets,
    ) -> None:
        """`max_mib` 0: nothing is looked at."""
        self._limit = max_mib * MIB
        self._holders = holders
        self._resident = resident
        self.is_full = False
        self._looks = LoopingCall(self._look)
        self._looks.clock = clock
        self._looking: Deferred[LoopingCall] | None = None

    def start(self) -> None:
        if self._limit:
            self._looking = self._looks.start(LOOK_S)
            self._looking.addErrback(lambda why: self._log.failure("no more looks", failure=why))

    def stop(self) -> None:
        if self._looks.running:
            self._looks.stop()

    def _look(self) -> None:
        resident = self._resident()
        if resident is None:
            return
        was_full, self.is_full = self.is_full, resident >= FULL * self._limit
        if self.is_full and not was_full:
            self._tell(resident)
        if resident >= self._limit:
            self._end_the_greediest()

    def _end_the_greediest(self) -> None:
        # If nobody holds anything, ending tunnels would free nothing.
        greediest = max(self._holders(), key=lambda each: each.held_octets, default=None)
        if greediest is not None and greediest.held_octets:
            greediest.end_for_memory()

    def _tell(self, resident: int) -> None:
        self._log.warn(
            "{mib} MiB of memory in use, of at most {limit_mib}: no new tunnels",
            event="memory_full",
            mib=resident // MIB,
            limit_mib=self._limit // MIB,
            error=Number.MEMORY_FULL.value,
        )
