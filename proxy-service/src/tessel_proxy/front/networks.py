"""Named networks, and whether an address lies in one of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Networks:
    """Some networks; addresses stand for themselves alone."""

    networks: tuple[Network, ...] = ()

    def __contains__(self, host: str) -> bool:
        """Is the address in one of them? An IPv4 address that came over IPv6 is the IPv4 one."""
        address = plain_address(host)
        return any(address in network for network in self.networks)

    def __bool__(self) -> bool:
        return bool(self.networks)

    def __str__(self) -> str:
        return " ".join(map(str, self.networks))


def plain_address(host: str) -> IPv4Address | IPv6Address:
    """The address that a text stands for, an IPv4 one in IPv6's clothes as IPv4. May raise."""
    address = ip_address(host.partition("%")[0])  # a link-local peer has its interface behind it
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def networks(text: str) -> Networks:
    """Separated by blanks or commas."""
    return Networks(tuple(_network(word) for word in re.split(r"[\s,]+", text) if word))


def _network(word: str) -> Network:
    try:
        return ip_network(word)
    except ValueError:
        pass
    try:
        meant = f"{ip_network(word, strict=False)} rather than {word}"
    except ValueError:
        meant = f"{word!r} is not a network"
    raise ValueError(f"networks as 10.0.0.0/8 or fd00::/8, or addresses; {meant}")
