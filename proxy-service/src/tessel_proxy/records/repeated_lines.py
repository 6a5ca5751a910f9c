"""Identical lines of the log -> the first at once, the others of an interval as one line.

Scanners, devices that come back again and again, and a proxy at its limit cause the same refusal
many times a second. Each is counted in the metrics; the log has room for other things.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, TypeAlias
from typing import Protocol as Interface

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger, LogLevel

INTERVAL_S: Final = 10.0
"""Short enough to see a storm while it lasts; six lines a minute drown nothing."""

MAX_ALIKE: Final = 8
"""Kinds that differ in nothing but source and detail, in one interval: further ones share a line.
A storm may come from thousands of addresses."""

OTHERS: Final = "other addresses"


@dataclass(frozen=True, slots=True)
class LineKind:
    """What makes lines identical."""

    event: str
    why: str
    source: str  # an address without its port
    detail: str = ""
    level: LogLevel = LogLevel.warn
    error: str | None = None

    @property
    def family(self) -> LineKind:
        """All kinds that differ in source and detail alone."""
        return replace(self, source=OTHERS, detail="")


Write: TypeAlias = Callable[[], None]
LogLine: TypeAlias = Callable[[LineKind, Write], None]


class LogLines(Interface):
    """Who decides whether a line is written."""

    def log(self, kind: LineKind, write: Write) -> None:
        """There is a line of this kind; `write` writes it."""


class EachLine:
    """Writes each line."""

    def log(self, kind: LineKind, write: Write) -> None:  # noqa: ARG002 -- all kinds
        write()


EVERY_LINE: Final = EachLine()
"""Stateless, so one instance serves everybody."""


@dataclass(slots=True)
class _Interval:
    began: float
    count: int = 0  # lines that were not written
    sums_up: IDelayedCall | None = None  # set while there are any


class RepeatedLines:
    """Writes the first line of a kind, and sums the others up at the end of each interval."""

    _log = Logger()

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._intervals: dict[LineKind, _Interval] = {}  # the oldest first
        self._alike: Counter[LineKind] = Counter()  # intervals of each family

    def log(self, kind: LineKind, write: Write) -> None:
        self._forget_quiet_ones()
        if kind in self._intervals:
            self._count(kind)
        elif self._alike[kind.family] < MAX_ALIKE:
            self._begin(kind)
            write()
        else:
            if kind.family not in self._intervals:
                self._begin(kind.family)
            self._count(kind.family)

    def flush(self) -> None:
        """Write all sums now: the proxy ends."""
        for kind, interval in list(self._intervals.items()):
            if interval.sums_up is not None:
                interval.sums_up.cancel()
                self._write_sum(kind, interval)
        self._intervals.clear()
        self._alike.clear()

    def _begin(self, kind: LineKind) -> None:
        self._intervals[kind] = _Interval(self._clock.seconds())
        self._alike[kind.family] += 1

    def _forget(self, kind: LineKind) -> None:
        del self._intervals[kind]
        self._alike[kind.family] -= 1
        if not self._alike[kind.family]:
            del self._alike[kind.family]

    def _forget_quiet_ones(self) -> None:
        """Those whose interval is over; nothing was repeated in it."""
        over = self._clock.seconds() - INTERVAL_S
        while self._intervals:
            kind, interval = next(iter(self._intervals.items()))
            if interval.began > over or interval.sums_up is not None:
                return
            self._forget(kind)

    def _count(self, kind: LineKind) -> None:
        interval = self._intervals[kind]
        interval.count += 1
        if interval.sums_up is None:
            left_s = max(0.0, interval.began + INTERVAL_S - self._clock.seconds())
            interval.sums_up = self._clock.callLater(left_s, self._sum_up, kind)

    def _sum_up(self, kind: LineKind) -> None:
        self._write_sum(kind, self._intervals[kind])
        self._forget(kind)
        self._begin(kind)  # what goes on is summed up again

    def _write_sum(self, kind: LineKind, interval: _Interval) -> None:
        seconds = round(self._clock.seconds() - interval.began, 1)
        self._log.emit(
            kind.level,
            "{count} more in {seconds:g} s, from {peer}: {why}",
            event=kind.event,
            count=interval.count,
            seconds=seconds,
            peer=kind.source,
            why=kind.detail or kind.why,
            **({"outcome": kind.why} if kind.detail else {}),
            error=kind.error,
        )
