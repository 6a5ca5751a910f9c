"""The knowledge of a process about its accounts: totals of all members, places for tunnels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from twisted.internet.interfaces import IReactorTime

from tessel_proxy.fleet.engine import Demand, Totals
from tessel_proxy.fleet.parts import AccountParts, Standing
from tessel_proxy.fleet.shares import LowTotals, even_part
from tessel_proxy.limits.accounts import AccountLimits, AccountUsage
from tessel_proxy.limits.settings import LimitSettings

NEAR_PART: Final = 0.75
"""An account is near its limit of tunnels from this part of it on."""


class Standings:
    """Holds the last totals of each account, and sets the limits of this process by them.

    `members`: the last known number of members.
    """

    def __init__(
        self, config: LimitSettings, clock: IReactorTime, limits: AccountLimits, members: int
    ) -> None:
        self.members = members
        self.parts = AccountParts(config, clock)
        self._config = config
        self._clock = clock
        self._limits = limits
        self._known: dict[str, Standing] = {}
        self._asked: Counter[str] = Counter()  # calls without an answer, by account

    def __contains__(self, account: str) -> bool:
        return account in self._known

    def __iter__(self) -> Iterator[str]:
        return iter([*self._known])

    @contextmanager
    def asking(self, accounts: Iterable[str]) -> Iterator[None]:
        """A block in which a call about these accounts waits for its answer.

        Their places are given up: the engine gives new ones with each answer. If another call is
        under way, it takes these back, so only the answer to the last one gives places.
        """
        asked = [*accounts]
        self._asked.update(asked)
        for account in asked:
            if (known := self._known.get(account)) is not None:
                known.places = 0
        try:
            yield
        finally:
            self._asked.subtract(asked)
            for account in asked:
                if not self._asked[account]:
                    del self._asked[account]

    def take_place(self, account: str) -> bool:
        """Return whether a tunnel may open on a place that the engine gave in advance."""
        known = self._known.get(account)
        if known is None or known.places <= 0:
            return False
        known.places -= 1
        return True

    def own(self, account: str) -> Demand:
        """Return what the last totals count for this process."""
        known = self._known.get(account)
        return Demand() if known is None else known.own

    def answered(self, account: str, totals: Totals, own: Demand) -> None:
        """Use the totals of an answer; called in the block of the call. `own`: the part in them."""
        if not own.tunnels and not own.substreams:
            self._known.pop(account, None)
            return
        places = totals.places if self._asked[account] == 1 else 0
        now, before = self._clock.seconds(), self._known.get(account)
        lately = LowTotals(now) if before is None else before.lately
        lately = lately.heard(totals.demand.substreams, now)
        known = self._known[account] = Standing(totals, own, now, places, lately)
        usage = self._limits.by_account.get(account)
        if usage is not None:
            self.parts.set(usage, known, self.members)

    def begin(self, account: str, usage: AccountUsage) -> None:
        """Set the limits of an account that begins here: even parts, until its first exchange."""
        self.parts.begin(usage, self.members)
        self._known.pop(account, None)

    def end_stale(self) -> None:
        """Set even parts for accounts whose totals are too old. Called when a call has failed."""
        now = self._clock.seconds()
        for account in [name for name, each in self._known.items() if each.is_stale(now)]:
            del self._known[account]
            if (usage := self._limits.by_account.get(account)) is not None:
                self.begin(account, usage)

    def tunnels_without_engine(self, account: str) -> int:
        """Return how many tunnels the account may have here while the engine is away."""
        limit, known = self._config.max_tunnels_per_account, self._known.get(account)
        even = even_part(limit, self.members)
        if known is None or known.is_stale(self._clock.seconds()):
            return even
        return max(even, limit - known.tunnels_of_others)

    def is_near_limit(self, account: str) -> bool:
        """Return whether the account has nearly as many tunnels as it may have."""
        known = self._known.get(account)
        limit = self._config.max_tunnels_per_account
        return known is not None and known.totals.demand.tunnels >= NEAR_PART * limit
