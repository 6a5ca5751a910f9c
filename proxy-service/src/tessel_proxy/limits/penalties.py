"""Delay checks of tokens from sources that send wrong tokens.

There are two penalties:

- A token that was wrong from a source is checked less and less often, so that a device with an old
  token does not load the token service.
- A source has an allowance of wrong tokens, which is refilled with time, against guessing. While it
  is used up, tokens that were right from this source before are still checked, so that one device
  does not lock out all others behind the same NAT. Tokens that are being checked count as wrong
  until there is a result, so that many guesses at once gain nothing.

Tokens are not stored here: callers pass keyed digests.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from enum import Enum, auto
from typing import Final, TypeAlias, TypeVar

FREE_FAILURES: Final = 3
"""Times that the same token may be wrong without a delay: its owner may be setting up a device."""

REFILL_S: Final = 600.0
"""Seconds in which a used-up allowance is refilled."""

MAX_ENTRIES: Final = 16_384
"""Entries of each memory: some MiB. The oldest are dropped."""

_Pair: TypeAlias = tuple[str, bytes]
_K = TypeVar("_K")
_V = TypeVar("_V")


class Penalty(Enum):
    """The reason why a token is not checked now."""

    OF_TOKEN = auto()  # it was wrong several times from this source
    OF_SOURCE = auto()  # too many other tokens from this source were wrong


class PenaltyError(Exception):
    """A token was not checked because of a penalty, which is in `penalty`."""

    def __init__(self, penalty: Penalty) -> None:
        super().__init__(penalty.name)
        self.penalty = penalty


class Penalties:
    """Keeps the wrong tokens of each source, and decides which tokens are not checked now.

    `source` is the address or network of a device, `digest` the keyed digest of a token, and `now`
    the time in seconds.
    """

    def __init__(self, allowance: int, longest_s: float) -> None:
        """`allowance`: wrong tokens of a source. `longest_s`: longest delay; 0: no penalties."""
        self._allowance = allowance
        self._longest_s = longest_s
        self._wrong: OrderedDict[_Pair, tuple[int, float]] = OrderedDict()  # how often, last when
        self._spent: OrderedDict[str, tuple[float, float]] = OrderedDict()  # how much, when
        self._right: OrderedDict[_Pair, None] = OrderedDict()
        # By source. Unauthenticated tunnels are limited, and so are these.
        self._under_way: dict[str, Counter[bytes]] = {}

    def begin(self, source: str, digest: bytes, now: float) -> Penalty | None:
        """Return the penalty for this token now; None: the check of the token may begin.

        With None, the token counts as being checked until the caller calls `end`.
        """
        penalty = self.of(source, digest, now)
        if penalty is None:
            self._under_way.setdefault(source, Counter())[digest] += 1
        return penalty

    def end(self, source: str, digest: bytes) -> None:
        """Called when the check of a token has ended: the token no longer counts as being checked.

        The caller reports the result separately, with `was_right` or `was_wrong`.
        """
        under_way = self._under_way[source]
        under_way[digest] -= 1
        if not under_way[digest]:
            del under_way[digest]
        if not under_way:
            del self._under_way[source]

    def of(self, source: str, digest: bytes, now: float) -> Penalty | None:
        """Return the penalty for this token now, or None if the token may be checked."""
        if not self._longest_s:
            return None
        pair = (source, digest)
        if now < self._waits_until(pair):
            return Penalty.OF_TOKEN
        if pair not in self._right and self._claimed_by(source, now, digest) > self._allowance:
            return Penalty.OF_SOURCE
        return None

    def was_right(self, source: str, digest: bytes) -> None:
        """Called when a token was accepted: ends the backoff of this token.

        While it is remembered as right, a used-up allowance of the source does not delay it.
        """
        pair = (source, digest)
        self._wrong.pop(pair, None)
        _remember(self._right, pair, None)

    def was_wrong(self, source: str, digest: bytes, now: float) -> bool:
        """Called when a token was refused: lengthens the backoff of this token.

        Uses up some of the source's allowance and returns True, unless the same token was refused
        before.
        """
        pair = (source, digest)
        self._right.pop(pair, None)
        times, last = self._wrong.get(pair, (0, now))
        if now - last > REFILL_S:
            times = 0
        if not times:  # the same token again is not a guess
            _remember(self._spent, source, (self._spent_by(source, now) + 1, now))
        _remember(self._wrong, pair, (times + 1, now))
        return not times

    def heard(self, source: str, spent: float, now: float) -> None:
        """Note how much of the source's allowance is used up, counted over several processes."""
        if spent > self._spent_by(source, now):
            _remember(self._spent, source, (spent, now))

    @property
    def allowance(self) -> int:
        """The wrong tokens that a source may send."""
        return self._allowance

    def forget_wrong(self) -> None:
        """End the backoff of all wrong tokens.

        Called when the operator has changed the accounts, so that these tokens may be right now.
        The used-up allowances of sources stay.
        """
        self._wrong.clear()

    def _waits_until(self, pair: _Pair) -> float:
        times, last = self._wrong.get(pair, (0, 0.0))
        if times < FREE_FAILURES:
            return 0.0
        doublings = min(times - FREE_FAILURES, 32)  # far above any longest time
        return last + min(2.0**doublings, self._longest_s)

    def _claimed_by(self, source: str, now: float, digest: bytes) -> float:
        """The used allowance if this token and all that are being checked turn out wrong."""
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
