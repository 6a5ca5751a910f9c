"""A worker's reports of usage to its supervisor, which writes it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from tessel_proxy.fleet.engine import EngineError
from tessel_proxy.operations import Usage
from tessel_proxy.operations.usage_keeping import FLUSH_S
from tessel_proxy.records.error_codes import ErrorCode

Report: TypeAlias = Callable[[int, Mapping[str, Usage]], Awaitable[None]]
"""Sends a report and its number; fails with EngineError."""


class UsageReports:
    """Reports what accounts have used, every FLUSH_S and at the end.

    A report without an answer is sent again with its number, so that it counts once.
    """

    _log = Logger()

    def __init__(
        self, take: Callable[[], Mapping[str, Usage]], report: Report, clock: IReactorTime
    ) -> None:
        """`take` returns what was used since its last call."""
        self._take = take
        self._report = report
        self._number = 0
        self._unanswered: Mapping[str, Usage] = {}
        self._lock = DeferredLock()
        self._loop = LoopingCall(self._send_soon)
        self._loop.clock = clock

    def start(self) -> None:
        """Begin to report."""
        self._loop.start(FLUSH_S, now=False).addErrback(self._broken)

    async def stop(self) -> None:
        """Send the last report."""
        if self._loop.running:
            self._loop.stop()
        await self.send()
        await self.send()  # what came while the one before had no answer

    async def send(self) -> None:
        """Send a report, unless nothing was used. Without an answer, the next call repeats it."""
        async with self._lock:
            if not self._unanswered:
                self._number += 1
                self._unanswered = self._take()
            if not self._unanswered:
                return
            try:
                await self._report(self._number, self._unanswered)
            except EngineError:
                return  # the supervisor is busy, or has ended
            self._unanswered = {}

    def _send_soon(self) -> None:
        Deferred.fromCoroutine(self.send()).addErrback(self._broken)

    def _broken(self, failure: Failure) -> None:
        self._log.failure(
            "usage cannot be reported", failure=failure, error=ErrorCode.INTERNAL_ERROR.value
        )
