"""What each account has open over all its tunnels, and how fast it opens more.

Only accounts whose token was right get here, so there are no more of them than the operator knows.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from typing import Final
from typing import Protocol as Interface

from twisted.internet.interfaces import IReactorTime

from tessel_proxy.config import Config
from tessel_proxy.descriptors import PLENTY, Shares
from tessel_proxy.record import Outcome

BURST_S: Final = 10
"""How many seconds' worth of opens may come at once: a program's start, a page with its parts."""

SWEEP_AT: Final = 1024
"""Accounts that are remembered before those that have nothing open are looked for."""


class Bucket:
    """Fills with time and is emptied by use. Its clock is whoever asks."""

    def __init__(self, rate: float, size: float, now: float) -> None:
        self._rate = rate
        self._size = size
        self._level = size
        self._at = now

    def take(self, amount: float, now: float) -> bool:
        """Take so much, if it is there."""
        self._fill(now)
        if self._level < amount:
            return False
        self._level -= amount
        return True

    def is_full(self, now: float) -> bool:
        self._fill(now)
        return self._level >= self._size

    def _fill(self, now: float) -> None:
        self._level = min(self._size, self._level + self._rate * max(0.0, now - self._at))
        self._at = now


class Lingering(Interface):
    """A target whose substream is over: it may still have to take what it was sent."""

    @property
    def unsent_octets(self) -> int: ...
    def when_gone(self, call: Callable[[], None]) -> None: ...
    def abort(self) -> None: ...


class Tally:
    """One account's."""

    def __init__(self, limits: Limits, opens: Bucket) -> None:
        self._limits = limits
        self.opens = opens
        self.tunnels = 0
        self.substreams = 0
        self._lingering: set[Lingering] = set()

    def open_substream(self) -> Outcome | None:
        """Count one more; or why there may not be one."""
        refused = self._limits.refusal_of_substream(self)
        if refused is None:
            self.substreams += 1
            self._limits.substreams += 1
        return refused

    def close_substream(self, target: Lingering | None) -> None:
        """It is over. It counts until its target's socket, if it has one, is closed as well."""
        if target is None:
            self._count_no_more()
            return
        self._lingering.add(target)
        target.when_gone(partial(self._gone, target))

    def _gone(self, target: Lingering) -> None:
        self._lingering.discard(target)
        self._count_no_more()

    def _count_no_more(self) -> None:
        self.substreams -= 1
        self._limits.substreams -= 1

    @property
    def held_octets(self) -> int:
        """What waits for targets whose substreams are over; no tunnel answers for it."""
        return sum(each.unsent_octets for each in self._lingering)

    def end_for_memory(self) -> None:
        """Give back what is held."""
        for target in list(self._lingering):
            target.abort()


class Limits:
    """All accounts', and what there is room for in all."""

    def __init__(self, config: Config, clock: IReactorTime, descriptors: int = PLENTY) -> None:
        self._config = config
        self._clock = clock
        self.shares = Shares.of(descriptors, config.max_tunnels)
        self.substreams = 0
        self._tallies: dict[str, Tally] = {}
        self._sweep_at = SWEEP_AT

    def open_tunnel(self, account: str) -> Tally | None:
        """Count one more tunnel of that account; None if it has as many as it may."""
        tally = self._tallies.get(account) or self._new(account)
        if tally.tunnels >= self._config.max_tunnels_per_account:
            return None
        tally.tunnels += 1
        return tally

    @property
    def tallies(self) -> Collection[Tally]:
        return self._tallies.values()

    def _new(self, account: str) -> Tally:
        if len(self._tallies) >= self._sweep_at:
            self._sweep()
        rate = self._config.opens_per_s
        opens = Bucket(rate, rate * BURST_S, self._clock.seconds())
        tally = self._tallies[account] = Tally(self, opens)
        return tally

    def _sweep(self) -> None:
        """Forget whom forgetting does not give anything: not who has spent all it may open."""
        now = self._clock.seconds()
        self._tallies = {
            account: tally
            for account, tally in self._tallies.items()
            if tally.tunnels or tally.substreams or not tally.opens.is_full(now)
        }
        self._sweep_at = max(SWEEP_AT, 2 * len(self._tallies))

    def refusal_of_substream(self, tally: Tally) -> Outcome | None:
        if tally.substreams >= self._config.max_substreams_per_account:
            return Outcome.TOO_MANY_SUBSTREAMS_OF_ACCOUNT
        if self.substreams >= self.shares.substreams:
            return Outcome.TOO_MANY_SUBSTREAMS_IN_ALL
        if not tally.opens.take(1, self._clock.seconds()):
            return Outcome.OPENS_TOO_FAST
        return None
