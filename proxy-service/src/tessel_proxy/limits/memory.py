"""The memory of the process, looked at: when it is much, no new tunnels; then the greediest goes.

Before anybody pays, what is free is given back to the system, and after each ending it is seen
whether that helped: the process may hold its memory for something else, and then ending one tunnel
after the other would only end them all.

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

from tessel_proxy.limits.heap import give_back
from tessel_proxy.records.error_codes import ErrorCode

LOOK_S: Final = 1.0
"""A tunnel's buffers do not grow by more in a second than they may hold at all."""

FULL: Final = 0.9
"""Of the limit: from here on nobody new is let in, and those who are in go on."""

WORTH_ENDING: Final = 128 * 1024
"""Bytes. A device that is slow for a moment has this much waiting on two of its sockets, and a
tunnel takes about as much without any: ending who holds less would free next to nothing."""

PAUSE_S: Final = 10.0
"""Between two attempts to make room, which stop everything for some 100 ms each."""

GROWN: Final = 0.02
"""Of the limit: when there is so much more since, the last attempt was not enough, and the next one
is due at once."""

MIB: Final = 1024 * 1024

_STATM = Path("/proc/self/statm")


class MemoryHolder(Interface):
    """A tunnel, as far as its buffers go."""

    @property
    def held_bytes(self) -> int: ...
    def end_for_memory(self) -> None: ...


def resident_bytes() -> int | None:
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
        holders: Callable[[], Iterable[MemoryHolder]],
        resident: Callable[[], int | None] = resident_bytes,
        give_back: Callable[[], None] = give_back,
    ) -> None:
        """`max_mib` 0: nothing is looked at."""
        self._clock = clock
        self._limit = max_mib * MIB
        self._holders = holders
        self._resident = resident
        self._give_back = give_back
        self._due_at = 0.0  # the next attempt to make room
        self._left = 0  # in memory after the last one
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
        if resident is not None and self._is_much(resident) and self._is_due(resident):
            resident = self._make_room()
        if resident is None:
            return
        was_full, self.is_full = self.is_full, self._is_much(resident)
        if self.is_full and not was_full:
            self._tell(resident)

    def _is_much(self, resident: int) -> bool:
        return resident >= FULL * self._limit

    def _is_due(self, resident: int) -> bool:
        grown = resident - self._left >= GROWN * self._limit
        return grown or self._clock.seconds() >= self._due_at

    def _make_room(self) -> int | None:
        """What is in memory then; of who is ended now, all is there still."""
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

    def _tell(self, resident: int) -> None:
        self._log.warn(
            "{mib} MiB of memory in use, of at most {limit_mib}: no new tunnels",
            event="memory_full",
            mib=resident // MIB,
            limit_mib=self._limit // MIB,
            error=ErrorCode.MEMORY_FULL.value,
        )
