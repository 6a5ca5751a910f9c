r"""The PROXY protocol's header, versions 1 and 2: the address behind a load balancer. Pure.

    1    PROXY TCP4 192.0.2.9 198.51.100.1 4711 5005\r\n                 107 bytes at most
    2    12 bytes of signature | 0x2c | family | length: uint16 | addresses | TLVs

Source: https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt. Twisted has parsers only as
private modules. They accept much that no balancer sends (a seventh word, ports such as `+80`, names
in place of addresses), and raise errors of many kinds.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address as Ip4
from ipaddress import IPv6Address as Ip6
from ipaddress import ip_address
from struct import Struct
from typing import Final

from twisted.internet.address import IPv4Address, IPv6Address

from tessel_proxy.front.networks import plain_address

V1_START: Final = b"PROXY "
V1_MAX_BYTES: Final = 107  # the specification's worst case, line end included
V1_UNKNOWN: Final = b"PROXY UNKNOWN"
V1_WORDS: Final = 6
_V1_VERSIONS: Final = {b"TCP4": 4, b"TCP6": 6}
MAX_PORT: Final = 0xFFFF

V2_START: Final = b"\r\n\r\n\x00\r\nQUIT\n"
V2_HEAD: Final = Struct("!12sBBH")
V2_MAX_BYTES: Final = 16384
"""Addresses and TLVs. HAProxy builds a header in one buffer, which has 16 KiB by default; a header
with its client's certificate has some 2 KiB, and more with a large key or a chain."""

_LOCAL: Final = 0x20  # version 2, a connection of the balancer itself, such as a health check
_PROXIED: Final = 0x21
_NO_FAMILY, _INET, _INET6, _UNIX = range(4)  # the upper four bits of the family
_NO_TRANSPORT, _STREAM, _DATAGRAM = range(3)  # the lower four
_FORMS: Final = {_INET: Struct("!4s4sHH"), _INET6: Struct("!16s16sHH"), _UNIX: Struct("108s108s")}
"""Source address, destination address and, but for UNIX sockets, the two ports."""


class ProxyHeaderError(Exception):
    """The bytes are not a valid header of the PROXY protocol; the text says why."""


@dataclass(frozen=True, slots=True)
class ProxyHeader:
    """A complete PROXY header: the client's address, and the length of the header in bytes.

    `source` is None if the header names no TCP client, as in a balancer's own health check.
    """

    source: IPv4Address | IPv6Address | None
    nbytes: int  # the length of the header


def read_header(data: bytes) -> ProxyHeader | None:
    """Return the PROXY header at the beginning of `data`, or None if more bytes are needed.

    Raises ProxyHeaderError if no header can begin with these bytes.
    """
    if data.startswith(V1_START):
        return _read_v1(data)
    if data.startswith(V2_START):
        return _read_v2(data)
    if V1_START.startswith(data) or V2_START.startswith(data):
        return None
    raise ProxyHeaderError("no header of the PROXY protocol")


def _read_v1(data: bytes) -> ProxyHeader | None:
    end = data.find(b"\r\n", 0, V1_MAX_BYTES)
    if end >= 0:
        return ProxyHeader(_source_of_v1(data[:end]), end + 2)
    if len(data) >= V1_MAX_BYTES:
        raise ProxyHeaderError(f"a header of version 1 without an end within {V1_MAX_BYTES} bytes")
    return None


def _source_of_v1(line: bytes) -> IPv4Address | IPv6Address | None:
    if line == V1_UNKNOWN or line.startswith(V1_UNKNOWN + b" "):
        return None  # the specification has receivers ignore all else in the line
    words = line.split(b" ")
    if len(words) != V1_WORDS or not all(port.isdigit() for port in words[4:]):
        raise _malformed(1, "words or ports")
    version = _V1_VERSIONS.get(words[1])
    if version is None:
        raise _malformed(1, "neither TCP4, TCP6 nor UNKNOWN")
    source, _destination = (_address_in_v1(host, version) for host in words[2:4])
    port, other = map(int, words[4:])
    if max(port, other) > MAX_PORT:
        raise _malformed(1, "port out of range")
    return _source(source, port)


def _address_in_v1(host: bytes, version: int) -> Ip4 | Ip6:
    try:
        address = ip_address(host.decode("ascii"))
    except ValueError as error:  # also for bytes that are not ASCII
        raise _malformed(1, str(error)) from error
    if address.version != version:
        raise _malformed(1, "an address of the other family")
    return address


def _read_v2(data: bytes) -> ProxyHeader | None:
    if len(data) < V2_HEAD.size:
        return None
    _signature, command, family, length = V2_HEAD.unpack_from(data)
    if length > V2_MAX_BYTES:
        raise ProxyHeaderError(f"a header of {length} bytes; allowed: {V2_MAX_BYTES}")
    end = V2_HEAD.size + length
    if len(data) < end:
        return None
    return ProxyHeader(_source_of_v2(command, family, data[V2_HEAD.size : end]), end)


def _source_of_v2(command: int, family: int, body: bytes) -> IPv4Address | IPv6Address | None:
    if command == _LOCAL:
        return None  # the specification has receivers ignore the addresses
    kind, transport = divmod(family, 16)
    if command != _PROXIED or kind > _UNIX or transport > _DATAGRAM:
        raise _malformed(2, f"command 0x{command:02x}, family 0x{family:02x}")
    if kind == _NO_FAMILY or transport == _NO_TRANSPORT:
        return None
    form = _FORMS[kind]
    if len(body) < form.size:
        raise _malformed(2, f"{len(body)} bytes of addresses; expected {form.size}")
    if kind == _UNIX:
        return None
    if transport != _STREAM:
        raise _malformed(2, "datagrams over TCP")
    source, _destination, port, _other = form.unpack_from(body)
    return _source(ip_address(source), port)


def _source(address: Ip4 | Ip6, port: int) -> IPv4Address | IPv6Address:
    """The address in its usual notation; one that is mapped into IPv6 as IPv4."""
    plain = plain_address(str(address))
    kind = IPv4Address if plain.version == 4 else IPv6Address  # noqa: PLR2004 -- IPv4
    return kind("TCP", str(plain), port)


def _malformed(version: int, why: str) -> ProxyHeaderError:
    return ProxyHeaderError(f"a malformed header of version {version}: {why}")
