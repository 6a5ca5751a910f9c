"""The PROXY protocol's header."""

import socket
import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.address import IPv4Address, IPv6Address

from tessel_proxy.front.proxy_header import (
    V2_MAX_BYTES,
    V2_START,
    ProxyHeader,
    ProxyHeaderError,
    read_header,
)

DEVICE4 = IPv4Address("TCP", "192.0.2.9", 4711)
DEVICE6 = IPv6Address("TCP", "2001:db8::9", 4711)
TLV = b"\x04\x00\x03pad"


def v2(command=0x21, family=0x11, addresses=b"", tlvs=b""):
    body = addresses + tlvs
    return V2_START + struct.pack("!BBH", command, family, len(body)) + body


FOUR = (
    socket.inet_aton("192.0.2.9") + socket.inet_aton("198.51.100.1") + struct.pack("!2H", 4711, 1)
)
SIX = (
    socket.inet_pton(socket.AF_INET6, "2001:db8::9")
    + socket.inet_pton(socket.AF_INET6, "2001:db8::1")
    + struct.pack("!2H", 4711, 1)
)
MAPPED = (
    socket.inet_pton(socket.AF_INET6, "::ffff:192.0.2.9")
    + socket.inet_pton(socket.AF_INET6, "::1")
    + struct.pack("!2H", 4711, 1)
)

GOOD = [
    (b"PROXY TCP4 192.0.2.9 198.51.100.1 4711 443\r\n", DEVICE4),
    (b"PROXY TCP6 2001:db8::9 ::1 4711 443\r\n", DEVICE6),
    (b"PROXY TCP6 2001:0db8:0:0::9 ::1 4711 443\r\n", DEVICE6),
    (b"PROXY TCP6 ::ffff:192.0.2.9 ::1 4711 443\r\n", DEVICE4),
    (b"PROXY UNKNOWN\r\n", None),
    (b"PROXY UNKNOWN \r\n", None),
    (b"PROXY UNKNOWN whatever else, \xff too\r\n", None),
    (b"PROXY UNKNOWN \rx\n\r\n", None),
    (b"PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n", None),
    (v2(addresses=FOUR), DEVICE4),
    (v2(addresses=FOUR, tlvs=TLV * 3), DEVICE4),
    (v2(family=0x21, addresses=SIX), DEVICE6),
    (v2(family=0x21, addresses=SIX, tlvs=TLV), DEVICE6),
    (v2(family=0x21, addresses=MAPPED), DEVICE4),
    (v2(command=0x20, family=0x00), None),
    (v2(command=0x20, addresses=FOUR), None),
    (v2(family=0x00, tlvs=TLV), None),
    (v2(family=0x31, addresses=bytes(216)), None),
    (v2(family=0x31, addresses=bytes(216), tlvs=TLV), None),
    (v2(family=0x32, addresses=bytes(216)), None),
    (v2(command=0x20), None),
    (v2(command=0x20, family=0x00, tlvs=TLV), None),
    (v2(command=0x20, family=0x31, addresses=bytes(216)), None),
    (v2(command=0x20, family=0x7F, addresses=b"ignored"), None),
    (v2(family=0x00), None),
    (v2(family=0x10, addresses=FOUR), None),
    (v2(family=0x20, addresses=SIX), None),
    (v2(addresses=FOUR, tlvs=b"\x20\x1f\x40" + bytes(8000)), DEVICE4),
]


@pytest.mark.parametrize(("header", "source"), GOOD)
def test_a_header_is_read_whole_and_with_bytes_behind_it(header, source):
    assert read_header(header) == ProxyHeader(source, len(header))
    assert read_header(header + b"\x16\x03\x01PROXY \r\n") == ProxyHeader(source, len(header))


@pytest.mark.parametrize(("header", "_source"), GOOD)
def test_of_a_part_of_a_header_the_rest_is_awaited(header, _source):
    for cut in [*range(min(len(header), 300)), len(header) - 1]:
        assert read_header(header[:cut]) is None


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00",  # a TLS handshake
        b"GET / HTTP/1.1\r\n",
        b"proxy TCP4",
        b"PROXY\tTCP4",
        V2_START[:11] + b"\x0b",
        b"PROXY TCP4 192.0.2.9 198.51.100.1 4711\r\n",
        b"PROXY TCP4 192.0.2.9 198.51.100.1 4711 443 \r\n",
        b"PROXY TCP4 192.0.2.9 198.51.100.1 4711 443 9\r\n",
        b"PROXY TCP4 192.0.2.9 198.51.100.1 +80 443\r\n",
        b"PROXY TCP4 192.0.2.9 198.51.100.1 65536 443\r\n",
        b"PROXY TCP4 192.0.2.9 198.51.100.1 x 443\r\n",
        b"PROXY TCP4  198.51.100.1 4711 443\r\n",
        b"PROXY TCP4 localhost 198.51.100.1 4711 443\r\n",
        b"PROXY TCP4 192.0.2.9\n 198.51.100.1 4711 443\r\n",
        b"PROXY TCP4 2001:db8::9 ::1 4711 443\r\n",
        b"PROXY TCP6 192.0.2.9 198.51.100.1 4711 443\r\n",
        b"PROXY TCP4 192.0.2.\xff 198.51.100.1 4711 443\r\n",
        b"PROXY TCP4 192.0.2.9 198.51.100.\xff 4711 443\r\n",
        "PROXY TCP4 é 198.51.100.1 4711 443\r\n".encode(),
        "PROXY TCP6 2001:db8::9 ::é 4711 443\r\n".encode(),
        b"PROXY UDP4 192.0.2.9 198.51.100.1 4711 443\r\n",
        b"PROXY TCP4\r\n",
        b"PROXY \r\n",
        b"PROXY UNKNOWN" + b" " * 100,
        b"PROXY UNKNOWN\t\r\n",
        b"PROXY UNKNOWNS\r\n",
        b"PROXY unknown\r\n",
        v2(command=0x11, addresses=FOUR),
        v2(command=0x22, addresses=FOUR),
        v2(family=0x12, addresses=FOUR),
        v2(family=0x13, addresses=FOUR),
        v2(family=0x41, addresses=FOUR),
        v2(addresses=FOUR[:-1]),
        v2(),
        v2(family=0x21, addresses=FOUR),
        V2_START + struct.pack("!BBH", 0x21, 0x11, V2_MAX_BYTES + 1),
    ],
)
def test_what_is_garbled_or_no_header_is_an_error(data):
    with pytest.raises(ProxyHeaderError):
        read_header(data)


@given(st.binary(max_size=300), st.sampled_from([b"", b"PROXY ", b"PROXY TCP4 ", V2_START]))
def test_whatever_comes_is_a_header_an_error_or_not_all(data, start):
    try:
        header = read_header(start + data)
    except ProxyHeaderError:
        return
    assert header is None or 0 < header.nbytes <= len(start + data)


@given(
    st.lists(st.binary(max_size=20) | st.text(max_size=10).map(str.encode), min_size=4, max_size=4),
    st.sampled_from([b"TCP4", b"TCP6"]),
)
def test_whatever_the_words_of_version_1_are_they_are_good_or_an_error(words, family):
    line = b" ".join([b"PROXY", family, *words]) + b"\r\n"
    with suppress(ProxyHeaderError):
        assert read_header(line) is not None
