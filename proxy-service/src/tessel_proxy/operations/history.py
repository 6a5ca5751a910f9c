"""The last hour in steps: bytes, openings and refusals, in all and by account."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from tessel_proxy.operations.happenings import Happenings
from tessel_proxy.operations.usage import NOTHING, Usage, UsageMeter
from tessel_proxy.records.error_codes import ErrorCode
from tessel_service_kit.clocks import WallTime

STEP_S: Final = 10
STEPS: Final = 360
"""An hour."""

MAX_ACCOUNTS: Final = 20
"""Accounts that are shown: those that have moved the most bytes in the hour."""

MAX_ACCOUNTS_PER_STEP: Final = 200
"""Accounts that are kept of one step, the busiest ones: 72,000 numbers for the hour at most."""


class History:
    """Keeps the usage of the last hour in steps of STEP_S. Nothing else reads its `meter`."""

    _log = Logger()

    def __init__(
        self, meter: UsageMeter, happenings: Happenings, clock: IReactorTime, wall_time: WallTime
    ) -> None:
        self._meter = meter
        self._happenings = happenings
        self._wall_time = wall_time
        self._refusals: Counter[str] = Counter()
        self._steps: deque[tuple[Mapping[str, Usage], Mapping[str, int], Usage]] = deque(
            maxlen=STEPS
        )
        self._loop = LoopingCall(self.step)
        self._loop.clock = clock
        self._running: Deferred[LoopingCall] | None = None

    def start(self) -> None:
        """Begin to take steps."""
        self._running = self._loop.start(STEP_S, now=False)
        self._running.addErrback(
            lambda why: self._log.failure(
                "the last hour is not kept any more",
                failure=why,
                error=ErrorCode.INTERNAL_ERROR.value,
            )
        )

    def stop(self) -> None:
        """Stop taking steps."""
        if self._loop.running:
            self._loop.stop()

    def step(self) -> None:
        """Keep what has happened since the step before."""
        used = self._meter.take()
        total = sum(used.values(), NOTHING)
        refused = self._happenings.refusals - self._refusals
        self._refusals = self._happenings.refusals.copy()
        busiest = dict(
            sorted(used.items(), key=lambda item: _bytes(item[1]), reverse=True)[
                :MAX_ACCOUNTS_PER_STEP
            ]
        )
        self._steps.append((busiest, refused, total))

    def shown(self) -> dict[str, Any]:
        """Return the hour; steps before the process started are 0."""
        sums: Counter[str] = Counter()
        for used, _refused, _total in self._steps:
            for account, usage in used.items():
                sums[account] += _bytes(usage)
        names = [name for name, _bytes_moved in sums.most_common(MAX_ACCOUNTS)]
        totals = [total for _used, _refused, total in self._steps]
        codes = sorted({code for _used, refused, _total in self._steps for code in refused})
        refusals = {
            code: _padded([refused.get(code, 0) for _used, refused, _total in self._steps])
            for code in codes
        }
        return {
            "step_s": STEP_S,
            "from_at": self._wall_time() - STEPS * STEP_S,
            "all": _series(totals) | {"refusals": refusals},
            "accounts": {
                name: _series([used.get(name, NOTHING) for used, _refused, _total in self._steps])
                for name in names
            },
        }


def _bytes(usage: Usage) -> int:
    return usage.bytes_from_device + usage.bytes_from_target


def _series(steps: list[Usage]) -> dict[str, Any]:
    return {
        "bytes_from_device": _padded([each.bytes_from_device for each in steps]),
        "bytes_from_target": _padded([each.bytes_from_target for each in steps]),
        "opens": _padded([each.opens for each in steps]),
    }


def _padded(values: list[int]) -> list[int]:
    return [0] * (STEPS - len(values)) + values
