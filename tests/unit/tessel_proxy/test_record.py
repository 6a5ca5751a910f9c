"""What is told in the log."""

import json

import pytest
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress

from servicekit.logs import json_record, text_record
from tessel_proxy.record import TunnelOutcome, TunnelRecord, peer_name
from unit.tessel_proxy.stage import LoggedEvents


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


def test_why_a_tunnel_ended_is_told_to_people_and_to_programs():
    with LoggedEvents() as logged:
        record = TunnelRecord(tunnel=7, peer="192.0.2.9:4711", started_at=1.0)
        record.log_closed(2.0, TunnelOutcome.PROTOCOL_FAULT, "message for channel 4")
    (event,) = logged.named("tunnel_closed")
    assert json.loads(json_record(event))["why"] == "message for channel 4"
    assert text_record(event).endswith(": message for channel 4\n")
