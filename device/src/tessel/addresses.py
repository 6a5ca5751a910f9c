"""Functions that recognize IPv4 and IPv6 addresses in text."""

from __future__ import annotations

import ipaddress
from typing import TypeAlias

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

IPV4, IPV6 = 4, 6


def is_ip(text: str) -> int:
    """Return 4 or 6, the IP version of an address; 0 if the text is not an IP address."""
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
    """Return "IPv4" or "IPv6" for an IP address; None for None or for any other text."""
    return {IPV4: "IPv4", IPV6: "IPv6"}.get(is_ip(address or ""))


def literal(host: str) -> Address | None:
    """Return the IP address that a host is, with or without brackets; None if the host is a name.

    An IPv4 address mapped into IPv6 (::ffff:10.0.0.1) is returned as the IPv4 address. Names are
    not looked up.
    """
    try:
        address = ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped or address
