"""An upgrade: new workers on the same sockets, and then the end of the former ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from tessel_proxy.fleet.supervisor import Supervisor
from tessel_proxy.fleet.workers import (
    IWorkerReactor,
    WorkerEndedError,
    WorkerProcess,
    WorkerState,
)
from tessel_proxy.records.error_codes import ErrorCode

START_S: Final = 60.0
"""Seconds in which a new worker must serve, or the upgrade has failed. It needs one or two; a slow
machine under full load many more."""


class Upgrade:
    """Starts workers of the installed code on all seats, and lets the former ones drain.

    If one of the new workers does not serve, all new ones end, and the former ones stay.
    """

    _log = Logger()

    def __init__(self, supervisor: Supervisor, reactor: IWorkerReactor) -> None:
        self._supervisor = supervisor
        self._reactor = reactor
        self._running = False

    async def run(self) -> str | None:
        """Upgrade; return None when the new workers serve, or why the former ones stay."""
        if why := self._refusal():
            return why
        self._running = True
        try:
            why = await self._try()
        finally:
            self._running = False
        if why is not None:
            self._log.error(
                "upgrade failed, the former workers go on: {why}",
                event="upgrade_failed",
                why=why,
                error=ErrorCode.UPGRADE_FAILED.value,
            )
        return why

    def _refusal(self) -> str | None:
        if self._running:
            return "another upgrade is in progress"
        if self._supervisor.stopping:
            return "the proxy is stopping"
        return None if self._supervisor.has_started else "the proxy is still starting"

    async def _try(self) -> str | None:
        self._log.info("upgrade: starting new workers", event="upgrading")
        candidates: list[WorkerProcess] = []
        try:
            for seat in self._supervisor.seats:
                candidate = self._supervisor.new_worker(seat)
                candidates.append(candidate)
                self._supervisor.watch(candidate)
                self._limit_start(candidate)
        except OSError as error:
            self._give_up(candidates)
            return f"a worker cannot be started: {error}"
        faults = [why for each in candidates if (why := await self._served(each)) is not None]
        faults += [
            f"worker {each.seat.number} died"
            for each in candidates
            if each.state is WorkerState.ENDED and not faults
        ]
        if faults or self._supervisor.stopping:
            self._give_up(candidates)
            return "; ".join(faults) or "the proxy is stopping"
        self._supervisor.hand_over(candidates)
        self._log.info(
            "upgraded: {workers} new workers serve, the former ones drain",
            event="upgraded",
            workers=len(candidates),
        )
        return None

    async def _served(self, candidate: WorkerProcess) -> str | None:
        try:
            await candidate.ready
        except WorkerEndedError as error:
            return f"new worker {candidate.seat.number} ended before it served: {error}"
        return None

    def _limit_start(self, candidate: WorkerProcess) -> None:
        """End a new worker that does not serve in time; START_S counts for all at once."""
        late = self._reactor.callLater(START_S, candidate.signal, "KILL")
        candidate.ready.addBoth(_pass_after(late))

    def _give_up(self, candidates: Iterable[WorkerProcess]) -> None:
        for each in candidates:
            each.ready.addErrback(lambda _ended: None)
            if each.state is not WorkerState.ENDED:
                each.retire()


def _pass_after(late: IDelayedCall) -> Callable[[object], object]:
    def passed(result: object) -> object:
        if late.active():
            late.cancel()
        return result

    return passed
