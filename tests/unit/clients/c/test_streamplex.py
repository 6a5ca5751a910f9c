"""The C client by itself: what it refuses, and what it does when its buffers are full."""

import pytest

from streamplex import encoding, messages
from support.clients.c_client import FEATURES, CDevice

ROOM, STREAMS, NUMBERS, STATE, ARGUMENT, PEER_RESET = -1, -2, -3, -4, -5, -6


def accepted(library, offered=FEATURES, window=1024, peers_window=65_536, **sizes):
    device = CDevice(library, **sizes)
    device.start("token", None, set(offered) - {"device/1"}, window)
    device.sent()
    answer = {"authed": True, "features": list(offered), "window": peers_window}
    assert device.receive(encoding.message(answer))[0][0] == "accepted"
    return device


def close(device, stream):
    assert device.receive(encoding.custom(stream, "close", ())) == [("close", stream)]


@pytest.mark.parametrize(
    ("frame", "what"),
    [
        (b"\x00\x00", "an empty frame"),
        (b"\x00\x02\x00\x02", "a body of two bytes"),
        (b"\x00\x03\x00\x02\x02", "an unknown type"),
        (messages.data_header(0, 1) + b"x", "data on the control channel"),
        (messages.data_header(4, 1) + b"x", "data of a substream that was never opened"),
        (messages.data_header(2, 0), "an empty data message"),
        (messages.data_header(2, 1025) + bytes(1025), "more data than the window"),
        (encoding.stream_ended(4), "an end of a substream that was never opened"),
        (encoding.stream_ended(2) * 2, "a second end"),
        (encoding.stream_ended(2) + messages.data_header(2, 1) + b"x", "data after the end"),
        (encoding.credit_granted(2, 2**31 - 1), "credit above the limit"),
        (messages.encode_json(2, {"event": "error", "message": 3}), "an error without text"),
    ],
)
def test_a_fault_is_reported_and_nothing_follows(library, frame, what):
    device = accepted(library)
    device.connect("net", "a", 80)
    assert device.receive(frame)[-1] == ("fault",), what
    assert device.receive(encoding.ping(1)) == [("fault",)]
    assert device.send(2, b"x") == 1  # the program may go on calling until it notices


def test_data_beyond_the_credit_is_not_queued(library):
    device = accepted(library, peers_window=10)
    stream = device.connect("net", "a", 80)
    assert device.send(stream, bytes(30)) == 10
    assert device.send(stream, b"x") == 0
    device.receive(encoding.credit_granted(stream, 1))
    assert device.send(stream, b"xy") == 1


def test_a_full_output_buffer_changes_nothing(library):
    device = accepted(library, output_bytes=512)
    stream = device.connect("net", "a", 80)
    device.sent()
    queued = device.send(stream, bytes(1000))
    assert queued == 512 - 5
    for what in (device.end, device.reset, lambda it: device.abort(it, "x")):
        assert what(stream) == ROOM
    assert device.ping() == ROOM
    assert device.connect("net", "b", 80) == ROOM
    assert len(device.sent()) == 512
    assert device.connect("net", "b", 80) == stream + 2


def test_answers_wait_for_room_and_are_sent_later(library):
    device = accepted(library, output_bytes=512)
    stream = device.connect("net", "a", 80)
    other = device.connect("net", "a", 80)
    device.sent()
    device.receive(messages.data_header(stream, 1000) + bytes(1000))
    device.send(stream, bytes(1000))
    device.receive(encoding.pong(7).replace(b"pong", b"ping"))
    device.receive(encoding.pong("é").replace(b"pong", b"ping"))
    device.consumed(stream, 1000)
    close(device, other)
    assert len(device.sent()) == 512
    # the newer ping counts; the grant and the end of the closed substream follow
    expected = (
        encoding.pong("é"),
        encoding.credit_granted(stream, 1000),
        encoding.stream_ended(other),
    )
    assert device.sent() == b"".join(expected)
    assert device.sent() == b""


def test_the_number_of_substreams_is_limited_by_the_table(library):
    device = accepted(library, streams=2)
    assert [device.connect("net", "a", 80) for _ in range(3)] == [2, 4, STREAMS]
    close(device, 2)
    assert device.connect("net", "a", 80) == 6


def test_numbers_are_used_again_only_with_reuse(library):
    for offered, after_the_last in ((FEATURES, 4), (set(FEATURES) - {"reuse/1"}, NUMBERS)):
        device = accepted(library, offered, streams=2)
        stays = device.connect("net", "a", 80)
        for number in range(4, 65_536, 2):
            assert device.connect("net", "a", 80) == number
            close(device, number)
            device.sent()
        assert stays == 2
        assert device.connect("net", "a", 80) == after_the_last


