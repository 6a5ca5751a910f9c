"""What one account may reach: host, addresses and rules -> a refusal or none. Pure.

In this order, and the first that applies decides: a `deny` refuses, whoever wrote it; where there
is an `only`, what it does not name is refused; a port that the proxy itself listens on is refused,
unless an `allow` names that port; an `allow` lets through; an address inside is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from tessel_proxy.egress.addresses import Address, AddressKind, classify
from tessel_proxy.egress.rules import EgressMode, NamePattern, Rule

OWN_LISTENER = "own_listener"
OWN_ADDRESS = "own_address"
TOO_MANY_ADDRESSES = "too_many_addresses"  # of a name; holds whatever the mode is


class OwnMachine(Protocol):
    """What belongs to the machine that the proxy runs on."""

    def listens_at(self, address: Address, port: int) -> bool: ...
    def has(self, address: Address) -> bool: ...


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Rules from one place. Its name is what an operator finds them by: none is the environment."""

    name: str = ""
    mode: EgressMode | None = None
    allow: tuple[Rule, ...] = ()
    deny: tuple[Rule, ...] = ()
    only: tuple[Rule, ...] = ()

    def named(self, rule: Rule) -> str:
        """A rule of `deny`, as the log tells it."""
        return f"{self.name} deny {rule}" if self.name else f"EGRESS_DENY {rule}"


@dataclass(frozen=True, slots=True)
class RequestedTarget:
    """What a device wants to reach: an address, or a name in its one form."""

    host: Address | str
    port: int

    def taken_by(self, rule: Rule) -> bool:
        return isinstance(self.host, str) and rule.takes_name(self.host, self.port)


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules that hold for one account."""

    sets: tuple[RuleSet, ...] = ()

    @property
    def mode(self) -> EgressMode:
        """That of the last set which says one: an account's wins over the environment's."""
        said = [each.mode for each in self.sets if each.mode is not None]
        return said[-1] if said else EgressMode.ENFORCE

    def refusal_of_name(self, wanted: RequestedTarget) -> str | None:
        """The rule against a name as such: then it is not even looked up."""
        for each in self.sets:
            for rule in each.deny:
                if wanted.taken_by(rule):
                    return each.named(rule)
            if each.only and not any(map(wanted.taken_by, each.only)) and _names_alone(each.only):
                return f"{each.name} only"
        return None

    def refusal(self, wanted: RequestedTarget, address: Address, own: OwnMachine) -> str | None:
        """The rule against dialling this address of it."""
        return self._denied(wanted, address) or self._inside(wanted, address, own)

    def _denied(self, wanted: RequestedTarget, address: Address) -> str | None:
        for each in self.sets:
            for rule in each.deny:
                if wanted.taken_by(rule) or rule.takes_address(address, wanted.port):
                    return each.named(rule)
        for each in self.sets:
            if each.only and not any(_covers(rule, wanted, address) for rule in each.only):
                return f"{each.name} only"
        return None

    def _inside(self, wanted: RequestedTarget, address: Address, own: OwnMachine) -> str | None:
        if self.mode is EgressMode.OPEN:
            return None
        lifting = list(self._lifting(wanted, address))
        if own.listens_at(address, wanted.port):
            return None if any(rule.ports for rule in lifting) else OWN_LISTENER
        if lifting:
            return None
        verdict = classify(address)
        if verdict is not AddressKind.ALLOWED:
            return str(verdict.value)
        return OWN_ADDRESS if own.has(address) else None

    def _lifting(self, wanted: RequestedTarget, address: Address) -> Iterator[Rule]:
        for each in self.sets:
            yield from (rule for rule in each.allow if _covers(rule, wanted, address))


def _covers(rule: Rule, wanted: RequestedTarget, address: Address) -> bool:
    return wanted.taken_by(rule) or rule.covers_address(address, wanted.port)


def _names_alone(rules: tuple[Rule, ...]) -> bool:
    return all(isinstance(rule.target, NamePattern) for rule in rules)
