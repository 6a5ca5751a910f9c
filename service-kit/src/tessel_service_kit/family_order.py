"""Whether to connect to a name's IPv4 or IPv6 addresses first, as RFC 6724 says."""

from __future__ import annotations

import socket
from ipaddress import IPv6Address, IPv6Network
from socket import AF_INET6
from typing import Final

_SPECIAL: Final = tuple(
    IPv6Network(each)
    for each in ("fc00::/7", "fec0::/10", "2002::/16", "2001::/32", "3ffe::/16", "::/96")
)
"""Destination and source addresses to which RFC 6724's table prefers IPv4."""


def source_for(address: str) -> str | None:
    """Return the local IPv6 address from which the system would connect to `address`.

    Sends nothing.

    None: there is no route to the address, or this machine has no IPv6.
    """
    try:
        with socket.socket(AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.connect((address, 9))
            return str(probe.getsockname()[0])
    except OSError:
        return None


def can_be_reached(addresses: tuple[str, ...]) -> bool:
    """Return whether there are addresses, and this machine has a route to the first."""
    return bool(addresses) and (":" not in addresses[0] or source_for(addresses[0]) is not None)


def in_order(four: tuple[str, ...], six: tuple[str, ...]) -> tuple[str, ...]:
    """Return the addresses of both families in the order in which to try them."""
    return (*six, *four) if four and six and _is_before_ipv4(six[0]) else (*four, *six)


def _is_before_ipv4(address: str) -> bool:
    source = source_for(address)
    if source is None or IPv6Address(address).is_loopback:
        return source is not None
    return not any(IPv6Address(each) in net for each in (address, source) for net in _SPECIAL)
