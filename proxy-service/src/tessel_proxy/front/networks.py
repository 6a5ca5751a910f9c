"""Sets of networks in settings, such as those of load balancers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Networks:
    """A set of IP networks and single addresses; `host in networks` tests an address."""

    networks: tuple[Network, ...] = ()

    def __contains__(self, host: str) -> bool:
        """Return whether the address is in one of the networks; raises ValueError if it is none.

        IPv4 mapped into IPv6 counts as IPv4.
        """
        address = plain_address(host)
        return any(address in network for network in self.networks)

    def __bool__(self) -> bool:
        return bool(self.networks)

    def __str__(self) -> str:
        return " ".join(map(str, self.networks))


def plain_address(host: str) -> IPv4Address | IPv6Address:
    """Return `host` as an address, without the interface after %; raises ValueError.

    An IPv4 address that is mapped into IPv6 is returned as IPv4.
    """
    address = ip_address(host.partition("%")[0])  # a link-local peer has its interface after %
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def networks(text: str) -> Networks:
    """Parse networks and addresses that spaces or commas separate; raises ValueError."""
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
