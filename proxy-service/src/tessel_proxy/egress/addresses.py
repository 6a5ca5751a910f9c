"""Classify addresses: on the Internet, or of a kind that is refused by default. Pure.

By default devices reach only the Internet: the owner of a device must not read the metadata service
of the cloud that the proxy runs in, or the router at home. An IPv6 address that contains an IPv4
address (mapped, NAT64, 6to4, Teredo) is classified as that one, because the bytes go there.
"""

from __future__ import annotations

from enum import Enum
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class AddressKind(Enum):
    """The kind of an address. ALLOWED: an address of the Internet.

    All other kinds are refused by default.
    """

    ALLOWED = "allowed"
    UNSPECIFIED = "unspecified"
    LOOPBACK = "loopback"
    PRIVATE = "private"
    SHARED = "shared"  # carrier-grade NAT
    LINK_LOCAL = "link_local"
    METADATA = "metadata"
    UNIQUE_LOCAL = "unique_local"
    MULTICAST = "multicast"
    BROADCAST = "broadcast"
    RESERVED = "reserved"


# The first network that contains the address decides. Source: IANA's special-purpose registries.
_INSIDE: tuple[tuple[Network, AddressKind], ...] = tuple(
    (ip_network(network), verdict)
    for network, verdict in (
        ("169.254.169.254/32", AddressKind.METADATA),  # AWS, Azure, Google and most others
        ("100.100.100.200/32", AddressKind.METADATA),  # Alibaba
        ("168.63.129.16/32", AddressKind.METADATA),  # Azure's own services, at a public address
        ("192.0.0.192/32", AddressKind.METADATA),  # Oracle
        ("0.0.0.0/8", AddressKind.UNSPECIFIED),
        ("10.0.0.0/8", AddressKind.PRIVATE),
        ("100.64.0.0/10", AddressKind.SHARED),
        ("127.0.0.0/8", AddressKind.LOOPBACK),
        ("169.254.0.0/16", AddressKind.LINK_LOCAL),
        ("172.16.0.0/12", AddressKind.PRIVATE),
        ("192.0.0.0/24", AddressKind.RESERVED),
        ("192.0.2.0/24", AddressKind.RESERVED),  # documentation, as are the next two
        ("198.51.100.0/24", AddressKind.RESERVED),
        ("203.0.113.0/24", AddressKind.RESERVED),
        ("192.88.99.0/24", AddressKind.RESERVED),  # relays of 6to4
        ("192.168.0.0/16", AddressKind.PRIVATE),
        ("198.18.0.0/15", AddressKind.RESERVED),  # benchmarks
        ("224.0.0.0/4", AddressKind.MULTICAST),
        ("255.255.255.255/32", AddressKind.BROADCAST),
        ("240.0.0.0/4", AddressKind.RESERVED),
        ("fd00:ec2::254/128", AddressKind.METADATA),  # AWS
        ("fd20:ce::254/128", AddressKind.METADATA),  # Google
        ("::/128", AddressKind.UNSPECIFIED),
        ("::1/128", AddressKind.LOOPBACK),
        ("fe80::/10", AddressKind.LINK_LOCAL),
        ("fec0::/10", AddressKind.PRIVATE),  # site-local, the forerunner of unique-local
        ("fc00::/7", AddressKind.UNIQUE_LOCAL),
        ("ff00::/8", AddressKind.MULTICAST),
        ("2001::/23", AddressKind.RESERVED),  # protocol assignments; Teredo is handled before
        ("2001:db8::/32", AddressKind.RESERVED),  # documentation, as is the next
        ("3fff::/20", AddressKind.RESERVED),
    )
)
_GLOBAL_UNICAST = ip_network("2000::/3")  # all IPv6 addresses of the Internet

_LAST_32_BITS = tuple(
    ip_network(network)
    for network in (
        "::ffff:0:0/96",  # mapped
        "::ffff:0:0:0/96",  # translated (SIIT)
        "64:ff9b::/96",  # NAT64
    )
)
_COMPATIBLE = ip_network("::/96")  # deprecated form; includes :: and ::1


def classify(address: Address) -> AddressKind:
    """Return the kind of `address`.

    If it contains IPv4 addresses, their kinds decide: the first one that is not ALLOWED.
    """
    within = carried(address)
    if within:
        verdicts = [_listed(each) for each in within]
        return next(
            (each for each in verdicts if each is not AddressKind.ALLOWED), AddressKind.ALLOWED
        )
    return _listed(address)


@lru_cache(maxsize=256)  # each rule asks about the same few addresses
def carried(address: Address) -> tuple[IPv4Address, ...]:
    """Return the IPv4 addresses that the IPv6 `address` contains, to which its packets may be sent.

    Empty for an IPv4 address, and for IPv6 addresses that contain none.
    """
    if isinstance(address, IPv4Address):
        return ()
    if any(address in network for network in _LAST_32_BITS):
        return (_last_32_bits(address),)
    if address in _COMPATIBLE and int(address) > 1:
        return (_last_32_bits(address),)
    if address.teredo is not None:
        return address.teredo  # (server, client): the first packet goes to the server
    return () if address.sixtofour is None else (address.sixtofour,)


def _listed(address: Address) -> AddressKind:
    for network, verdict in _INSIDE:
        if address in network:
            return verdict
    if isinstance(address, IPv6Address) and address not in _GLOBAL_UNICAST:
        return AddressKind.RESERVED
    return AddressKind.ALLOWED


def _last_32_bits(address: IPv6Address) -> IPv4Address:
    return IPv4Address(int(address) & 0xFFFF_FFFF)
