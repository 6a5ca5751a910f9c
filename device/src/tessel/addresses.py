"""Is this text an address, and of which family?"""

from __future__ import annotations

import ipaddress

IPV4, IPV6 = 4, 6


def is_ip(text: str) -> int:
    """4, 6, or 0 if it is not an address."""
    try:
        return ipaddress.ip_address(text).version
    except ValueError:
        return 0


def is_ipv4(text: str) -> bool:
    return is_ip(text) == IPV4


def is_ipv6(text: str) -> bool:
    return is_ip(text) == IPV6


def family_word(address: str | None) -> str | None:
    return {IPV4: "IPv4", IPV6: "IPv6"}.get(is_ip(address or ""))
