"""The bytes of an account's day, when several processes serve it: taken in slices, in advance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from tessel_proxy.fleet.engine import EngineError, Slice

SLICE_PART: Final = 0.01
SLICE_BYTES: Final = 64 * 1024 * 1024
"""A slice of a day's bytes is this part of the limit, at most SLICE_BYTES. A member that dies loses
the rest of its slice for the account; smaller slices would need more calls."""

RETRY_S: Final = 1.0
"""Seconds until the engine is asked again after it did not answer."""

SETTLE_S: Final = 5.0
"""Seconds until a debt is reported again after the engine did not answer. So the bytes of a day
are right within 15 s after an outage, also those of an account that moves none any more; and 4,096
accounts with a debt cost less than a thousand calls a second."""

USED_UP_S: Final = 10.0
"""Seconds until the engine is asked again after the day's bytes were used up: a member that stops
gives back its rest. One call in this time costs the engine little, also for each account."""

Take = Callable[[int], Deferred[Slice]]
"""Takes up to a number of bytes of the account's day."""


class SlicedQuota:
    """Counts the bytes of one account on this process against slices of its day.

    A byte never waits: the next slice is asked for when half of this one is left. Until it comes,
    bytes are counted as a debt, which the next slices pay. The debt is one slice at most; while the
    engine has not answered, more is allowed until this process has moved its even part of the day.
    """

    def __init__(
        self, bytes_per_day: int, take: Take, clock: IReactorTime, even: Callable[[], int]
    ) -> None:
        """`bytes_per_day` 0: no limit. `even` returns the even part of it for one process now."""
        self._limit = bytes_per_day
        self._slice = max(1, min(int(bytes_per_day * SLICE_PART), SLICE_BYTES))
        self._take = take
        self._clock = clock
        self._even = even
        self._moved = 0  # in this day
        self.left = 0  # of what was taken; less than 0: a debt
        self._until = -1.0  # the end of the account's day
        self._is_over = False  # the engine has no more bytes of this day
        self._asking: Deferred[Any] | None = None
        self._ask_at = 0.0
        self._settling: IDelayedCall | None = None

    def move(self, nbytes: int) -> bool:
        """Count `nbytes` and return True; if the day's bytes are used up, return False."""
        if not self._limit:
            return True
        if self.is_spent:
            return False
        self.left -= nbytes
        self._moved += nbytes
        if self.left < self._slice // 2:
            self._ask()
        return True

    @property
    def is_spent(self) -> bool:
        """Whether no byte may be moved now."""
        if not self._limit:
            return False
        self._end_day()
        if self._is_over:
            return self.left <= 0
        return self.left <= -self._slice and self._moved >= self._even()

    @property
    def is_running(self) -> bool:
        """Whether the account's day is under way here, as far as this process knows."""
        in_day = self._clock.seconds() < self._until
        return in_day or self._asking is not None or self.left < 0

    def _end_day(self) -> None:
        if self._until >= 0.0 and self._clock.seconds() >= self._until:
            self.left, self._moved, self._is_over, self._until = 0, 0, False, -1.0
        elif self.left <= (0 if self._is_over else -self._slice):
            self._ask()  # after an outage, or when the bytes were used up, nothing else would

    def _ask(self) -> None:
        if self._asking is not None or self._clock.seconds() < self._ask_at:
            return
        self._asking = self._take(self._slice - self.left)
        self._asking.addCallbacks(self._took, self._failed)

    def _took(self, part: Slice) -> None:
        self._asking = None
        self.left += part.nbytes
        self._until = self._clock.seconds() + part.ends_in_s
        self._is_over = part.nbytes == 0
        if self._is_over:
            self._ask_at = self._clock.seconds() + USED_UP_S
        elif self.left < 0:  # bytes were moved while the engine was asked
            self._ask()

    def _failed(self, failure: Failure) -> None:
        self._asking = None
        failure.trap(EngineError)
        self._ask_at = self._clock.seconds() + RETRY_S
        if self._settling is None:
            self._settling = self._clock.callLater(SETTLE_S, self._settle)

    def _settle(self) -> None:
        self._settling = None
        if self.left < 0:
            self._ask()
