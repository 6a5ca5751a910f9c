"""Usage on its way to where it is kept: waits in memory, is written every few seconds."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Final
from typing import Protocol as Interface

from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger, LogLevel
from twisted.python.failure import Failure

from tessel_proxy.operations.usage import (
    KEPT_DAYS,
    NOTHING,
    Usage,
    UsageAwayError,
    UsageError,
    UsagePage,
    UsageQuestion,
    UsageRow,
)
from tessel_proxy.records.error_codes import ErrorCode
from tessel_service_kit.clocks import WallTime

FLUSH_S: Final = 5.0
"""Seconds between two writes, and between two reports of a worker: kill -9 loses at most both."""

ROWS_PER_WRITE: Final = 256
"""Rows of one write: an engine that hosts share is busy with it for a millisecond or two."""

MAX_WAITING: Final = 10_000
"""Rows that wait while they cannot be written, 0.3 KiB each; accounts beyond are not counted."""

DAY_S: Final = 86_400


class KeepsUsage(Interface):
    """The interface to a store of usage; UsageFile explains the methods."""

    def start(self) -> None: ...
    async def stop(self) -> None: ...
    async def add(self, number: int, rows: Sequence[UsageRow], oldest_day: str) -> None: ...
    async def read(self, question: UsageQuestion) -> UsagePage: ...


class UsageKeeping:
    """Collects usage and writes it. A failure is logged once; what waits is written later."""

    _log = Logger()

    def __init__(
        self,
        kept_in: KeepsUsage,
        clock: IReactorTime,
        wall_time: WallTime,
        take: Callable[[], Mapping[str, Usage]] = dict,
    ) -> None:
        """`take` returns what was used in this process since its last call."""
        self._kept_in = kept_in
        self._take = take
        self._wall_time = wall_time
        self._waiting: dict[tuple[str, str], Usage] = {}  # by day and account
        self._write: tuple[UsageRow, ...] = ()  # under way, or failed
        self._number = 0  # of that write
        self._reports: dict[str, int] = {}  # number of the last report, by member
        self._lock = DeferredLock()
        self._loop = LoopingCall(self._flush_soon)
        self._loop.clock = clock
        self._is_failing = False
        self.failures = 0

    def start(self) -> None:
        """Begin to write every FLUSH_S."""
        self._kept_in.start()
        self._loop.start(FLUSH_S, now=False).addErrback(self._broken)

    async def stop(self) -> None:
        """Write what waits, and close."""
        if self._loop.running:
            self._loop.stop()
        await self.flush()
        await self._kept_in.stop()

    def used(self, more: Mapping[str, Usage]) -> None:
        """Count what accounts have used; it belongs to the day of now, UTC."""
        day = day_of(self._wall_time())
        for account, usage in more.items():
            key = (day, account)
            if key in self._waiting or len(self._waiting) < MAX_WAITING:
                self._waiting[key] = self._waiting.get(key, NOTHING) + usage

    def reported(self, member: str, number: int, more: Mapping[str, Usage]) -> None:
        """Count a report of another process; one that was sent again counts once."""
        if self._reports.get(member, 0) < number:
            self._reports[member] = number
            self.used(more)

    def forget(self, member: str) -> None:
        """Forget the number of the last report of a member that has ended."""
        self._reports.pop(member, None)

    async def flush(self) -> None:
        """Write what waits. If that fails, it waits on."""
        self.used(self._take())
        async with self._lock:
            oldest = day_of(self._wall_time() - (KEPT_DAYS - 1) * DAY_S)
            try:
                while rows := self._write or self._next_rows():
                    await self._kept_in.add(self._number, rows, oldest)
                    self._written()
            except UsageError as error:
                self._failed(error)

    def _next_rows(self) -> tuple[UsageRow, ...]:
        keys = list(islice(self._waiting, ROWS_PER_WRITE))
        self._write = tuple(UsageRow(*key, self._waiting.pop(key)) for key in keys)
        self._number += 1
        return self._write

    async def read(self, question: UsageQuestion) -> UsagePage:
        """Return a page of rows with all that was counted so far; raises UsageError."""
        await self.flush()
        return await self._kept_in.read(question)

    def _written(self) -> None:
        self._write = ()
        if self._is_failing:
            self._log.info("usage is written again", event="usage_written")
        self._is_failing = False

    def _failed(self, error: UsageError) -> None:
        self.failures += 1
        if not self._is_failing:
            level = LogLevel.warn if isinstance(error, UsageAwayError) else LogLevel.error
            self._log.emit(
                level,
                "usage is not written: {why}; it waits in memory, tunnels are not affected",
                event="usage_not_written",
                error=ErrorCode.USAGE_NOT_WRITTEN.value,
                why=str(error),
            )
        self._is_failing = True

    def _flush_soon(self) -> None:
        Deferred.fromCoroutine(self.flush()).addErrback(self._broken)

    def _broken(self, failure: Failure) -> None:
        self._log.failure(
            "usage cannot be written", failure=failure, error=ErrorCode.INTERNAL_ERROR.value
        )


def day_of(seconds: float) -> str:
    """Return the day in UTC as YYYY-MM-DD; `seconds` since 1970."""
    return time.strftime("%Y-%m-%d", time.gmtime(seconds))
