"""The limits of accounts in one process: set from the totals of all, and its own demand on them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Final, cast

from twisted.internet.interfaces import IReactorTime

from tessel_proxy.fleet.engine import Demand, Totals
from tessel_proxy.fleet.shares import LowTotals, demand_of, even_part, number_part, rate_part
from tessel_proxy.limits.accounts import BURST_S, AccountUsage
from tessel_proxy.limits.bucket import CountingBucket
from tessel_proxy.limits.settings import LimitSettings

STALE_S: Final = 60.0
"""Seconds for which the last totals are used when the engine cannot be reached."""


@dataclass(slots=True)
class Standing:
    """The knowledge of a member about one account: totals, its own demand in them, and their time.

    `places` is what is left of the places that came with the totals; `lately` are the totals of
    substreams by which other members may still decide.
    """

    totals: Totals
    own: Demand
    at: float
    places: int
    lately: LowTotals

    def is_stale(self, now: float) -> bool:
        """Return whether the totals are too old to be used."""
        return now - self.at > STALE_S

    @property
    def tunnels_of_others(self) -> int:
        """The tunnels that the other members had."""
        return self.totals.demand.tunnels - self.own.tunnels


def with_tunnels(demand: Demand, tunnels: int) -> Demand:
    """Return the demand with another number of tunnels."""
    return Demand(tunnels, demand.substreams, demand.opens, demand.to_targets, demand.to_devices)


@dataclass(frozen=True, slots=True)
class AccountParts:
    """Sets what an account may do in this process, and measures what it wants.

    `members` in its methods is the number of processes that may serve the account.
    """

    config: LimitSettings
    clock: IReactorTime

    def begin(self, usage: AccountUsage, members: int) -> None:
        """Set even parts, until the first exchange."""
        self._set_rates(usage, Demand(), Totals(Demand(), members), members)
        usage.max_substreams = even_part(self.config.max_substreams_per_account, members)

    def set(self, usage: AccountUsage, known: Standing, members: int) -> None:
        """Set the limits of substreams and rates by the last totals."""
        own, totals = known.own, known.totals
        self._set_rates(usage, own, totals, members)
        usage.max_substreams = number_part(
            self.config.max_substreams_per_account,
            own.substreams,
            totals.demand.substreams,
            totals.holders,
            max(members, totals.holders),
            lately=known.lately.lowest,
        )

    def _set_rates(self, usage: AccountUsage, own: Demand, totals: Totals, members: int) -> None:
        """Set the rates. What may come at once is an even part at least.

        A process with little demand would else lose what it may use at once, and refuse the next
        program that starts.
        """
        config, all_of_it = self.config, totals.demand
        opens = rate_part(config.opens_per_s, own.opens, all_of_it.opens, totals.holders)
        at_once = max(opens, config.opens_per_s / members)
        usage.opens.resize(opens, at_once * BURST_S, self.clock.seconds())
        if config.bytes_per_s:
            part = partial(rate_part, config.bytes_per_s, holders=totals.holders)
            even = config.bytes_per_s / members
            for limit, mine, whole in (
                (usage.to_targets, own.to_targets, all_of_it.to_targets),
                (usage.to_devices, own.to_devices, all_of_it.to_devices),
            ):
                rate = part(mine, whole)
                limit.change(rate, max(rate, even))

    def demand(self, usage: AccountUsage, tunnels: int, passed_s: float) -> Demand:
        """Return the demand since the last call, `passed_s` ago, and begin to measure anew."""
        config = self.config
        return Demand(
            tunnels,
            usage.substreams,
            _used(usage.opens, passed_s, config.opens_per_s),
            _used(usage.to_targets.bucket, passed_s, config.bytes_per_s, usage.to_targets.waiting),
            _used(usage.to_devices.bucket, passed_s, config.bytes_per_s, usage.to_devices.waiting),
        )


def _used(bucket: object, passed_s: float, limit: float, waiting: int = 0) -> float:
    """Return the demand on a bucket since the last call, and begin to count anew."""
    counting = cast("CountingBucket", bucket)  # of an account that several processes serve
    taken, was_short = counting.taken, counting.was_short or waiting > 0
    counting.taken, counting.was_short = 0.0, False
    return demand_of(taken / passed_s, limit, was_short=was_short)
