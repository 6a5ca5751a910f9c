"""What each account has open over all its tunnels, and how fast it opens and moves more.

Only accounts whose token was right get here, so there are no more of them than the operator knows.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from typing import Final
from typing import Protocol as Interface

from twisted.internet.interfaces import IReactorTime

from tessel_proxy.limits.bucket import Bucket
from tessel_proxy.limits.descriptors import PLENTY, DescriptorShares
from tessel_proxy.limits.quota import DailyQuota
from tessel_proxy.limits.rate import PATIENCE_S, RateLimit
from tessel_proxy.limits.settings import LimitSettings
from tessel_proxy.records.ends import Outcome

BURST_S: Final = 10
"""How many seconds' worth of opens may come at once: a program's start, a page with its parts."""

SWEEP_AT: Final = 1024
"""Accounts that are remembered before those that have nothing open are looked for."""


class Lingering(Interface):
    """A target whose substream is over: it may still have to take what it was sent."""

    @property
    def unsent_bytes(self) -> int: ...
    def when_gone(self, call: Callable[[], None]) -> None: ...
    def abort(self) -> None: ...


class AccountUsage:
    """One account's."""

    def __init__(self, limits: AccountLimits, config: LimitSettings, clock: IReactorTime) -> None:
        self._limits = limits
        self.opens = Bucket(config.opens_per_s, config.opens_per_s * BURST_S, clock.seconds())
        self.to_targets = RateLimit(config.bytes_per_s, clock, PATIENCE_S)
        self.to_devices = RateLimit(config.bytes_per_s, clock)
        self.quota = DailyQuota(config.bytes_per_day, clock)
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

    def is_forgettable(self, now: float) -> bool:
        """Does forgetting it give the account nothing? Who has spent all it may open is known."""
        busy = self.tunnels or self.substreams
        owed = self.to_targets.is_owed or self.to_devices.is_owed or self.quota.is_running
        return not busy and not owed and self.opens.is_full(now)

    @property
    def held_bytes(self) -> int:
        """What waits for targets whose substreams are over; no tunnel answers for it."""
        return sum(each.unsent_bytes for each in self._lingering)

    def end_for_memory(self) -> None:
        """Give back what is held."""
        for target in list(self._lingering):
            target.abort()


class AccountLimits:
    """All accounts', and what there is room for in all."""

    def __init__(
        self, config: LimitSettings, clock: IReactorTime, descriptors: int = PLENTY
    ) -> None:
        self._config = config
        self._clock = clock
        self.shares = DescriptorShares.of(
            descriptors, config.max_tunnels, config.max_waiting_for_header
        )
        self.substreams = 0
        self._tallies: dict[str, AccountUsage] = {}
        self._sweep_at = SWEEP_AT

    def open_tunnel(self, account: str) -> AccountUsage | None:
        """Count one more tunnel of that account; None if it has as many as it may."""
        tally = self._tallies.get(account) or self._new(account)
        if tally.tunnels >= self._config.max_tunnels_per_account:
            return None
        tally.tunnels += 1
        return tally

    @property
    def waiting_for_rate(self) -> int:
        """Substreams that are paused for it, each way for one."""
        return sum(each.to_targets.waiting + each.to_devices.waiting for each in self.tallies)

    @property
    def tallies(self) -> Collection[AccountUsage]:
        return self._tallies.values()

    def _new(self, account: str) -> AccountUsage:
        if len(self._tallies) >= self._sweep_at:
            self._sweep()
        tally = self._tallies[account] = AccountUsage(self, self._config, self._clock)
        return tally

    def _sweep(self) -> None:
        now = self._clock.seconds()
        self._tallies = {
            account: tally
            for account, tally in self._tallies.items()
            if not tally.is_forgettable(now)
        }
        self._sweep_at = max(SWEEP_AT, 2 * len(self._tallies))

    def refusal_of_substream(self, tally: AccountUsage) -> Outcome | None:
        if tally.substreams >= self._config.max_substreams_per_account:
            return Outcome.TOO_MANY_SUBSTREAMS_OF_ACCOUNT
        if self.substreams >= self.shares.substreams:
            return Outcome.TOO_MANY_SUBSTREAMS_IN_ALL
        if tally.quota.is_spent:
            return Outcome.QUOTA_SPENT
        if not tally.opens.take(1, self._clock.seconds()):
            return Outcome.OPENS_TOO_FAST
        return None
