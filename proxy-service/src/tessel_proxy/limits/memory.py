"""Watch the memory of the process: refuse new tunnels near the limit, then close the largest one.

First, freed memory is returned to the system. After a tunnel is closed, the memory is measured
again before another one is closed: the process may use its memory for something else, and closing
one tunnel after the other would then close all of them.

Each buffer has a limit of its own. This limit is for all of them together: it closes one tunnel
where the system would kill the process, and all tunnels with it.
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

from tessel_proxy.limits.heap import give_back
from tessel_proxy.records.error_codes import ErrorCode

LOOK_S: Final = 1.0
"""Seconds between two measurements. In a second the buffers of a tunnel can at most become full."""

FULL: Final = 0.9
"""Part of the limit at which new tunnels are refused. Open tunnels continue."""

WORTH_ENDING: Final = 128 * 1024
"""Bytes that a tunnel must hold to be closed. A device that is slow for a moment holds as much for
two of its sockets, and an idle tunnel takes as much: closing smaller ones frees very little."""

PAUSE_S: Final = 10.0
"""Seconds between two attempts to free memory, each of which blocks for some 100 ms."""

GROWN: Final = 0.02
"""Part of the limit. If the memory has grown by this much since the last attempt, the next one is
made at once."""

MIB: Final = 1024 * 1024

_STATM = Path("/proc/self/statm")


class MemoryHolder(Interface):
    """A tunnel or an account that holds buffers.

    `held_bytes` is the size of the buffers in bytes; `end_for_memory` closes the tunnel or
    connections, to free the buffers.
    """

    @property
    def held_bytes(self) -> int: ...
    def end_for_memory(self) -> None: ...


def resident_bytes() -> int | None:
    """Return the bytes of memory that this process uses; None if the system reports none."""
    try:
        pages = int(_STATM.read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


class MemoryWatch:
    """Measures the memory of the process each second, and keeps it below a limit.

    The docstring of this module describes how. `is_full` is True while new tunnels must be refused.
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        max_mib: int,
        holders: Callable[[], Iterable[MemoryHolder]],
        resident: Callable[[], int | None] = resident_bytes,
        give_back: Callable[[], None] = give_back,
    ) -> None:
        """`max_mib`: the limit in MiB. 0: no limit, and no measurements."""
        self._clock = clock
        self._limit = max_mib * MIB
        self._holders = holders
        self._resident = resident
        self._give_back = give_back
        self._due_at = 0.0  # time of the next attempt to free memory
        self._left = 0  # bytes in use after the last attempt
        self.is_full = False
        self._looks = LoopingCall(self._look)
        self._looks.clock = clock
        self._looking: Deferred[LoopingCall] | None = None

    def start(self) -> None:
        """Begin to measure once per second. Does nothing if the limit is 0."""
        if self._limit:
            self._looking = self._looks.start(LOOK_S)
            self._looking.addErrback(
                lambda why: self._log.failure("memory is not watched any more", failure=why)
            )

    def stop(self) -> None:
        """Stop measuring."""
        if self._looks.running:
            self._looks.stop()

    def _look(self) -> None:
        resident = self._resident()
        if resident is not None and self._is_much(resident) and self._is_due(resident):
            resident = self._make_room()
        if resident is None:
            return
        was_full, self.is_full = self.is_full, self._is_much(resident)
        if self.is_full and not was_full:
            self._log_full(resident)

    def _is_much(self, resident: int) -> bool:
        return resident >= FULL * self._limit

    def _is_due(self, resident: int) -> bool:
        grown = resident - self._left >= GROWN * self._limit
        return grown or self._clock.seconds() >= self._due_at

    def _make_room(self) -> int | None:
        """Free memory, and close a tunnel if that was not enough.

        Returns the bytes in use. The memory of a tunnel that is closed now still counts.
        """
        self._give_back()
        resident = self._resident()
        if resident is not None and resident >= self._limit:
            self._end_the_greediest()
        self._left = resident or 0
        self._due_at = self._clock.seconds() + PAUSE_S
        return resident

    def _end_the_greediest(self) -> None:
        greediest = max(self._holders(), key=lambda each: each.held_bytes, default=None)
        if greediest is not None and greediest.held_bytes >= WORTH_ENDING:
            greediest.end_for_memory()

    def _log_full(self, resident: int) -> None:
        self._log.warn(
            "{mib} MiB of memory in use, limit {limit_mib} MiB: new tunnels are refused",
            event="memory_full",
            mib=resident // MIB,
            limit_mib=self._limit // MIB,
            error=ErrorCode.MEMORY_FULL.value,
        )
