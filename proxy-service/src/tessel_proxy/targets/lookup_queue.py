"""A fair queue of look-ups: limits for each tunnel and each account at a time. Pure.

A look-up of a name whose servers do not answer takes a thread for half a minute and cannot be
stopped. A device that asks for many such names delays only itself.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import TypeAlias

LOOKUPS_PER_TUNNEL = 12  # at a time: some dead names, and good ones beside them
LOOKUPS_PER_ACCOUNT = 48  # at a time; with a shared token all devices are one account


@dataclass(frozen=True, slots=True, eq=False)
class LookupTicket:
    """Identifies one look-up, running or waiting, with its account and the number of its tunnel."""

    account: str
    tunnel: int


_Queue: TypeAlias = deque[LookupTicket]


@dataclass(slots=True)
class _Share:
    """The look-ups of one account: under way, and waiting, with the tunnels in turn."""

    under_way: dict[int, int] = field(default_factory=dict)  # by the number of the tunnel
    waiting: OrderedDict[int, _Queue] = field(default_factory=OrderedDict)

    def has_room(self, tunnel: int) -> bool:
        return (
            sum(self.under_way.values()) < LOOKUPS_PER_ACCOUNT
            and self.under_way.get(tunnel, 0) < LOOKUPS_PER_TUNNEL
        )

    def start(self, tunnel: int) -> None:
        self.under_way[tunnel] = self.under_way.get(tunnel, 0) + 1

    def end(self, tunnel: int) -> None:
        self.under_way[tunnel] -= 1
        if not self.under_way[tunnel]:
            del self.under_way[tunnel]

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


class LookupQueue:
    """Decides which look-ups run now, and which one is next.

    Each tunnel and each account may run a limited number at a time.
    """

    def __init__(self) -> None:
        self._shares: dict[str, _Share] = {}

    def enter(self, ticket: LookupTicket) -> bool:
        """Add a look-up.

        Return True if it starts now, or False if it waits until `leave` returns it.
        """
        share = self._shares.get(ticket.account)
        if share is None:
            share = self._shares[ticket.account] = _Share()
        if not share.has_room(ticket.tunnel):
            share.waiting.setdefault(ticket.tunnel, deque()).append(ticket)
            return False
        share.start(ticket.tunnel)
        return True

    def leave(self, ticket: LookupTicket) -> LookupTicket | None:
        """Called when a running look-up has ended: returns the look-up to start now, or None."""
        share = self._shares[ticket.account]
        share.end(ticket.tunnel)
        follower = share.next()
        if follower is not None:
            share.start(follower.tunnel)
        elif not share.under_way:
            del self._shares[ticket.account]
        return follower

    def withdraw(self, ticket: LookupTicket) -> None:
        """Remove a look-up that waits. It must not be running."""
        share = self._shares[ticket.account]
        share.waiting[ticket.tunnel].remove(ticket)
        share.prune(ticket.tunnel)
