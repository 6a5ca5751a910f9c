"""What ships for the tests of others."""

from streamplex import Side, TunnelCore
from streamplex.events import DataReceived, MessageReceived, StreamOpened
from streamplex.testing import bytes_of, cut, exchange


def test_the_bytes_of_a_tunnel_are_what_it_sends_next():
    tunnel = TunnelCore(Side.B)
    tunnel.message(1)
    tunnel.message(2)
    assert b'"object":1' in bytes_of(tunnel, 1)
    assert b'"object":2' in bytes_of(tunnel)
    assert bytes_of(tunnel) == b""


def test_bytes_are_cut_at_the_sizes_given_and_the_rest_follows():
    assert list(cut(b"abcdef", [1, 0, 3])) == [b"a", b"", b"bcd", b"ef"]
    assert list(cut(b"ab", [5])) == [b"ab", b""]


def test_an_exchange_carries_what_is_queued_both_ways():
    device, server = TunnelCore(Side.B), TunnelCore(Side.A)
    channel = device.open("net")
    device.send(channel, b"hi")
    server.message("welcome")
    assert exchange(device, server) == (
        [MessageReceived("welcome")],
        [StreamOpened(channel, "net"), DataReceived(channel, b"hi")],
    )
    assert exchange(device, server) == ([], [])
