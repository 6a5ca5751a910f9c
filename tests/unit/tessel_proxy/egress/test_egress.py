"""What kind of address is this? By IANA's registries, at the borders of each range."""

from ipaddress import IPv6Address, ip_address

import pytest

from tessel_proxy.egress.addresses import AddressKind, carried, classify

TABLE = [
    ("8.8.8.8", AddressKind.ALLOWED),
    ("1.1.1.1", AddressKind.ALLOWED),
    ("223.255.255.255", AddressKind.ALLOWED),
    ("2606:4700:4700::1111", AddressKind.ALLOWED),
    ("0.0.0.0", AddressKind.UNSPECIFIED),
    ("0.1.2.3", AddressKind.UNSPECIFIED),
    ("::", AddressKind.UNSPECIFIED),
    ("127.0.0.1", AddressKind.LOOPBACK),
    ("127.255.255.255", AddressKind.LOOPBACK),
    ("::1", AddressKind.LOOPBACK),
    ("10.0.0.0", AddressKind.PRIVATE),
    ("10.255.255.255", AddressKind.PRIVATE),
    ("11.0.0.0", AddressKind.ALLOWED),
    ("172.15.255.255", AddressKind.ALLOWED),
    ("172.16.0.0", AddressKind.PRIVATE),
    ("172.31.255.255", AddressKind.PRIVATE),
    ("172.32.0.0", AddressKind.ALLOWED),
    ("192.168.1.1", AddressKind.PRIVATE),
    ("fec0::1", AddressKind.PRIVATE),
    ("100.63.255.255", AddressKind.ALLOWED),
    ("100.64.0.0", AddressKind.SHARED),
    ("100.127.255.255", AddressKind.SHARED),
    ("100.128.0.0", AddressKind.ALLOWED),
    ("169.254.1.1", AddressKind.LINK_LOCAL),
    ("fe80::1", AddressKind.LINK_LOCAL),
    ("169.254.169.254", AddressKind.METADATA),
    ("100.100.100.200", AddressKind.METADATA),
    ("168.63.129.16", AddressKind.METADATA),
    ("192.0.0.192", AddressKind.METADATA),
    ("fd00:ec2::254", AddressKind.METADATA),
    ("fd20:ce::254", AddressKind.METADATA),
    ("fc00::1", AddressKind.UNIQUE_LOCAL),
    ("fdff::1", AddressKind.UNIQUE_LOCAL),
    ("224.0.0.1", AddressKind.MULTICAST),
    ("239.255.255.255", AddressKind.MULTICAST),
    ("ff02::1", AddressKind.MULTICAST),
    ("255.255.255.255", AddressKind.BROADCAST),
    ("240.0.0.1", AddressKind.RESERVED),
    ("192.0.0.1", AddressKind.RESERVED),
    ("192.0.2.1", AddressKind.RESERVED),
    ("192.88.99.1", AddressKind.RESERVED),
    ("198.18.0.1", AddressKind.RESERVED),
    ("198.51.100.1", AddressKind.RESERVED),
    ("203.0.113.1", AddressKind.RESERVED),
    ("2001:db8::1", AddressKind.RESERVED),
    ("3fff::1", AddressKind.RESERVED),
    ("2001:20::1", AddressKind.RESERVED),
    ("100::1", AddressKind.RESERVED),
    ("5f00::1", AddressKind.RESERVED),
    ("64:ff9b:1::a00:1", AddressKind.RESERVED),
    # An IPv4 address within: that one counts.
    ("::ffff:127.0.0.1", AddressKind.LOOPBACK),
    ("::ffff:10.0.0.1", AddressKind.PRIVATE),
    ("::ffff:169.254.169.254", AddressKind.METADATA),
    ("::ffff:8.8.8.8", AddressKind.ALLOWED),
    ("::ffff:0:127.0.0.1", AddressKind.LOOPBACK),
    ("::127.0.0.1", AddressKind.LOOPBACK),
    ("::2", AddressKind.UNSPECIFIED),
    ("64:ff9b::10.0.0.1", AddressKind.PRIVATE),
    ("64:ff9b::8.8.8.8", AddressKind.ALLOWED),
    ("2002:7f00:1::1", AddressKind.LOOPBACK),
    ("2002:808:808::1", AddressKind.ALLOWED),
    ("2001:0:4136:e378:8000:63bf:3fff:fdd2", AddressKind.RESERVED),  # Teredo of 192.0.2.45
    ("2001:0:4136:e378:8000:63bf:f5ff:fffe", AddressKind.PRIVATE),  # Teredo of 10.0.0.1
]


@pytest.mark.parametrize(("address", "verdict"), TABLE)
def test_an_address_is_what_the_registries_say(address, verdict):
    assert classify(ip_address(address)) is verdict


def test_teredo_carries_its_server_too():
    inside = IPv6Address("2001:0:a00:1:8000:63bf:f7f7:f7f7")  # server 10.0.0.1, client 8.8.8.8
    assert carried(inside) == (ip_address("10.0.0.1"), ip_address("8.8.8.8"))
    assert classify(inside) is AddressKind.PRIVATE
