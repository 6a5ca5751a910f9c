"""Whose look-up goes next: so many at once for a tunnel, so many for an account. Pure.

A look-up of a dead name takes a thread for half a minute and cannot be stopped. Whoever asks for
many of them waits behind their own.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from dataclasses import dataclass, field
from typing import TypeAlias

LOOKUPS_PER_TUNNEL = 12  # ten dead names, and a live one beside them
LOOKUPS_PER_ACCOUNT = 48  # a shared password makes all devices one account


@dataclass(frozen=True, slots=True, eq=False)
class LookupTicket:
    """One look-up that is under way or waits."""

    account: str
    tunnel: int


_Queue: TypeAlias = deque[LookupTicket]


@dataclass(slots=True)
class _Share:
    """What one account has under way, and what waits, the tunnels in the order of their turns."""

    under_way: Counter[int] = field(default_factory=Counter)
    waiting: OrderedDict[int, _Queue] = field(default_factory=OrderedDict)

    def has_room(self, tunnel: int) -> bool:
        return (
            self.under_way.total() < LOOKUPS_PER_ACCOUNT
            and self.under_way[tunnel] < LOOKUPS_PER_TUNNEL
        )

    def next(self) -> LookupTicket | None:
        # At most four tunnels can be at their limit while the account has room.
        for tunnel, queue in self.waiting.items():
            if self.has_room(tunnel):
                ticket = queue.popleft()
                self.waiting.move_to_end(tunnel)
                self.prune(tunnel)
                return ticket
        return None

    def prune(self, tunnel: int) -> None:
        if not self.waiting[tunnel]:
            del self.waiting[tunnel]


class LookupTurns:
    """Hands out turns; who gets none waits."""

    def __init__(self) -> None:
        self._shares: dict[str, _Share] = {}

    def enter(self, ticket: LookupTicket) -> bool:
        """May it start now? Else it waits until `leave` names it."""
        share = self._shares.setdefault(ticket.account, _Share())
        if not share.has_room(ticket.tunnel):
            share.waiting.setdefault(ticket.tunnel, deque()).append(ticket)
            return False
        share.under_way[ticket.tunnel] += 1
        return True

    def leave(self, ticket: LookupTicket) -> LookupTicket | None:
        """It has had its turn; who may start instead, if anyone."""
        share = self._shares[ticket.account]
        share.under_way[ticket.tunnel] -= 1
        if not share.under_way[ticket.tunnel]:
            del share.under_way[ticket.tunnel]
        follower = share.next()
        if follower is not None:
            share.under_way[follower.tunnel] += 1
        elif not share.under_way:
            del self._shares[ticket.account]
        return follower

    def withdraw(self, ticket: LookupTicket) -> None:
        """It waits no longer."""
        share = self._shares[ticket.account]
        share.waiting[ticket.tunnel].remove(ticket)
        share.prune(ticket.tunnel)
