"""The host a device asks for -> an address, or the one way to write a name. Pure.

The system's resolver takes many texts for addresses (`127.1`, `0x7f.1`, `017700000001`), so a text
that is neither an address in its usual form nor a name that can exist goes no further.
"""

from __future__ import annotations

import re
from ipaddress import IPv6Address, ip_address

import idna

from tessel_proxy.egress import Address

MAX_NAME_CHARACTERS = 253  # RFC 1035, without the trailing dot

_LABEL = re.compile(r"[a-z0-9_-]{1,63}")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")  # as a name's last label: an IPv4 address is meant


def canonical(host: str) -> Address | str:
    """An address, or a name in lower case and ASCII; raises ValueError for what can be neither."""
    if host.startswith("[") and host.endswith("]"):
        return _without_scope(IPv6Address(host[1:-1]))
    ascii_host = host if host.isascii() else _in_ascii(host)
    bare = ascii_host.removesuffix(".").lower()
    try:
        address = ip_address(bare)
    except ValueError:
        return _name(bare)
    return _without_scope(address)


def _without_scope(address: Address) -> Address:
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        raise ValueError("an address with a scope means something on one link alone")
    return address


def _in_ascii(host: str) -> str:
    """Also turns other scripts' digits and dots into ours, before anything judges the text."""
    return idna.encode(host, uts46=True).decode("ascii")  # its errors are ValueErrors


def _name(bare: str) -> str:
    labels = bare.split(".")
    if len(bare) > MAX_NAME_CHARACTERS or not all(map(_LABEL.fullmatch, labels)):
        raise ValueError("not a name of the DNS")
    if _NUMBER.fullmatch(labels[-1]):
        raise ValueError("neither an IPv4 address in its usual form nor a name")
    return bare
