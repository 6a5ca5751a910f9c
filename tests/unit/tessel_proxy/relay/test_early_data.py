"""Data that comes before its target is connected."""

import tracemalloc

from tessel_proxy.relay.early_data import Allowance, EarlyData


def test_what_was_kept_is_handed_over_in_order_and_once():
    early = EarlyData(Allowance())
    assert early.add(b"one ")
    assert early.add(b"two")
    assert early.hand_over() == b"one two"
    assert early.hand_over() == b""


def test_a_tunnel_keeps_no_more_than_its_allowance_for_all_its_substreams():
    allowance = Allowance(10)
    one, other = EarlyData(allowance), EarlyData(allowance)
    assert one.add(b"123456")
    assert not other.add(b"12345")
    assert other.add(b"1234")


def test_what_was_handed_over_may_be_kept_again():
    allowance = Allowance(10)
    early = EarlyData(allowance)
    for _ in range(5):
        assert early.add(b"1234567890")
        early.hand_over()


def test_many_tiny_pieces_cost_about_their_size():
    early, pieces = EarlyData(Allowance()), 20_000
    tracemalloc.start()
    try:
        for number in range(pieces):
            early.add(number.to_bytes(3))
        cost, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert cost < 2 * 3 * pieces


def test_its_size_is_that_of_what_is_kept_now():
    early = EarlyData(Allowance())
    early.add(b"123")
    early.add(b"45")
    assert early.nbytes == 5
    early.hand_over()
    assert early.nbytes == 0
