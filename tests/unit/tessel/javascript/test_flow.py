"""The flow control of one socket on the channel."""

from tessel.javascript.flow import CREDIT_STEP_BYTES, WINDOW_BYTES, Received, Window


def test_credit_is_returned_in_steps():
    received = Received()
    assert received.consumed(CREDIT_STEP_BYTES - 1) == 0
    assert received.consumed(2) == CREDIT_STEP_BYTES + 1
    assert received.consumed(1) == 0


def test_all_that_is_owed_is_returned_on_demand():
    received = Received()
    received.consumed(5)
    assert received.consumed(0, all_of_it=True) == 5


def test_bytes_that_a_full_transport_holds_are_owed_until_it_has_room():
    received = Received()
    received.owe(WINDOW_BYTES)
    received.owe(1)
    assert received.consumed(0, all_of_it=True) == WINDOW_BYTES + 1


def test_bytes_beyond_the_window_wait_in_order():
    window = Window()
    assert len(window.take(b"a" * WINDOW_BYTES)) == WINDOW_BYTES
    assert window.take(b"b") == b""
    assert window.take(b"c") == b""
    assert window.full
    assert window.credited(1) == b"b"
    assert window.credited(1) == b"c"
    assert not window.full
