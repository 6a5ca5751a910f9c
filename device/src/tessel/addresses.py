"""IP addresses as text: whether a text is one, and of which family."""

from __future__ import annotations

import ipaddress
from typing import TypeAlias

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

IPV4, IPV6 = 4, 6


def is_ip(text: str) -> int:
    """Return 4 or 6, the family of an address; 0 if the text is not an address."""
    try:
        return ipaddress.ip_address(text).version
    except ValueError:
        return 0


def is_ipv4(text: str) -> bool:
    """Return whether the text is an IPv4 address."""
    return is_ip(text) == IPV4


def is_ipv6(text: str) -> bool:
    """Return whether the text is an IPv6 address."""
    return is_ip(text) == IPV6


def family_name(address: str | None) -> str | None:
    """Return "IPv4" or "IPv6"; None if the text is not an address."""
    return {IPV4: "IPv4", IPV6: "IPv6"}.get(is_ip(address or ""))


def literal(host: str) -> Address | None:
    """Return the address if the host is one, also in brackets; None if it is a name.

    An IPv4 address mapped into IPv6 (::ffff:10.0.0.1) is returned as the IPv4 address.
    """
    try:
        address = ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped or address
