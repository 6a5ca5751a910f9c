"""Decide whether an account may connect to a host and address. Pure.

The first of these that applies decides:

1. A `deny` rule refuses, wherever it was written.
2. If there are `only` rules, a target that none of them covers is refused.
3. The mode `open` allows.
4. A port that the proxy itself listens on is refused, unless an `allow` rule names the port.
5. An `allow` rule allows.
6. An internal address (see addresses.py), or an address of this machine, is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from tessel_proxy.egress.addresses import Address, AddressKind, classify
from tessel_proxy.egress.rules import EgressMode, NamePattern, Rule

OWN_LISTENER = "own_listener"
OWN_ADDRESS = "own_address"
TOO_MANY_ADDRESSES = "too_many_addresses"  # of a name; applies in every mode


class OwnMachine(Protocol):
    """The addresses and listeners of the machine that the proxy runs on.

    `listens_at` returns whether the proxy listens at an address and port, `has` whether an address
    belongs to the machine.
    """

    def listens_at(self, address: Address, port: int) -> bool: ...
    def has(self, address: Address) -> bool: ...


@dataclass(frozen=True, slots=True)
class RuleSet:
    """The egress rules from one place: the environment, or a section of POLICY_FILE.

    `name` is the section, and empty for the environment. `mode` None: the place sets no mode.
    """

    name: str = ""
    mode: EgressMode | None = None
    allow: tuple[Rule, ...] = ()
    deny: tuple[Rule, ...] = ()
    only: tuple[Rule, ...] = ()

    def named(self, rule: Rule) -> str:
        """Return a `deny` rule of this set as text for the log, with its place."""
        return f"{self.name} deny {rule}" if self.name else f"EGRESS_DENY {rule}"


@dataclass(frozen=True, slots=True)
class RequestedTarget:
    """The target that a device asks for: an address or a canonical name, and a port."""

    host: Address | str
    port: int

    def taken_by(self, rule: Rule) -> bool:
        """Return whether `rule` matches the target by name. False if the target is an address."""
        return isinstance(self.host, str) and rule.takes_name(self.host, self.port)


@dataclass(frozen=True, slots=True)
class Standing:
    """What the rules alone say about an address and a port, before this machine is considered.

    This changes only with the rules. `rule` is the rule or kind that refuses the address, None if
    none does. `is_final`: this machine does not matter. `is_lifted`: an `allow` rule without ports
    allows the address, but no listener of the proxy itself.
    """

    address: Address
    port: int
    rule: str | None = None
    is_final: bool = False
    is_lifted: bool = False

    def refusal(self, own: OwnMachine) -> str | None:
        """Return the rule that refuses a connection to the address and port, or None.

        `own` knows the addresses and listeners of this machine now.
        """
        if self.is_final:
            return self.rule
        if own.listens_at(self.address, self.port):
            return OWN_LISTENER
        if self.is_lifted or self.rule is not None:
            return self.rule
        return OWN_ADDRESS if own.has(self.address) else None


@dataclass(frozen=True, slots=True)
class Policy:
    """The egress rules that apply to one account.

    A refusal is returned as the text of the rule, for the log.
    """

    sets: tuple[RuleSet, ...] = ()

    @property
    def mode(self) -> EgressMode:
        """The egress mode for this account.

        That of its section in POLICY_FILE (or of [default]), else EGRESS_MODE.
        """
        for each in reversed(self.sets):
            if each.mode is not None:
                return each.mode
        return EgressMode.ENFORCE

    def refusal_of_name(self, wanted: RequestedTarget) -> str | None:
        """Return the rule that refuses the target by its name alone, or None.

        A name that is refused is not looked up.
        """
        for each in self.sets:
            for rule in each.deny:
                if wanted.taken_by(rule):
                    return each.named(rule)
            if each.only and not any(map(wanted.taken_by, each.only)) and _names_alone(each.only):
                return f"{each.name} only"
        return None

    def refusal(self, wanted: RequestedTarget, address: Address, own: OwnMachine) -> str | None:
        """Return the rule that refuses a connection to `address`, or None.

        `address` is one of the target's addresses; `own` knows those of this machine.
        """
        return self.standing(wanted, address).refusal(own)

    def standing(self, wanted: RequestedTarget, address: Address) -> Standing:
        """Return what the rules alone say about `address`, one of the target's."""
        port = wanted.port
        if denied := self._denied(wanted, address):
            return Standing(address, port, denied, is_final=True)
        if self.mode is EgressMode.OPEN:
            return Standing(address, port, is_final=True)
        if lifting := self._lifting(wanted, address):
            names_port = any(rule.ports for rule in lifting)
            return Standing(address, port, is_final=names_port, is_lifted=True)
        kind = classify(address)
        return Standing(address, port, None if kind is AddressKind.ALLOWED else str(kind.value))

    def _denied(self, wanted: RequestedTarget, address: Address) -> str | None:
        for each in self.sets:
            for rule in each.deny:
                if wanted.taken_by(rule) or rule.takes_address(address, wanted.port):
                    return each.named(rule)
        for each in self.sets:
            if each.only and not any(_covers(rule, wanted, address) for rule in each.only):
                return f"{each.name} only"
        return None

    def _lifting(self, wanted: RequestedTarget, address: Address) -> list[Rule]:
        allowed = [rule for each in self.sets for rule in each.allow]
        return [rule for rule in allowed if _covers(rule, wanted, address)] if allowed else []


def _covers(rule: Rule, wanted: RequestedTarget, address: Address) -> bool:
    return wanted.taken_by(rule) or rule.covers_address(address, wanted.port)


def _names_alone(rules: tuple[Rule, ...]) -> bool:
    return all(isinstance(rule.target, NamePattern) for rule in rules)
