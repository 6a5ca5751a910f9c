"""The rules that are in force, found by account, device or address. Pure: time is an argument."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias

from tessel_proxy.front.networks import plain_address
from tessel_proxy.operations.rules import Rule, RuleError

MAX_RULES: Final = 10_000
"""Rules at the same time: some MiB of memory. Whole regions are refused with one network each."""

_Prefix: TypeAlias = tuple[int, int]
"""IP version and length of a prefix."""


class TooManyRulesError(RuleError):
    """There are MAX_RULES rules already."""


class RefusalList:
    """Rules by id, with an index for each of the two questions: who, and from where.

    A look-up of an account is one or two dicts. A look-up of an address takes one dict for each
    length of a prefix that a rule has, so it does not depend on the number of rules.
    """

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        self._rules: dict[str, Rule] = {}
        self._owners: dict[tuple[str, str | None], Rule] = {}
        self._networks: dict[_Prefix, dict[int, Rule]] = {}
        self._none_ends_before = math.inf  # else all rules would be searched for each that is added
        for rule in rules:
            self.add(rule)

    def __len__(self) -> int:
        return len(self._rules)

    def __bool__(self) -> bool:
        return True  # an empty list is a list

    def add(self, rule: Rule) -> None:
        """Add a rule, or replace the one for the same subject.

        Raises TooManyRulesError if it is new and there are MAX_RULES.
        """
        if rule.id not in self._rules and len(self._rules) >= MAX_RULES:
            raise TooManyRulesError(
                f"{MAX_RULES} rules are in force; remove some, or refuse whole networks"
            )
        self._rules[rule.id] = rule
        self._none_ends_before = min(self._none_ends_before, _end(rule))
        network = rule.network
        if network is None:
            self._owners[rule.account or "", rule.device] = rule
        else:
            prefix = (network.version, network.prefixlen)
            self._networks.setdefault(prefix, {})[int(network.network_address)] = rule

    def remove(self, rule_id: str) -> Rule | None:
        """Remove and return a rule; None: there is none with this id."""
        rule = self._rules.pop(rule_id, None)
        if rule is None:
            return None
        network = rule.network
        if network is None:
            del self._owners[rule.account or "", rule.device]
        else:
            prefix = (network.version, network.prefixlen)
            del self._networks[prefix][int(network.network_address)]
            if not self._networks[prefix]:
                del self._networks[prefix]
        return rule

    def get(self, rule_id: str) -> Rule | None:
        """Return the rule with this id, also if it has ended; None: there is none."""
        return self._rules.get(rule_id)

    def rules(self) -> Sequence[Rule]:
        """Return all rules, ordered by id."""
        return [self._rules[each] for each in sorted(self._rules)]

    def drop_ended(self, now: float) -> Sequence[Rule]:
        """Remove the rules that have ended, and return them; `now`: seconds since 1970."""
        if now < self._none_ends_before:
            return []
        ended = [rule for rule in self._rules.values() if rule.is_over(now)]
        for rule in ended:
            self.remove(rule.id)
        self._none_ends_before = min(map(_end, self._rules.values()), default=math.inf)
        return ended

    def of_owner(self, account: str, device: str | None, now: float) -> Rule | None:
        """Return the rule that refuses this device of this account now; None: there is none."""
        if not self._owners:
            return None
        for key in ((account, None), (account, device)):
            rule = self._owners.get(key)
            if rule is not None and not rule.is_over(now):
                return rule
        return None

    def of_address(self, host: str, now: float) -> Rule | None:
        """Return the rule that refuses this address now; None: there is none.

        Text that is no address is refused by no rule.
        """
        if not self._networks:
            return None
        try:
            address = plain_address(host)
        except ValueError:
            return None
        number, bits = int(address), address.max_prefixlen
        for (version, length), found in self._networks.items():
            if version != address.version:
                continue
            rule = found.get(number >> (bits - length) << (bits - length))
            if rule is not None and not rule.is_over(now):
                return rule
        return None


def _end(rule: Rule) -> float:
    return math.inf if rule.until_at is None else rule.until_at
