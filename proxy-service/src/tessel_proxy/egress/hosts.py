"""Parse the host that a device asks for: an address, or a name in its canonical form. Pure.

The system's resolver accepts many texts as addresses (`127.1`, `0x7f.1`, `017700000001`). They are
parsed here in the same way, so that egress rules see the address, and the resolver gets only names.
"""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

import idna

from tessel_proxy.egress.addresses import Address

MAX_NAME_CHARACTERS = 253  # RFC 1035, without the trailing dot

_LABEL = re.compile(r"[a-z0-9_-]{1,63}")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")  # as the last label it makes the text an IPv4 address
_OCTAL = re.compile(r"0[0-7]*")
_DECIMAL = re.compile(r"[1-9][0-9]*")
_HEXADECIMAL = re.compile(r"0x[0-9a-f]+")
_MAX_PARTS = 4
_BYTE_MAX = 0xFF


@lru_cache(maxsize=1024)  # programs ask for the same few hosts
def canonical(host: str) -> Address | str:
    """Return the address that `host` denotes, or the name in lower case and ASCII (IDNA).

    Raises ValueError if it is neither an address nor a valid DNS name.
    """
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
        raise ValueError("an address with a scope is valid on one link only")
    return address


def _in_ascii(host: str) -> str:
    """IDNA, which also turns digits and dots of other scripts into those of ASCII."""
    return idna.encode(host, uts46=True).decode("ascii")  # its errors are ValueErrors


def _name(bare: str) -> Address | str:
    labels = bare.split(".")
    if len(bare) > MAX_NAME_CHARACTERS or not all(map(_LABEL.fullmatch, labels)):
        raise ValueError("not a DNS name")
    return _odd_ipv4(labels) if _NUMBER.fullmatch(labels[-1]) else bare


def _odd_ipv4(parts: list[str]) -> IPv4Address:
    """Parse as inet_aton(3): one to four numbers. The last one fills the bytes that are left."""
    if len(parts) > _MAX_PARTS:
        raise ValueError("an IPv4 address has at most four parts")
    *data, last = map(_number, parts)
    left = _MAX_PARTS - len(data)
    if any(each > _BYTE_MAX for each in data) or last >= 256**left:
        raise ValueError("a part of an IPv4 address is too large")
    return IPv4Address(bytes(data) + last.to_bytes(left, "big"))


def _number(text: str) -> int:
    for pattern, base in ((_HEXADECIMAL, 16), (_OCTAL, 8), (_DECIMAL, 10)):
        if pattern.fullmatch(text):
            return int(text, base)  # at most 63 characters: below the limit of int()
    raise ValueError("neither an IPv4 address nor a name")
