"""How fast an account moves bytes one way: those of its substreams that are ahead wait their turn.

    moved --> bucket: in debt? --> paused, at the end of the queue --> a turn --> moves its share

Nothing is dropped or split: a share is what comes at once, and what is more than the bucket holds
is a debt that is paid by waiting. So the rate holds on average, with shares as its grain.
"""

from __future__ import annotations

from math import inf
from typing import Final, Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from streamplex.tx.flow import MAX_STALL_S
from tessel_proxy.limits.bucket import Bucket

SHARE_BYTES: Final = 64 * 1024
"""What a turn is reckoned with before it is known: a full frame, or what Twisted reads at once."""

TURN_S: Final = 0.05
"""Between turns, at least: the processor has something else to do as well."""

PATIENCE_S: Final = MAX_STALL_S / 2
"""A device's substream has its turn after so long, whatever the debt: what waits is held, what is
held stops the reading of its tunnel, and if nothing of it is taken for twice as long, the tunnel
takes one for stalled and ends it. Only a crowd exceeds the rate by that."""


class Paced(Protocol):
    """One direction of a substream, which a RateLimit can pause."""

    def pause_for_rate(self) -> None: ...
    def end_rate_pause(self) -> None: ...


class RateLimit:
    """One account's, one way."""

    def __init__(self, bytes_per_s: int, clock: IReactorTime, patience_s: float = inf) -> None:
        """`bytes_per_s` 0: no limit. A second's worth may come at once, and one share always."""
        size = max(bytes_per_s, SHARE_BYTES)
        self._bucket = Bucket(bytes_per_s, size, clock.seconds())
        self._rate = bytes_per_s
        self._clock = clock
        self._patience_s = patience_s
        self._waiting: dict[Paced, float] = {}  # in their order, with when they came
        self._turn_due: IDelayedCall | None = None

    @property
    def waiting(self) -> int:
        """Substreams that are paused."""
        return len(self._waiting)

    @property
    def is_owed(self) -> bool:
        """Is less than all there? Who has moved nothing for a while is not remembered for it."""
        return bool(self._rate) and not self._bucket.is_full(self._clock.seconds())

    def moved(self, nbytes: int, pauses: Paced) -> None:
        """Count them, and let whoever moved them wait if that was too much."""
        if self._rate:
            self._bucket.spend(nbytes, self._clock.seconds())
            self.admit(pauses)

    def admit(self, pauses: Paced) -> None:
        """Somebody wants to move something: it waits behind the others while there is a debt."""
        now = self._clock.seconds()
        if self._rate and self._bucket.level(now) < 0:
            self._waiting.setdefault(pauses, now)
            pauses.pause_for_rate()
            self._look_later(now)

    def leave(self, pauses: Paced) -> None:
        """It moves nothing any more."""
        self._waiting.pop(pauses, None)
        if not self._waiting and self._turn_due is not None:
            self._turn_due.cancel()
            self._turn_due = None

    def _look_later(self, now: float) -> None:
        if self._turn_due is None:
            self._turn_due = self._clock.callLater(self._time_to_turn(now), self._turn)

    def _time_to_turn(self, now: float) -> float:
        paid_s = -self._bucket.level(now) / self._rate
        first_came_at = next(iter(self._waiting.values()))
        return max(TURN_S, min(paid_s, first_came_at + self._patience_s - now))

    def _turn(self) -> None:
        self._turn_due = None
        now = self._clock.seconds()
        try:
            self._give_turns(now)
        finally:  # the others are not to wait for ever because of one that raised
            if self._waiting:
                self._look_later(now)

    def _give_turns(self, now: float) -> None:
        room = self._bucket.level(now)
        for pauses, since in list(self._waiting.items()):
            if room < 0 and now - since < self._patience_s:
                break
            if self._waiting.pop(pauses, None) is None:
                continue  # it left because of one before it
            pauses.end_rate_pause()  # what was held moves at once, and it may wait again
            room = min(room - SHARE_BYTES, self._bucket.level(now))
