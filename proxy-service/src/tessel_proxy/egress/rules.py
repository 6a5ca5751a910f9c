"""Parse egress rules, and match targets with them. Pure.

    list   = rule *( blanks-or-comma rule )
    rule   = target [ ":" ports ]
    ports  = range *( "," range )          as in 10.0.0.0/8:80,443
    range  = port [ "-" port ]
    target = "*"                           any target
           | name                          that name only
           | "." name                      that name and all names below it
           | IPv4 address or network
           | IPv6 address or network       without ports
           | "[" IPv6 address or network "]"   with or without ports, as in [fd00::/8]:443

Digits after a comma are one more port of the rule before, because no target consists of digits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from tessel_proxy.egress import hosts
from tessel_proxy.egress.addresses import Address, Network, carried

MAX_RULES = 1000  # in one list: all are compared for each connection that a device opens
MAX_PORT = 65535
FORMS = "10.0.0.0/8, 10.0.0.1:80,8000-8999, [fd00::/8]:443, example.com:443 or .example.com"

_MAPPED = IPv6Network("::ffff:0:0/96")
_SEPARATOR = re.compile(r"(\s+,?\s*|,\s*)")
_PORTS = re.compile(r"[0-9]{1,5}(-[0-9]{1,5})?")
_MORE_PORTS = re.compile(r"[0-9]+(-[0-9]+)?")


class EgressMode(StrEnum):
    """Decides whether connections to internal addresses are refused, and `deny` rules obeyed.

    In the mode `report`, such connections are allowed and logged.
    """

    ENFORCE = "enforce"  # internal addresses are refused unless EGRESS_ALLOW names them
    REPORT = "report"  # a connection that would be refused is logged and allowed
    OPEN = "open"  # only rules to deny refuse connections


@dataclass(frozen=True, slots=True)
class AnyTarget:
    """The pattern `*`, which matches every target."""

    def __str__(self) -> str:
        return "*"


@dataclass(frozen=True, slots=True)
class NamePattern:
    """Matches the DNS name `name` and, if `below` is True, all names below it."""

    name: str
    below: bool = False

    def takes(self, name: str) -> bool:
        """Return whether the pattern matches `name`, which is in canonical form."""
        return name == self.name or (self.below and name.endswith("." + self.name))

    def __str__(self) -> str:
        return "." * self.below + self.name


RuleTarget = AnyTarget | NamePattern | Network


@dataclass(frozen=True, slots=True)
class Rule:
    """A pattern for targets, and the ports at which it applies. No `ports`: it applies to all."""

    target: RuleTarget
    ports: tuple[range, ...] = ()

    def takes_name(self, name: str, port: int) -> bool:
        """Return whether the rule matches the name and the port that a device asks for.

        A rule with an address or a network matches no name.
        """
        match self.target:
            case AnyTarget():
                return self._takes_port(port)
            case NamePattern() as named:
                return named.takes(name) and self._takes_port(port)
            case _:
                return False

    def takes_address(self, address: Address, port: int) -> bool:
        """Return whether a `deny` rule matches the address and the port.

        It is enough that it matches any IPv4 address that `address` contains.
        """
        within = (address, *carried(address))
        return self._takes_port(port) and any(map(self._has, within))

    def covers_address(self, address: Address, port: int) -> bool:
        """Return whether an `allow` or `only` rule matches the address and the port.

        It must match `address` itself, or all IPv4 addresses that `address` contains.

        A Teredo address contains two IPv4 addresses, the server's and the client's, and the device
        chooses both. If one of them is allowed, the other must not be reached through it.
        """
        within = carried(address)
        whole = self._has(address) or (bool(within) and all(map(self._has, within)))
        return self._takes_port(port) and whole

    def _has(self, address: Address) -> bool:
        match self.target:
            case AnyTarget():
                return True
            case NamePattern():
                return False
            case network:
                return address in network

    def _takes_port(self, port: int) -> bool:
        return not self.ports or any(port in each for each in self.ports)

    def __str__(self) -> str:
        if not self.ports:
            return str(self.target)
        bracketed = isinstance(self.target, IPv6Network)
        target = f"[{self.target}]" if bracketed else str(self.target)
        return f"{target}:{','.join(map(_range_text, self.ports))}"


def rules(text: str) -> tuple[Rule, ...]:
    """Return the rules in `text`, separated by spaces or commas.

    Raises ValueError, which names each wrong rule, or says that there are more than MAX_RULES.
    """
    read: list[Rule] = []
    faults: list[str] = []
    for word in _words(text):
        try:
            read.append(_rule(word))
        except ValueError as fault:
            faults.append(str(fault))
    if len(read) > MAX_RULES:
        faults.append(f"at most {MAX_RULES} rules")
    if faults:
        raise ValueError(f"{FORMS}; {'; '.join(faults)}")
    return tuple(read)


def narrow_rules(text: str) -> tuple[Rule, ...]:
    """Return the rules in `text`, for `allow`.

    Raises ValueError as `rules` does, and for the rule `*`, because it would allow metadata
    services.
    """
    read = rules(text)
    if any(isinstance(each.target, AnyTarget) for each in read):
        raise ValueError(f"{FORMS}; not *, because it would allow the metadata service")
    return read


def _words(text: str) -> Iterator[str]:
    pieces = _SEPARATOR.split(text)
    word = pieces[0]
    for separator, piece in zip(pieces[1::2], pieces[2::2], strict=True):
        if separator == "," and ":" in word and _MORE_PORTS.fullmatch(piece):
            word += f",{piece}"
            continue
        if word:
            yield word
        word = piece
    if word:
        yield word


def _rule(word: str) -> Rule:
    target, colon, ports = _parted(word)
    return Rule(_target(target), _ports(ports, word) if colon else ())


def _parted(word: str) -> tuple[str, str, str]:
    """Target and ports. An IPv6 address without brackets is all colons."""
    if word.startswith("["):
        inner, bracket, rest = word[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")) or ":" not in inner:
            raise ValueError(f"{word!r} is not a rule")
        return inner, rest[:1], rest[1:]
    return word.partition(":") if word.count(":") == 1 else (word, "", "")


def _target(text: str) -> RuleTarget:
    if text == "*":
        return AnyTarget()
    if "/" in text or ":" in text:
        return _network(text)
    below = text.startswith(".")
    try:
        host = hosts.canonical(text[below:])
    except ValueError:
        raise ValueError(f"{text!r} is not a rule") from None
    if isinstance(host, str):
        return NamePattern(host, below)
    if below or not _is_usual(text):
        # Programs read parts with a leading 0 in different ways, and a rule must have one meaning.
        raise ValueError(f"{text!r} is not an address in its usual form")
    return ip_network(host)


def _is_usual(text: str) -> bool:
    try:
        return bool(ip_address(text))
    except ValueError:
        return False


def _network(text: str) -> Network:
    try:
        network = ip_network(text)
    except ValueError:
        pass
    else:
        return _plain(network, text)
    try:
        meant = f"{ip_network(text, strict=False)} rather than {text}"
    except ValueError:
        meant = f"{text!r} is not a network"
    raise ValueError(meant)


def _plain(network: Network, text: str) -> Network:
    """A network of mapped IPv4 addresses as IPv4: devices write the same target in both ways."""
    if isinstance(network, IPv4Network):
        return network
    if network.network_address.scope_id is not None:
        raise ValueError(f"{text!r} has a scope, which is valid on one link only")
    if not network.subnet_of(_MAPPED):
        return network
    last_32_bits = int(network.network_address) & 0xFFFF_FFFF
    return IPv4Network((last_32_bits, network.prefixlen - _MAPPED.prefixlen))


def _ports(text: str, word: str) -> tuple[range, ...]:
    try:
        return tuple(_range(each) for each in text.split(","))
    except ValueError:
        raise ValueError(f"{word!r}: ports are 1 to {MAX_PORT}, ranges as 8000-8999") from None


def _range(text: str) -> range:
    low, dash, high = text.partition("-")
    if not _PORTS.fullmatch(text) or not 1 <= int(low) <= int(high or low) <= MAX_PORT:
        raise ValueError(text)
    return range(int(low), int(high if dash else low) + 1)


def _range_text(ports: range) -> str:
    return str(ports[0]) if len(ports) == 1 else f"{ports[0]}-{ports[-1]}"
