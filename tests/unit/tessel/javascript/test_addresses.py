"""The addresses of a connection, as fields of an event."""

import pytest
from twisted.internet.address import HostnameAddress, IPv4Address, IPv6Address, UNIXAddress

from tessel.javascript.connection import address_fields


@pytest.mark.parametrize(
    ("address", "fields"),
    [
        (
            IPv4Address("TCP", "192.0.2.1", 80),
            {"address": "192.0.2.1", "port": 80, "family": "IPv4"},
        ),
        (IPv6Address("TCP", "::1", 80), {"address": "::1", "port": 80, "family": "IPv6"}),
        (HostnameAddress(b"far.example", 443), {"address": "far.example", "port": 443}),
        (HostnameAddress(b"::1", 443), {"address": "::1", "port": 443, "family": "IPv6"}),
        (UNIXAddress("/run/socket"), None),
    ],
)
def test_an_address_or_a_name_behind_the_tunnel_is_reported_to_the_program(address, fields):
    assert address_fields(address) == fields
