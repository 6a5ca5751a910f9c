"""Limits of each account over all its tunnels: open substreams, rate of opens, bytes.

Only accounts with a valid token are counted here, so the operator knows their number.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Final
from typing import Protocol as Interface

from twisted.internet.interfaces import IReactorTime

from tessel_proxy.limits.bucket import Bucket, CountingBucket
from tessel_proxy.limits.descriptors import PLENTY, DescriptorShares
from tessel_proxy.limits.quota import DailyQuota, Quota
from tessel_proxy.limits.rate import PATIENCE_S, RateLimit
from tessel_proxy.limits.settings import LimitSettings
from tessel_proxy.records.ends import Outcome

BURST_S: Final = 10
"""Opens that may come at once, as seconds of the allowed rate. Programs open several connections
when they start, and for a web page."""

SWEEP_AT: Final = 1024
"""Number of remembered accounts at which those with nothing open are removed."""


class Lingering(Interface):
    """A connection to a target that may be open after its substream has ended.

    `is_open` is True until it is closed. `unsent_bytes` are the bytes that the target has yet to
    accept; `when_gone` registers a function to call when the connection is closed; `abort` resets
    the connection.
    """

    is_open: bool

    @property
    def unsent_bytes(self) -> int: ...
    def when_gone(self, call: Callable[[], None]) -> None: ...
    def abort(self) -> None: ...


class AccountUsage:
    """Counts the open tunnels and substreams of one account; holds its rate limits and quota.

    `bucket` is CountingBucket, and `quota` another one, if several processes serve the account.
    """

    def __init__(
        self,
        limits: AccountLimits,
        config: LimitSettings,
        clock: IReactorTime,
        quota: Quota | None = None,
        bucket: type[Bucket] = Bucket,
    ) -> None:
        self._limits = limits
        self._clock = clock
        self.opens = bucket(config.opens_per_s, config.opens_per_s * BURST_S, clock.seconds())
        self.to_targets = RateLimit(config.bytes_per_s, clock, PATIENCE_S, bucket)
        self.to_devices = RateLimit(config.bytes_per_s, clock, bucket=bucket)
        self.quota: Quota = quota or DailyQuota(config.bytes_per_day, clock)
        self.counts_bytes = bool(config.bytes_per_s or config.bytes_per_day)
        """Whether a rate or a quota limits the account's bytes."""
        self.max_substreams = config.max_substreams_per_account
        self.tunnels = 0
        self.substreams = 0
        self._lingering: set[Lingering] = set()

    def open_substream(self) -> Outcome | None:
        """Count one more substream and return None.

        If a limit is reached, count nothing and return the outcome that names the limit.
        """
        limits = self._limits
        if self.substreams >= self.max_substreams:
            return Outcome.TOO_MANY_SUBSTREAMS_OF_ACCOUNT
        if limits.substreams >= limits.shares.substreams:
            return Outcome.TOO_MANY_SUBSTREAMS_IN_ALL
        if self.counts_bytes and self.quota.is_spent:
            return Outcome.QUOTA_SPENT
        if not self.opens.take(1, self._clock.seconds()):
            return Outcome.OPENS_TOO_FAST
        self.substreams += 1
        limits.substreams += 1
        return None

    def close_substream(self, target: Lingering | None) -> None:
        """Called when a substream has ended: stops counting it when `target` is closed, too.

        If there is no connection any more, the count is reduced at once.
        """
        if target is not None and target.is_open:
            self._lingering.add(target)
            target.when_gone(partial(self._gone, target))
            return
        self.substreams -= 1
        self._limits.substreams -= 1

    def _gone(self, target: Lingering) -> None:
        self._lingering.discard(target)
        self.substreams -= 1
        self._limits.substreams -= 1

    def is_forgettable(self, now: float) -> bool:
        """Return whether this object can be deleted without a gain for the account.

        True if nothing is open, and no rate limit or quota is partly used. `now`: seconds of the
        clock.
        """
        busy = self.tunnels or self.substreams
        owed = self.to_targets.is_owed or self.to_devices.is_owed or self.quota.is_running
        return not busy and not owed and self.opens.is_full(now)

    @property
    def held_bytes(self) -> int:
        """Bytes that wait to be sent to targets whose substreams have ended.

        They belong to no tunnel any more, so they are counted here.
        """
        return sum(each.unsent_bytes for each in self._lingering)

    def end_for_memory(self) -> None:
        """Reset the connections to targets whose substreams have ended, to free memory."""
        for target in list(self._lingering):
            target.abort()


class SharedAccounts(Interface):
    """What other processes that serve the same accounts leave to this one.

    `quota` returns the part of an account's day that this process may use; `begun` is called with
    an account and its new usage, to set the limits of this process; `tunnel_closed` is called when
    a tunnel of the account does not count any more.
    """

    def quota(self, account: str) -> Quota: ...
    def tunnel_closed(self, account: str) -> None: ...
    def begun(self, account: str, usage: AccountUsage) -> None: ...


class AccountLimits:
    """Holds the usage of all accounts, and the limits of each account and of the whole proxy."""

    def __init__(
        self, config: LimitSettings, clock: IReactorTime, descriptors: int = PLENTY
    ) -> None:
        self.shared: SharedAccounts | None = None  # set if several processes serve the accounts
        self._config = config
        self._clock = clock
        self.shares = DescriptorShares.of(
            descriptors, config.max_tunnels, config.max_waiting_for_header
        )
        self.substreams = 0
        self._tallies: dict[str, AccountUsage] = {}
        self._sweep_at = SWEEP_AT

    def open_tunnel(self, account: str) -> AccountUsage | None:
        """Count one more tunnel of `account`, and return the account's usage.

        None: the account has MAX_TUNNELS_PER_ACCOUNT tunnels already, and nothing is counted.
        """
        tally = self.usage(account)
        if tally.tunnels >= self._config.max_tunnels_per_account:
            return None
        tally.tunnels += 1
        return tally

    def close_tunnel(self, account: str, usage: AccountUsage) -> None:
        """Count one tunnel of `account` less; `usage` is what `open_tunnel` returned for it."""
        usage.tunnels -= 1
        if self.shared is not None:
            self.shared.tunnel_closed(account)

    def usage(self, account: str) -> AccountUsage:
        """Return the usage of an account, which begins now if there is none."""
        return self._tallies.get(account) or self._new(account)

    @property
    def by_account(self) -> Mapping[str, AccountUsage]:
        """The usage of each account that is remembered, by its name."""
        return self._tallies

    @property
    def waiting_for_rate(self) -> int:
        """Number of directions of substreams, over all accounts, that a rate limit pauses now."""
        return sum(each.to_targets.waiting + each.to_devices.waiting for each in self.tallies)

    @property
    def tallies(self) -> Collection[AccountUsage]:
        """The usage of each account that is remembered."""
        return self._tallies.values()

    def _new(self, account: str) -> AccountUsage:
        if len(self._tallies) >= self._sweep_at:
            self._sweep()
        if self.shared is None:
            tally = AccountUsage(self, self._config, self._clock)
        else:
            quota = self.shared.quota(account)
            tally = AccountUsage(self, self._config, self._clock, quota, CountingBucket)
            self.shared.begun(account, tally)
        self._tallies[account] = tally
        return tally

    def _sweep(self) -> None:
        now = self._clock.seconds()
        self._tallies = {
            account: tally
            for account, tally in self._tallies.items()
            if not tally.is_forgettable(now)
        }
        self._sweep_at = max(SWEEP_AT, 2 * len(self._tallies))
