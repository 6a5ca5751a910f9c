"""When a worker that has died is started again: at once, and later and later if it dies again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from tessel_proxy.fleet.place import Seat
from tessel_proxy.records.error_codes import ErrorCode

STABLE_S: Final = 60.0
"""Seconds of life after which the death of a worker counts as its first again."""

FIRST_PAUSE_S: Final = 0.5
"""Pause before the second restart in a row; it doubles each time. The first restart is at once,
because a single crash leaves connections waiting."""

LONGEST_PAUSE_S: Final = 30.0
"""A worker that cannot start takes a second of a core each time, so this costs 3 % of a core."""

LOOP: Final = 3
"""Early deaths in a row that make a crash loop: the proxy is then not ready."""


@dataclass(slots=True)
class Restarts:
    """Counts the early deaths of one worker in a row, and says how long to wait."""

    early_deaths: int = 0

    def died(self, lived_s: float) -> float:
        """Note a death after `lived_s` seconds; return the seconds to wait before the restart."""
        if lived_s >= STABLE_S:
            self.early_deaths = 0
        self.early_deaths += 1
        if self.early_deaths == 1:
            return 0.0
        doublings = min(self.early_deaths - 2, 16)  # far above the longest pause
        return min(FIRST_PAUSE_S * 2.0**doublings, LONGEST_PAUSE_S)

    def has_lived(self, lived_s: float) -> None:
        """Note that the worker lives: after STABLE_S its early deaths are forgotten."""
        if lived_s >= STABLE_S:
            self.early_deaths = 0

    @property
    def is_loop(self) -> bool:
        """Whether the worker has died so often that it is not expected to recover."""
        return self.early_deaths >= LOOP


class Replacements:
    """Starts a worker again on each seat whose worker has died."""

    _log = Logger()

    def __init__(self, start_on: Callable[[Seat], None], clock: IReactorTime) -> None:
        """`start_on` starts a worker on a seat."""
        self._start_on = start_on
        self._clock = clock
        self._seats: dict[int, Restarts] = {}
        self._due: dict[int, IDelayedCall] = {}
        self.total = 0

    def of(self, seats: Iterable[Seat]) -> None:
        """Begin with these seats, on which no worker has died yet."""
        self._seats = {seat.number: Restarts() for seat in seats}

    def died(self, seat: Seat, lived_s: float, why: str) -> None:
        """Start a worker again: now, or later if it has died again and again."""
        restarts = self._seats[seat.number]
        pause_s = restarts.died(lived_s)
        self.total += 1
        self._log.error(
            "worker {worker} died after {lived:g} s: {why}; it is started again in {pause:g} s",
            event="crash_loop" if restarts.is_loop else "worker_died",
            worker=seat.number,
            why=why,
            lived=round(lived_s, 1),
            pause=pause_s,
            error=(ErrorCode.CRASH_LOOP if restarts.is_loop else ErrorCode.WORKER_DIED).value,
        )
        self._due[seat.number] = self._clock.callLater(pause_s, self._begin, seat)

    def _begin(self, seat: Seat) -> None:
        del self._due[seat.number]
        self._start_on(seat)

    def has_lived(self, seat: Seat, lived_s: float) -> None:
        """Note that a worker lives: after STABLE_S its early deaths are forgotten."""
        self._seats[seat.number].has_lived(lived_s)

    def renew(self, seat: Seat) -> None:
        """Forget the deaths of a seat that has a worker of another version now."""
        self._seats[seat.number] = Restarts()
        if (due := self._due.pop(seat.number, None)) is not None:
            due.cancel()

    def stop(self) -> None:
        """Start no worker again."""
        while self._due:
            self._due.popitem()[1].cancel()

    @property
    def loops(self) -> int:
        """Number of workers that died again and again soon after their start."""
        return sum(each.is_loop for each in self._seats.values())

    @property
    def obstacles(self) -> list[str]:
        """The crash loops, in words."""
        return [
            f"worker {number} died {each.early_deaths} times soon after its start"
            for number, each in self._seats.items()
            if each.is_loop
        ]
