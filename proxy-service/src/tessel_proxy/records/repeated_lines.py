"""Repeated log lines: the first is written at once, the others of an interval as one summary.

Scanners, devices that reconnect in a loop, and a proxy at its limit cause the same refusal many
times per second. The metrics count each of them; the log stays readable.
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
"""Seconds of one summary: short enough to see a burst while it lasts, long enough for few lines."""

MAX_ALIKE: Final = 8
"""Kinds in one interval that differ in source and detail only; further ones share one line, because
a burst may come from thousands of addresses."""

OTHERS: Final = "other addresses"


@dataclass(frozen=True, slots=True)
class LineKind:
    """The fields by which log lines count as repetitions of each other.

    `source` is the peer's address group; `detail` the reason in words, if `why` is only a code.
    """

    event: str
    why: str
    source: str  # `source_of` of the peer
    detail: str = ""
    level: LogLevel = LogLevel.warn
    error: str | None = None

    @property
    def family(self) -> LineKind:
        """The kind that all lines share which differ in source and detail only."""
        return replace(self, source=OTHERS, detail="")


Write: TypeAlias = Callable[[], None]
LogLine: TypeAlias = Callable[[LineKind, Write], None]


class LogLines(Interface):
    """An interface that decides whether a log line is written at once or summed up."""

    def log(self, kind: LineKind, write: Write) -> None:
        """Decide about a line of this kind: call `write` now, or count the line for a summary."""


class EachLine:
    """A LogLines that writes every line at once."""

    def log(self, kind: LineKind, write: Write) -> None:  # noqa: ARG002 -- of any kind
        """Call `write`, whatever the kind is."""
        write()


EVERY_LINE: Final = EachLine()
"""One instance for all: it has no state."""


@dataclass(slots=True)
class _Interval:
    began: float
    count: int = 0  # lines that were not written
    sums_up: IDelayedCall | None = None  # set while there are any


class RepeatedLines:
    """A LogLines that writes the first line of a kind at once, then one summary every 10 s."""

    _log = Logger()

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._intervals: dict[LineKind, _Interval] = {}  # in order of their beginning
        self._alike: Counter[LineKind] = Counter()  # intervals of each family

    def log(self, kind: LineKind, write: Write) -> None:
        """Call `write` for the first line of a kind in an interval; count further lines.

        If too many kinds differ in source and detail only, further kinds are counted together.
        """
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
        """Write all summaries now, because the proxy stops."""
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
        """Forget kinds whose interval is over and in which nothing was repeated."""
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
        self._begin(kind)  # further lines are summed up again

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
