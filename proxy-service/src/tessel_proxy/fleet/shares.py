"""Divides the limits of an account among the processes that serve it. Pure functions.

Of a limit on substreams, each process may have what it has, and more of what is free: an even part
of it as long as it has less than an even part of the limit, so that a new account may have that at
once. Beyond that it may have what is left when the others have taken even parts by the totals of a
moment ago: the totals of two processes may be a second apart, so one may still use its former part
when the other gets a new one, and together they do not exceed what was free.

Of a limit on rates, each process gets its demand divided by the total demand, and some of the limit
evenly, so that a process that had no demand for a while is not stopped by its first byte.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from tessel_proxy.fleet.engine import EXCHANGE_S

EVEN_PART: Final = 0.2
"""Part of a rate that is divided evenly. The rest follows the demand."""

GROWTH: Final = 0.25
"""What a demand exceeds its use by: this part of the use; or of the limit, if the limit held
something back. So two busy processes approach equal shares within some seconds."""


def number_part(
    limit: int, own: int, total: int, holders: int, members: int, *, lately: int = 0
) -> int:
    """Return how many substreams a process may have, by the last totals.

    `own` is the number that it had then, `total` that of all `holders`, the process included;
    `lately` is the lowest total by which the others may still decide. A process that has the
    account alone may have half of what is free, rounded up, because one of the other `members` may
    get the account at any time. With one member there are no others. Even parts are rounded up, so
    that all together may exceed the limit by less than one for each member.
    """
    free = max(0, limit - total)
    if members <= 1:
        return own + free
    if holders <= 1:
        return own + (free + 1) // 2
    of_others = (members - 1) * max(0, limit - lately) // members
    beyond = max(0, free - of_others)
    return own + max(beyond, min(even_part(free, members), even_part(limit, members) - own))


@dataclass(frozen=True, slots=True)
class LowTotals:
    """The lowest totals of substreams by which other processes may still decide.

    `former` is that of the EXCHANGE_S before `since`, and `latest` the one from then on. Before the
    first answer each process has an even part, as if nothing was open.
    """

    since: float
    former: int = 0
    latest: int = 0

    def heard(self, total: int, now: float) -> LowTotals:
        """Return the lowest totals after an answer with this total at the time `now`."""
        if now - self.since >= EXCHANGE_S:
            return LowTotals(now, self.latest, total)
        return replace(self, latest=min(self.latest, total))

    @property
    def lowest(self) -> int:
        """The lowest of both."""
        return min(self.former, self.latest)


def even_part(limit: int, members: int) -> int:
    """Return an even part of a limit, rounded up: what no process is refused without the engine."""
    return -(-limit // max(1, members))


def rate_part(limit: float, own: float, total: float, holders: int) -> float:
    """Return the part of a rate for a process with demand `own` of `total`, among `holders`."""
    if holders <= 1:
        return limit
    even = limit / holders
    if total <= 0.0:
        return even
    return EVEN_PART * even + (1 - EVEN_PART) * limit * min(1.0, own / total)


def demand_of(used: float, limit: float, *, was_short: bool) -> float:
    """Return the demand of a process that used so much per second.

    `was_short`: its part of the limit held something back.
    """
    return used + GROWTH * (limit if was_short else used)
