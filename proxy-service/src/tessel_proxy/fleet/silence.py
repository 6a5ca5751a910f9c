"""Workers that do not answer: how long that may last, how it is reported, how it ends.

Silence is counted in looks of the supervisor and not by a clock. A supervisor that was itself
stopped, or had no processor, has not looked meanwhile, and blames nobody: the answers that wait for
it are read before its next look.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final
from typing import Protocol as Interface

from twisted.logger import Logger

from tessel_proxy.fleet.place import Seat
from tessel_proxy.records.error_codes import ErrorCode

LOOK_S: Final = 1.0
"""Seconds between two looks at each worker: its metrics are that old at most."""

HUNG_S: Final = 3.0
"""Seconds without an answer after which a worker is not expected to act on SIGTERM: it has missed
three looks."""

START_S: Final = 300.0
"""Seconds in which a worker must serve that replaces another one, or is one of the first. It needs
one or two; a hundred workers on one slow core some minutes."""


@dataclass(frozen=True, slots=True)
class Patience:
    """For how many seconds a worker may be silent.

    `start_s`: one that starts, until it serves. `answer_s`: one that serves or drains, until it has
    answered a look. `drain_s`: one whose connection broke, which drains and ends by itself.
    """

    answer_s: float
    drain_s: float
    start_s: float = START_S


class Stage(IntEnum):
    """The stages in which a worker that does not answer is reported and killed, in their order."""

    ANSWERS = 0
    REPORTED = 1
    TRACED = 2  # it was asked to write down where it is
    KILLED = 3


class Silent(Interface):
    """The part of WorkerProcess that is needed to watch a worker."""

    stage: Stage

    @property
    def member(self) -> str: ...
    @property
    def seat(self) -> Seat: ...
    @property
    def pid(self) -> int | None: ...
    @property
    def silent_s(self) -> float: ...
    @property
    def limit_s(self) -> float: ...
    def trace(self) -> None: ...
    def kill(self, why: str) -> None: ...


def stage_of(silent_s: float, limit_s: float) -> Stage:
    """Return the stage of a worker that was silent for so long and may be for `limit_s`."""
    if silent_s >= limit_s:
        return Stage.KILLED
    if silent_s >= limit_s - LOOK_S:
        return Stage.TRACED
    return Stage.REPORTED if silent_s >= limit_s / 2 else Stage.ANSWERS


@dataclass(slots=True)
class SilenceWatch:
    """Reports each worker that does not answer, and kills it at the end of its time."""

    _log = Logger()

    killed_total: int = 0

    def look(self, workers: Iterable[Silent]) -> None:
        """Do what is due; called after each look at the workers."""
        for each in workers:
            stage = stage_of(each.silent_s, each.limit_s)
            if stage is not each.stage and each.stage is not Stage.KILLED:
                self._passed(each, each.stage, stage)
                each.stage = stage

    def _passed(self, worker: Silent, former: Stage, stage: Stage) -> None:
        match stage:
            case Stage.ANSWERS:
                self._answers_again(worker)
            case Stage.REPORTED:
                if former is Stage.ANSWERS:
                    self._report(worker)
            case Stage.TRACED:
                worker.trace()
            case Stage.KILLED:
                self.killed_total += 1
                worker.kill(f"killed, because it had not answered for {worker.silent_s:.0f} s")

    def _report(self, worker: Silent) -> None:
        self._log.error(
            "worker {worker} (process {pid}) has not answered for {silent:g} s; it is killed if it "
            "does not within {limit:g} s",
            event="worker_hangs",
            worker=worker.seat.number,
            pid=worker.pid,
            silent=round(worker.silent_s),
            limit=worker.limit_s,
            error=ErrorCode.WORKER_HANGS.value,
        )

    def _answers_again(self, worker: Silent) -> None:
        self._log.info(
            "worker {worker} (process {pid}) answers again",
            event="worker_answers_again",
            worker=worker.seat.number,
            pid=worker.pid,
        )
