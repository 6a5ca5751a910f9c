"""Places for tunnels that members of one host were given in advance, so that they need not ask."""

from __future__ import annotations

from typing import Final

PLACES_PART: Final = 8
"""One of so many free tunnels of an account is given in advance, to all members together. Before a
tunnel is refused for them, the members are asked to give back those that they have not used."""

LEAST_PLACES: Final = 2
"""Fewer are not given."""


class LocalPlaces:
    """Counts the places that each member has of each account."""

    def __init__(self) -> None:
        self._given: dict[str, dict[str, int]] = {}

    def __len__(self) -> int:
        return len(self._given)

    def members(self, account: str) -> set[str]:
        """Return the members that have places of the account."""
        return {*self._given.get(account, ())}

    def of_others(self, member: str, account: str) -> int:
        """Return how many places the other members have."""
        given = self._given.get(account, {})
        return sum(each for name, each in given.items() if name != member)

    def give(self, member: str, account: str, free: int, members: int) -> int:
        """Give a member its part of `free` tunnels, and return it. It has no others by now.

        Near the limit there are none, so that the last tunnels are counted exactly.
        """
        places = (free - self.of_others(member, account)) // (PLACES_PART * members)
        if places < LEAST_PLACES:
            return 0
        self._given.setdefault(account, {})[member] = places
        return places

    def take_back(self, member: str, account: str) -> None:
        """Forget the places that a member had."""
        given = self._given.get(account, {})
        given.pop(member, None)
        if not given:
            self._given.pop(account, None)

    def forget_account(self, account: str) -> None:
        """Forget the places of an account that has nothing open."""
        self._given.pop(account, None)
