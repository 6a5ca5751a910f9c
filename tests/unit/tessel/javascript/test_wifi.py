"""The board's Wi-Fi for a JavaScript program, on the device's end of the channel."""

import pytest
from twisted.internet.defer import fail

from support.fake_board import powered_board
from support.fake_wifi import CONNECTION, FakeWifi
from support.javascript.played_child import PlayedChild
from tessel.errors import NodeError
from tessel.node._wifi.board_wifi import NOT_JOINED_HINT
from tessel.radio.interface import LinkState, NetworkUnreachableError, RadioRefusedError

ON = {"enabled": True, "connected": False, "connection": None, "mac": "080028010203"}
OFF = ON | {"enabled": False}
UP = ON | {"connected": True, "connection": CONNECTION}
HOST = {"enabled": True, "connected": True, "connection": None, "mac": None}
HOME = {"ssid": b"home".hex(), "password": b"key".hex(), "security": "wpa2", "timeout": 20}


@pytest.fixture
def radio():
    return FakeWifi()


@pytest.fixture
def board(radio):
    with powered_board(radio) as on:
        yield on


@pytest.fixture
def begun(board, child, radio):
    """A program whose radio is on, and in no network."""
    child.call(1, "wifi")
    radio.answer()
    board.run()
    child.take()
    return child


def event(name, state, **fields):
    return 1, {"event": name, "state": state, **fields}


def answer(call, state, error=None, timed_out=False):
    return event("answer", state, call=call, error=error, timed_out=timed_out)


def test_the_radio_is_switched_on_and_its_state_reported(board, child, radio):
    child.call(1, "wifi")
    assert [asked[0] for asked in radio.asked] == ["switch_on"]
    assert child.take() == []
    radio.answer()
    board.run()
    assert child.take() == [event("begun", ON)]


def test_a_network_that_is_joined_already_is_reported_before_the_start_ends(board, child, radio):
    child.call(1, "wifi")
    radio.move(LinkState.UP)
    radio.answer()
    board.run()
    assert child.take() == [event("state", UP), event("connect", UP), event("begun", UP)]


def test_a_network_is_joined_and_the_call_answered(board, begun, radio):
    begun.call(1, "join", call=7, **HOME)
    assert radio.asked[0][:-1] == ("join", b"home", "wpa2", b"key")
    radio.move(LinkState.UP)
    radio.answer()
    board.run()
    assert begun.take() == [event("connect", UP), event("state", UP), answer(7, UP)]


def test_a_network_that_is_lost_is_reported(board, begun, radio):
    radio.move(LinkState.UP)
    radio.move(LinkState.DOWN)
    board.run()
    names = [fields["event"] for _, fields in begun.take()]
    assert names == ["connect", "state", "disconnect", "state"]


@pytest.mark.parametrize(
    ("op", "asked"), [("leave", ["leave"]), ("enable", ["switch_on"]), ("disable", ["switch_off"])]
)
def test_an_operation_is_done_and_answered(board, begun, radio, op, asked):
    begun.call(1, op, call=0)
    assert [each[0] for each in radio.asked] == asked
    radio.answer()
    board.run()
    assert begun.take() == [answer(0, ON)]


def test_a_reset_switches_off_and_on(board, begun, radio):
    begun.call(1, "reset", call=0)
    radio.move(LinkState.OFF)
    radio.answer()
    radio.move(LinkState.DOWN)
    radio.answer()
    board.run()
    assert begun.take() == [event("state", OFF), event("state", ON), answer(0, ON)]


def test_a_failure_is_answered_with_its_code(board, begun, radio):
    begun.call(1, "join", call=3, **HOME)
    radio.refuse(RadioRefusedError("wrong key"))
    board.run()
    error = {"message": "wrong key", "code": "ECONNREFUSED"}
    assert begun.take() == [answer(3, ON, error)]


def test_a_network_that_is_not_joined_in_time_is_a_timeout(board, begun):
    begun.call(1, "join", call=3, **HOME | {"timeout": 5})
    board.clock.advance(5)
    board.run()
    error = {
        "message": "The network was not joined in time",
        "code": "ETIMEDOUT",
        "hint": NOT_JOINED_HINT,
    }
    assert begun.take() == [
        event("timeout", ON, error=error),
        answer(3, ON, error, timed_out=True),
    ]


def test_options_that_the_radio_cannot_use_are_answered_with_the_error(begun):
    begun.call(1, "join", call=3, **HOME | {"ssid": "00" * 33})
    ((_, fields),) = begun.take()
    assert fields["call"] == 3
    assert fields["error"]["code"] == "ERR_INVALID_ARG_VALUE"


def test_a_network_that_cannot_be_joined_at_the_start_is_a_warning(board, child, radio):
    unreachable = NodeError("ENETUNREACH: Wifi is not connected.", NetworkUnreachableError.code)
    unreachable.hint = "home is not there"
    board.network.up = fail(unreachable)
    child.call(1, "wifi")
    text = "wifi: no network: home is not there. The radio tries again"
    assert child.take()[0][1]["text"] == text
    radio.answer()


def test_the_host_has_no_wifi_and_is_always_connected():
    with powered_board() as board:
        child = PlayedChild(board.runtime)
        child.call(1, "wifi")
        child.call(1, "disable", call=0)
        board.run()
        error = {"message": "RADIO=host has no Wi-Fi of its own", "code": "ENOTSUP"}
        assert child.take() == [event("begun", HOST), answer(0, HOST, error)]


def test_a_program_that_ends_stops_watching_the_radio(begun, radio):
    begun.end()
    begun.take()
    radio.move(LinkState.UP)
    assert "state" not in [fields["event"] for _, fields in begun.take()]
    assert not len(begun.bridge.channel)


@pytest.mark.parametrize(
    ("object_id", "op", "fields"),
    [
        (1, "fly", {"call": 0}),
        (1, "leave", {}),
        (1, "leave", {"call": -1}),
        (1, "join", {"call": 0}),
        (1, "join", {"call": 0, **HOME, "ssid": "home"}),
        (1, "join", {"call": 0, **HOME, "password": 5}),
        (1, "join", {"call": 0, **HOME, "timeout": 1.5}),
        (1, "join", {"call": 0, **HOME, "security": None}),
        (3, "wifi", {}),
    ],
)
def test_a_call_that_is_not_allowed_ends_the_program(begun, object_id, op, fields):
    begun.call(object_id, op, **fields)
    assert len(begun.broken) == 1


def test_bytes_and_credit_for_wifi_end_the_program(begun):
    begun.data(1, b"bytes")
    assert begun.broken == ["5 bytes for Wi-Fi"]


def test_credit_for_wifi_ends_the_program(begun):
    begun.credit(1, 5)
    assert begun.broken == ["a credit of 5 for Wi-Fi"]
