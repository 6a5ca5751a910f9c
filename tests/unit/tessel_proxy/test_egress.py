"""What kind of address is this? By IANA's registries, at the borders of each range."""

from ipaddress import IPv6Address, ip_address

import pytest

from tessel_proxy.egress.addresses import Verdict, carried, classify

TABLE = [
    ("8.8.8.8", Verdict.ALLOWED),
    ("1.1.1.1", Verdict.ALLOWED),
    ("223.255.255.255", Verdict.ALLOWED),
    ("2606:4700:4700::1111", Verdict.ALLOWED),
    ("0.0.0.0", Verdict.UNSPECIFIED),
    ("0.1.2.3", Verdict.UNSPECIFIED),
    ("::", Verdict.UNSPECIFIED),
    ("127.0.0.1", Verdict.LOOPBACK),
    ("127.255.255.255", Verdict.LOOPBACK),
    ("::1", Verdict.LOOPBACK),
    ("10.0.0.0", Verdict.PRIVATE),
    ("10.255.255.255", Verdict.PRIVATE),
    ("11.0.0.0", Verdict.ALLOWED),
    ("172.15.255.255", Verdict.ALLOWED),
    ("172.16.0.0", Verdict.PRIVATE),
    ("172.31.255.255", Verdict.PRIVATE),
    ("172.32.0.0", Verdict.ALLOWED),
    ("192.168.1.1", Verdict.PRIVATE),
    ("fec0::1", Verdict.PRIVATE),
    ("100.63.255.255", Verdict.ALLOWED),
    ("100.64.0.0", Verdict.SHARED),
    ("100.127.255.255", Verdict.SHARED),
    ("100.128.0.0", Verdict.ALLOWED),
    ("169.254.1.1", Verdict.LINK_LOCAL),
    ("fe80::1", Verdict.LINK_LOCAL),
    ("169.254.169.254", Verdict.METADATA),
    ("100.100.100.200", Verdict.METADATA),
    ("168.63.129.16", Verdict.METADATA),
    ("192.0.0.192", Verdict.METADATA),
    ("fd00:ec2::254", Verdict.METADATA),
    ("fd20:ce::254", Verdict.METADATA),
    ("fc00::1", Verdict.UNIQUE_LOCAL),
    ("fdff::1", Verdict.UNIQUE_LOCAL),
    ("224.0.0.1", Verdict.MULTICAST),
    ("239.255.255.255", Verdict.MULTICAST),
    ("ff02::1", Verdict.MULTICAST),
    ("255.255.255.255", Verdict.BROADCAST),
    ("240.0.0.1", Verdict.RESERVED),
    ("192.0.0.1", Verdict.RESERVED),
    ("192.0.2.1", Verdict.RESERVED),
    ("192.88.99.1", Verdict.RESERVED),
    ("198.18.0.1", Verdict.RESERVED),
    ("198.51.100.1", Verdict.RESERVED),
    ("203.0.113.1", Verdict.RESERVED),
    ("2001:db8::1", Verdict.RESERVED),
    ("3fff::1", Verdict.RESERVED),
    ("2001:20::1", Verdict.RESERVED),
    ("100::1", Verdict.RESERVED),
    ("5f00::1", Verdict.RESERVED),
    ("64:ff9b:1::a00:1", Verdict.RESERVED),
    # An IPv4 address within: that one counts.
    ("::ffff:127.0.0.1", Verdict.LOOPBACK),
    ("::ffff:10.0.0.1", Verdict.PRIVATE),
    ("::ffff:169.254.169.254", Verdict.METADATA),
    ("::ffff:8.8.8.8", Verdict.ALLOWED),
    ("::ffff:0:127.0.0.1", Verdict.LOOPBACK),
    ("::127.0.0.1", Verdict.LOOPBACK),
    ("::2", Verdict.UNSPECIFIED),
    ("64:ff9b::10.0.0.1", Verdict.PRIVATE),
    ("64:ff9b::8.8.8.8", Verdict.ALLOWED),
    ("2002:7f00:1::1", Verdict.LOOPBACK),
    ("2002:808:808::1", Verdict.ALLOWED),
    ("2001:0:4136:e378:8000:63bf:3fff:fdd2", Verdict.RESERVED),  # Teredo of 192.0.2.45
    ("2001:0:4136:e378:8000:63bf:f5ff:fffe", Verdict.PRIVATE),  # Teredo of 10.0.0.1
]


@pytest.mark.parametrize(("address", "verdict"), TABLE)
def test_an_address_is_what_the_registries_say(address, verdict):
    assert classify(ip_address(address)) is verdict


def test_teredo_carries_its_server_too():
    inside = IPv6Address("2001:0:a00:1:8000:63bf:f7f7:f7f7")  # server 10.0.0.1, client 8.8.8.8
    assert carried(inside) == (ip_address("10.0.0.1"), ip_address("8.8.8.8"))
    assert classify(inside) is Verdict.PRIVATE
