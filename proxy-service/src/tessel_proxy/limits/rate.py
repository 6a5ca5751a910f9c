"""Limit the bytes per second of an account in one direction: substreams above the rate wait.

    moved --> bucket: in debt? --> paused, at the end of the queue --> a turn --> moves its share

No data is dropped or split. A share is the data that comes at once; if it is more than the bucket
holds, the bucket is in debt until enough time has passed. The rate therefore holds on average.
"""

from __future__ import annotations

from math import inf
from typing import Final, Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from streamplex.tx.flow import MAX_STALL_S
from tessel_proxy.limits.bucket import Bucket

SHARE_BYTES: Final = 64 * 1024
"""Bytes that a turn is expected to move: a full frame, or one read of Twisted."""

TURN_S: Final = 0.05
"""Shortest pause between turns, in seconds: turns must not take all of the processor."""

PATIENCE_S: Final = MAX_STALL_S / 2
"""Seconds after which a device's substream gets a turn, whatever the debt. Its data is held, held
data stops the reading of the tunnel, and after twice this time the tunnel would close the substream
as stalled. Only a large number of substreams can exceed the rate this way."""


class Paced(Protocol):
    """One direction of a substream, which a RateLimit can pause.

    `pause_for_rate` stops its data; `end_rate_pause` lets it move its held data at once and
    continue.
    """

    def pause_for_rate(self) -> None: ...
    def end_rate_pause(self) -> None: ...


class RateLimit:
    """Limits the bytes per second of one account in one direction, over all its substreams."""

    def __init__(
        self,
        bytes_per_s: int,
        clock: IReactorTime,
        patience_s: float = inf,
        bucket: type[Bucket] = Bucket,
    ) -> None:
        """`bytes_per_s`: the rate; 0: no limit. The bytes of one second may come at once."""
        size = max(bytes_per_s, SHARE_BYTES)
        self.bucket = self._bucket = bucket(bytes_per_s, size, clock.seconds())
        self._rate: float = bytes_per_s
        self._clock = clock
        self._patience_s = patience_s
        self._waiting: dict[Paced, float] = {}  # in their order, with when they came
        self._turn_due: IDelayedCall | None = None

    def change(self, bytes_per_s: float, at_once: float) -> None:
        """Change the rate, which is not 0, and the bytes that may come at once.

        Those that wait get their turns at the new rate.
        """
        self._rate = bytes_per_s
        now = self._clock.seconds()
        self._bucket.resize(bytes_per_s, max(at_once, SHARE_BYTES), now)
        if self._turn_due is not None:
            self._turn_due.reset(self._time_to_turn(now))

    @property
    def waiting(self) -> int:
        """Number of substreams that are paused."""
        return len(self._waiting)

    @property
    def is_owed(self) -> bool:
        """Whether the bucket is not full: the account has moved bytes recently."""
        return bool(self._rate) and not self._bucket.is_full(self._clock.seconds())

    def moved(self, nbytes: int, pauses: Paced) -> None:
        """Called when a substream has moved `nbytes`: counts these bytes.

        Pauses the substream if the bucket is in debt now.
        """
        if self._rate:
            self._bucket.spend(nbytes, self._clock.seconds())
            self.admit(pauses)

    def admit(self, pauses: Paced) -> None:
        """Pause a substream that is about to move bytes, if the bucket is in debt.

        The substream gets its turn after those that wait already.
        """
        now = self._clock.seconds()
        if self._rate and self._bucket.level(now) < 0:
            self._waiting.setdefault(pauses, now)
            pauses.pause_for_rate()
            self._look_later(now)

    def leave(self, pauses: Paced) -> None:
        """Called when a substream has ended: removes it from the queue of paused ones."""
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
        finally:  # the others must not wait for ever if one raises
            if self._waiting:
                self._look_later(now)

    def _give_turns(self, now: float) -> None:
        room = self._bucket.level(now)
        for pauses, since in list(self._waiting.items()):
            if room < 0 and now - since < self._patience_s:
                break
            if self._waiting.pop(pauses, None) is None:
                continue  # the turn of one before it ended this substream
            pauses.end_rate_pause()  # its held data moves inside this call, and it may wait again
            room = min(room - SHARE_BYTES, self._bucket.level(now))
