"""Data that comes before its target is connected, on all substreams of a tunnel."""

import tracemalloc

import pytest

from support.proxy_in_memory import Stage
from tessel_proxy.relay.early_data import TUNNEL_BYTES

HALF = bytes(TUNNEL_BYTES // 2)
TOO_MUCH = ("error", "write ENOBUFS: too much data before _pls_connect")


@pytest.fixture
def stage():
    stage = Stage()
    stage.authenticate()
    return stage


def bytes_left(stage):
    return stage.session._authenticated._context.early_bytes_left


def write(stage, device, data):
    device.transport.write(data)
    stage.pump()


def test_a_tunnel_keeps_no_more_than_its_allowance_for_all_its_substreams(stage):
    one, other = stage.open(), stage.open()
    write(stage, one, HALF + b"x")
    write(stage, other, HALF)
    assert one.events == []
    assert TOO_MUCH in other.events


def test_what_was_written_to_a_target_may_be_kept_again(stage):
    for number in range(3):
        device = stage.connect()
        write(stage, device, b"early")
        assert bytes_left(stage) == TUNNEL_BYTES - 5
        assert stage.dial(number).stands().value() == b"early"
        assert bytes_left(stage) == TUNNEL_BYTES


def test_what_a_device_gives_up_may_be_kept_again(stage):
    device = stage.open()
    write(stage, device, HALF)
    device.transport.fail("never mind")
    stage.pump()
    assert bytes_left(stage) == TUNNEL_BYTES


def test_many_tiny_pieces_cost_about_their_size(stage):
    stage.open()
    relay, pieces = stage.server.substreams[2].protocol, 20_000
    tracemalloc.start()
    try:
        for number in range(pieces):
            relay.dataReceived(number.to_bytes(3))
        cost, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert cost < 2 * 3 * pieces
