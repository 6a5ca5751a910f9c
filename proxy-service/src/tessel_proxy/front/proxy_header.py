r"""The PROXY protocol's header, versions 1 and 2 -> who is behind the load balancer. Pure.

    1    PROXY TCP4 192.0.2.9 198.51.100.1 4711 5005\r\n                 107 bytes at most
    2    12 bytes of signature | 0x2c | family | length: uint16 | addresses | TLVs

Twisted's parsers take the header apart. They let much pass that no balancer sends (a seventh word,
ports such as `+80`, names in place of addresses), and fail in their own ways on some of the rest.
So here the header's bytes are bounded before, and what it says is judged after.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from struct import Struct
from typing import Final

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IAddress
from twisted.protocols.haproxy._exceptions import InvalidProxyHeader
from twisted.protocols.haproxy._v1parser import V1Parser
from twisted.protocols.haproxy._v2parser import V2Parser

from tessel_proxy.front.networks import plain_address

V1_START: Final = b"PROXY "
V1_MAX_BYTES: Final = 107  # the specification's worst case, line end included
V1_UNKNOWN: Final = b"PROXY UNKNOWN"
V1_WORDS: Final = 6
MAX_PORT: Final = 0xFFFF
V2_START: Final = V2Parser.PREFIX
V2_HEAD: Final = Struct("!12sBBH")
V2_MAX_BYTES: Final = 16384
"""Addresses and TLVs. HAProxy builds a header in one buffer, which has 16 KiB by default; a header
with its client's certificate has some 2 KiB, and more with a large key or a chain."""


class ProxyHeaderError(Exception):
    """What stands where the header should be is none; the text says what was seen."""


@dataclass(frozen=True, slots=True)
class ProxyHeader:
    """What a balancer says of a connection, and how many bytes it took to say it."""

    source: IPv4Address | IPv6Address | None  # None: the connection is the balancer's own
    nbytes: int


def read_header(data: bytes) -> ProxyHeader | None:
    """The header that the bytes begin with; None if more must come. Raises HeaderError."""
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
    try:
        source = V1Parser.parse(line).source
    except (InvalidProxyHeader, ValueError) as error:
        raise ProxyHeaderError(f"a header of version 1 that is garbled: {_words(error)}") from error
    words = line.split(b" ")
    if len(words) != V1_WORDS or not all(port.isdigit() for port in words[4:]):
        raise ProxyHeaderError("a header of version 1 that is garbled: words or ports")
    kind = IPv4Address if words[1] == V1Parser.TCP4_PROTO else IPv6Address
    for host in words[2:4]:
        _check_kind(host, kind)
    return _true(source)


def _check_kind(host: bytes, kind: type[IPv4Address | IPv6Address]) -> None:
    try:
        version = ip_address(host.decode("ascii")).version
    except ValueError as error:  # bytes that are no ASCII, too
        raise ProxyHeaderError(f"a header of version 1 that is garbled: {error}") from error
    if version != (4 if kind is IPv4Address else 6):
        raise ProxyHeaderError(
            "a header of version 1 that is garbled: an address of the other family"
        )


def _read_v2(data: bytes) -> ProxyHeader | None:
    if len(data) < V2_HEAD.size:
        return None
    _signature, _command, _family, length = V2_HEAD.unpack_from(data)
    if length > V2_MAX_BYTES:
        raise ProxyHeaderError(f"a header of {length} bytes; allowed: {V2_MAX_BYTES}")
    end = V2_HEAD.size + length
    if len(data) < end:
        return None
    return ProxyHeader(_source_of_v2(data[:end]), end)


def _source_of_v2(header: bytes) -> IPv4Address | IPv6Address | None:
    try:
        source = V2Parser.parse(header).source
    except (InvalidProxyHeader, KeyError) as error:
        raise ProxyHeaderError(f"a header of version 2 that is garbled: {_words(error)}") from error
    if not isinstance(source, IPv4Address | IPv6Address):
        return None  # LOCAL, of no family, or of a UNIX socket
    if source.type != "TCP":
        raise ProxyHeaderError("a header of version 2 that is garbled: datagrams over TCP")
    return _true(source)


def _true(source: IAddress | None) -> IPv4Address | IPv6Address:
    """The address in its usual notation; the ports are judged here, for both versions."""
    if not isinstance(source, IPv4Address | IPv6Address) or not 0 <= source.port <= MAX_PORT:
        raise ProxyHeaderError("a header that is garbled: port out of range")
    address = plain_address(source.host)
    kind = IPv4Address if address.version == 4 else IPv6Address  # noqa: PLR2004 -- IPv4
    return kind("TCP", str(address), source.port)


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__
