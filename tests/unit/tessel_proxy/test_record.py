"""What is told in the log."""

import pytest
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress

from tessel_proxy.record import peer_name


@pytest.mark.parametrize(
    ("address", "name"),
    [
        (IPv4Address("TCP", "192.0.2.1", 80), "192.0.2.1:80"),
        (IPv6Address("TCP", "2001:db8::1", 80), "[2001:db8::1]:80"),
        (IPv6Address("TCP", "::ffff:192.0.2.1", 80), "192.0.2.1:80"),
        (UNIXAddress("/tmp/x"), "UNIXAddress('/tmp/x')"),
    ],
)
def test_a_peer_is_named_by_address_and_port(address, name):
    assert peer_name(address) == name
