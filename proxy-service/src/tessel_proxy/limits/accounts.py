"""Limits of each account over all its tunnels: open substreams, rate of opens, bytes.

Only accounts with a valid token are counted here, so the operator knows their number.
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
"""Opens that may come at once, as seconds of the allowed rate. Programs open several connections
when they start, and for a web page."""

SWEEP_AT: Final = 1024
"""Number of remembered accounts at which those with nothing open are removed."""


class Lingering(Interface):
    """A target whose substream has ended. It may still have bytes to accept."""

    @property
    def unsent_bytes(self) -> int: ...
    def when_gone(self, call: Callable[[], None]) -> None: ...
    def abort(self) -> None: ...


class AccountUsage:
    """Counts the open tunnels and substreams of one account, with its rate limits and quota."""

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
        """Count one more substream. If a limit is reached, return it and count nothing."""
        refused = self._limits.refusal_of_substream(self)
        if refused is None:
            self.substreams += 1
            self._limits.substreams += 1
        return refused

    def close_substream(self, target: Lingering | None) -> None:
        """A substream has ended. It counts until the connection to its target is closed, too."""
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
        """Whether the account gains nothing if it is forgotten: nothing is open or used up."""
        busy = self.tunnels or self.substreams
        owed = self.to_targets.is_owed or self.to_devices.is_owed or self.quota.is_running
        return not busy and not owed and self.opens.is_full(now)

    @property
    def held_bytes(self) -> int:
        """Bytes that wait for targets whose substreams have ended. No tunnel counts them."""
        return sum(each.unsent_bytes for each in self._lingering)

    def end_for_memory(self) -> None:
        """Reset the targets whose substreams have ended, to free memory."""
        for target in list(self._lingering):
            target.abort()


class AccountLimits:
    """The limits of all accounts, and those of the proxy as a whole."""

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
        """Count one more tunnel of that account. None: the account has too many already."""
        tally = self._tallies.get(account) or self._new(account)
        if tally.tunnels >= self._config.max_tunnels_per_account:
            return None
        tally.tunnels += 1
        return tally

    @property
    def waiting_for_rate(self) -> int:
        """Directions of substreams that are paused by a rate limit."""
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
