"""Wrong tokens, by where they came from: who may ask about the next one, and when.

Two memories. A token that was wrong from a source is asked about less and less often: a device that
keeps sending an old one costs nobody anything but itself. And a source has an allowance of wrong
tokens, refilled with time, that bounds who tries one token after another; while it is spent, tokens
that were right from there before are still let through, so that a whole NAT does not pay for one.
Tokens that are being checked take their part of it beforehand: many at once gain nothing.

Nothing here is a token: callers bring keyed digests.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from enum import Enum, auto
from typing import Final, TypeAlias, TypeVar

FREE_FAILURES: Final = 3
"""So often the same token may be wrong before it has to wait: somebody is still setting up."""

REFILL_S: Final = 600.0
"""In which a source's spent allowance is whole again."""

MAX_ENTRIES: Final = 16_384
"""Of each memory: some MiB. The oldest go first; to push one out takes as many sources."""

_Pair: TypeAlias = tuple[str, bytes]
_K = TypeVar("_K")
_V = TypeVar("_V")


class Penalty(Enum):
    """Why a token is not asked about now."""

    OF_TOKEN = auto()  # it was wrong from there, several times
    OF_SOURCE = auto()  # too many others were


class PenaltyError(Exception):
    """A token was not asked about."""

    def __init__(self, penalty: Penalty) -> None:
        super().__init__(penalty.name)
        self.penalty = penalty


class Penalties:
    """Of one proxy. Its clock is whoever asks."""

    def __init__(self, allowance: int, longest_s: float) -> None:
        """`longest_s` 0: there are none."""
        self._allowance = allowance
        self._longest_s = longest_s
        self._wrong: OrderedDict[_Pair, tuple[int, float]] = OrderedDict()  # how often, last when
        self._spent: OrderedDict[str, tuple[float, float]] = OrderedDict()  # how much, when
        self._right: OrderedDict[_Pair, None] = OrderedDict()
        # By source; there are no more than there may be tunnels without a token.
        self._under_way: dict[str, Counter[bytes]] = {}

    def begin(self, source: str, digest: bytes, now: float) -> Penalty | None:
        """As `of`; if it may be asked about, that goes on until `end`."""
        penalty = self.of(source, digest, now)
        if penalty is None:
            self._under_way.setdefault(source, Counter())[digest] += 1
        return penalty

    def end(self, source: str, digest: bytes) -> None:
        """There is an answer, which is told besides, or none to be had."""
        under_way = self._under_way[source]
        under_way[digest] -= 1
        if not under_way[digest]:
            del under_way[digest]
        if not under_way:
            del self._under_way[source]

    def of(self, source: str, digest: bytes, now: float) -> Penalty | None:
        """May this token be asked about?"""
        if not self._longest_s:
            return None
        pair = (source, digest)
        if now < self._waits_until(pair):
            return Penalty.OF_TOKEN
        if pair not in self._right and self._claimed_by(source, now, digest) > self._allowance:
            return Penalty.OF_SOURCE
        return None

    def was_right(self, source: str, digest: bytes) -> None:
        pair = (source, digest)
        self._wrong.pop(pair, None)
        _remember(self._right, pair, None)

    def was_wrong(self, source: str, digest: bytes, now: float) -> None:
        pair = (source, digest)
        self._right.pop(pair, None)
        times, last = self._wrong.get(pair, (0, now))
        if now - last > REFILL_S:
            times = 0
        if not times:  # the same one again is no guess
            _remember(self._spent, source, (self._spent_by(source, now) + 1, now))
        _remember(self._wrong, pair, (times + 1, now))

    def forget_wrong(self) -> None:
        """Tokens that were wrong may be right now: the operator has changed who may come in.

        What guesses have cost an address stays.
        """
        self._wrong.clear()

    def _waits_until(self, pair: _Pair) -> float:
        times, last = self._wrong.get(pair, (0, 0.0))
        if times < FREE_FAILURES:
            return 0.0
        doublings = min(times - FREE_FAILURES, 32)  # far above any longest time
        return last + min(2.0**doublings, self._longest_s)

    def _claimed_by(self, source: str, now: float, digest: bytes) -> float:
        """What will be spent if this one is wrong, and all that are under way."""
        doubtful = {
            each for each in self._under_way.get(source, ()) if (source, each) not in self._right
        }
        return self._spent_by(source, now) + len(doubtful | {digest})

    def _spent_by(self, source: str, now: float) -> float:
        spent, at = self._spent.get(source, (0.0, now))
        refilled = (now - at) * self._allowance / REFILL_S
        return max(0.0, spent - max(0.0, refilled))


def _remember(memory: OrderedDict[_K, _V], key: _K, value: _V) -> None:
    memory[key] = value
    memory.move_to_end(key)
    if len(memory) > MAX_ENTRIES:
        memory.popitem(last=False)
