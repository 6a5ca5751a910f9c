"""An upgrade: new workers on the same sockets, and then the end of the former ones."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from twisted.logger import Logger

from tessel_proxy.fleet.supervisor import Supervisor
from tessel_proxy.fleet.workers import WorkerEndedError, WorkerProcess, WorkerState
from tessel_proxy.records.error_codes import ErrorCode

START_S: Final = 60.0
"""Seconds in which a new worker must serve, or the upgrade has failed. It needs one or two; a slow
machine under full load many more."""

STOPPING: Final = "the proxy is stopping"


class Upgrade:
    """Starts workers of the installed code on all seats, and lets the former ones drain.

    If one of the new workers does not serve, all new ones end, and the former ones stay.
    """

    _log = Logger()

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
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
        if self._supervisor.stopping:
            self._log.info("upgrade given up: the proxy is stopping", event="upgrade_given_up")
        elif why is not None:
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
            return STOPPING
        return None if self._supervisor.has_started else "the proxy is still starting"

    async def _try(self) -> str | None:
        self._log.info("upgrade: starting new workers", event="upgrading")
        candidates: list[WorkerProcess] = []
        try:
            for seat in self._supervisor.seats:
                candidate = self._supervisor.new_worker(seat, START_S)
                candidates.append(candidate)
                self._supervisor.watch(candidate)
        except OSError as error:
            self._give_up(candidates)
            return f"a worker cannot be started: {error}"
        faults = [why for each in candidates if (why := await self._served(each)) is not None]
        faults += [
            f"worker {each.seat.number} died"
            for each in candidates
            if each.state is WorkerState.ENDED and not faults
        ]
        if self._supervisor.stopping:  # all workers have their signal
            return STOPPING
        if faults:
            self._give_up(candidates)
            return "; ".join(faults)
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

    def _give_up(self, candidates: Iterable[WorkerProcess]) -> None:
        for each in candidates:
            each.ready.addErrback(lambda _ended: None)
            if each.state is not WorkerState.ENDED:
                each.retire()