def test_a_number_that_was_released_last_is_not_used_next(library):
    device = accepted(library, streams=2)
    for number in range(2, 65_536, 2):
        assert device.connect("net", "a", 80) == number
        if number != 2:
            close(device, number)
        device.sent()
    close(device, 2)
    device.sent()
    assert device.connect("net", "a", 80) == 4


def test_late_messages_of_a_released_number_are_dropped(library):
    device = accepted(library)
    stream = device.connect("net", "a", 80)
    close(device, stream)
    late = messages.data_header(stream, 3) + b"abc" + encoding.stream_ended(stream)
    assert device.receive(late + encoding.credit_granted(stream, 5)) == []


def test_after_goaway_nothing_is_opened_and_open_substreams_go_on(library):
    device = accepted(library)
    stream = device.connect("net", "a", 80)
    assert device.receive(encoding.go_away(1800)) == [("goaway", 1800)]
    assert device.connect("net", "a", 80) == STATE
    assert device.send(stream, b"x") == 1


def test_nothing_can_be_sent_after_the_end_or_the_peers_reset(library):
    device = accepted(library)
    ended, reset = device.connect("net", "a", 80), device.connect("net", "a", 80)
    device.end(ended)
    device.receive(encoding.stream_reset(reset))
    assert (device.send(ended, b"x"), device.end(ended)) == (STATE, STATE)
    assert device.send(reset, b"x") == PEER_RESET


def test_what_comes_after_this_sides_reset_is_dropped(library):
    device = accepted(library)
    stream = device.connect("net", "a", 80)
    device.reset(stream)
    assert device.receive(messages.data_header(stream, 3) + b"abc") == []
    assert device.reset(stream) == STATE


def test_nothing_is_opened_before_the_answer_or_after_a_refusal(library):
    device = CDevice(library)
    device.start("token", None, {"ping/1"}, 1024)
    assert device.connect("net", "a", 80) == STATE
    device.receive(encoding.message({"authed": False}))
    assert device.connect("net", "a", 80) == STATE


def test_without_features_everything_may_be_sent_at_once(library):
    device = CDevice(library)
    device.start("DEV-CRED", None, (), 1024)
    stream = device.connect("net", "127.0.0.1", 17_000)
    device.send(stream, b"0123456789")
    assert device.sent() == b"".join(
        [
            encoding.message({"token": "DEV-CRED"}),
            encoding.stream_opened(2, "net"),
            encoding.custom(2, "_pls_connect", (17_000, "127.0.0.1")),
            messages.data_header(2, 10) + b"0123456789",
        ]
    )


@pytest.mark.parametrize(
    "call",
    [
        lambda device: device.connect("net", "", 80),
        lambda device: device.connect("net", "a" * 257, 80),
        lambda device: device.connect("net", "a", 0),
        lambda device: device.consumed(device.connect("net", "a", 80), 1),
    ],
)
def test_a_wrong_argument_is_refused(library, call):
    assert call(accepted(library)) == ARGUMENT


def test_memory_that_cannot_do_is_refused(library):
    assert CDevice(library, output_bytes=511).started == ARGUMENT
    assert CDevice(library, streams=1025).started == ARGUMENT


def test_it_is_started_once_with_a_window_and_a_short_name(library):
    device = CDevice(library)
    for window, name in ((0, None), (2**31, None), (1, ""), (1, "n" * 65)):
        assert device.start("token", name, FEATURES, window) == ARGUMENT
    assert device.start("token", "n" * 64, FEATURES, 1) == 0
    assert device.start("token", None, FEATURES, 1) == STATE


def test_a_cut_frame_is_noticed(library):
    device = accepted(library)
    device.receive(encoding.go_away(1)[:-1])
    assert not device.between_frames


def test_an_answer_to_a_ping_is_reported(library):
    device = accepted(library)
    device.ping()
    device.receive(encoding.pong(1))
    assert device.pongs == 1


def test_a_text_that_no_frame_can_hold_is_refused(library):
    device = accepted(library, output_bytes=150_000)
    stream = device.connect("net", "a", 80)
    device.sent()
    assert device.abort(stream, "x" * 66_000) == ARGUMENT
    assert device.sent() == b""
    fresh = CDevice(library, output_bytes=150_000)
    assert fresh.start("x" * 66_000, None, set(), 1024) == ARGUMENT
    assert fresh.sent() == b""


def test_a_text_that_the_empty_buffer_cannot_hold_is_not_to_be_tried_again(library):
    device = accepted(library, output_bytes=512)
    assert device.connect("net", "\x01" * 100, 80) == ARGUMENT
    stream = device.connect("net", "a", 80)
    assert device.abort(stream, "x" * 600) == ROOM  # what waits would be sent first
    device.sent()
    assert device.abort(stream, "x" * 600) == ARGUMENT


def test_a_token_longer_than_the_buffer_is_refused(library):
    device = CDevice(library, output_bytes=512)
    assert device.start("t" * 512, None, FEATURES, 1) == ARGUMENT
    assert device.sent() == b""
