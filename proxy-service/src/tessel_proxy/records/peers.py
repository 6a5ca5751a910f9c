"""Names of peers: as log lines show them, and as limits and log lines group them."""

from __future__ import annotations

import ipaddress
from typing import Final

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IAddress

SOURCE_V6_BITS: Final = 64  # the network of one subscriber, who may use any address in it


def peer_name(address: IAddress) -> str:
    """Return the address as HOST:PORT for the log; IPv4 mapped into IPv6 as IPv4."""
    match address:
        case IPv4Address():
            return f"{address.host}:{address.port}"
        case IPv6Address():
            host = address.host.removeprefix("::ffff:")
            return f"[{host}]:{address.port}" if ":" in host else f"{host}:{address.port}"
        case _:
            return str(address)


def source_of(host: str) -> str:
    """Return the address group that counts as one peer: the IPv4 address or the IPv6 /64 network.

    Text that is no address is returned unchanged.
    """
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if not isinstance(address, ipaddress.IPv6Address):
        return str(address)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, SOURCE_V6_BITS), strict=False))


def source_of_peer(peer: str) -> str:
    """Return the address group (see `source_of`) of a peer that is given as HOST:PORT."""
    return source_of(host_of_peer(peer))


def host_of_peer(peer: str) -> str:
    """Return the address of a peer that is given as HOST:PORT."""
    return peer.rpartition(":")[0].removeprefix("[").removesuffix("]")
