"""The flow control of one socket on the channel."""

import pytest

from tessel.javascript.flow import CREDIT_STEP_BYTES, WINDOW_BYTES, Received, Window
from tessel.javascript.frames import FrameError


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


def test_bytes_without_credit_are_an_error():
    received = Received()
    received.came(WINDOW_BYTES - 1)
    with pytest.raises(FrameError, match="2 bytes of a socket with credit for 1"):
        received.came(2)


def test_credit_that_was_returned_may_be_used():
    received = Received()
    received.came(WINDOW_BYTES)
    returned = received.consumed(WINDOW_BYTES)
    received.came(returned)
    with pytest.raises(FrameError):
        received.came(1)


def test_bytes_beyond_the_window_wait_in_order():
    window = Window()
    assert len(window.take(b"a" * WINDOW_BYTES)) == WINDOW_BYTES
    assert window.take(b"b") == b""
    assert window.take(b"c") == b""
    assert window.full
    assert window.credited(1) == b"b"
    assert window.credited(1) == b"c"
    assert not window.full


@pytest.mark.parametrize(("sent", "credit"), [(0, 1), (10, 11), (0, 2**32 - 1)])
def test_credit_for_bytes_that_were_not_sent_is_an_error(sent, credit):
    window = Window()
    window.take(bytes(sent))
    with pytest.raises(FrameError, match=f"a credit for {credit} bytes .* allowed: up to {sent}"):
        window.credited(credit)
