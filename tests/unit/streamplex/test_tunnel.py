"""The core: bytes in, events out; calls in, bytes out."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamplex import (
    ChannelsExhaustedError,
    LocalError,
    PeerLimits,
    RemoteError,
    Side,
    TunnelCore,
    encoding,
    events,
)
from streamplex.events import (
    CustomReceived,
    DataReceived,
    Fault,
    GoAway,
    Ignored,
    MessageReceived,
    StreamEnded,
    StreamFailed,
    StreamOpened,
)
from streamplex.features import GOAWAY, PING, RETRY, REUSE
from streamplex.frames import encode_frame
from streamplex.messages import data_header
from streamplex.states import State
from streamplex.testing import bytes_of, cut, exchange

LAST_OF_DEVICE = 65534


def data(channel, data):
    return data_header(channel, len(data)) + data


def said(channel, value):
    return encode_frame(bytes([channel >> 8, channel & 255, 1]) + json.dumps(value).encode())


def fault_of(tunnel, received):
    """The text of the fault that these bytes are, what came before it being delivered."""
    *_, last = tunnel.receive(received)
    assert isinstance(last, Fault)
    assert isinstance(last.error, RemoteError)
    return str(last.error)


@pytest.fixture
def device():
    return TunnelCore(Side.B)


@pytest.fixture
def server():
    return TunnelCore(Side.A)


@pytest.fixture
def pair(device, server):
    """A device and a server with substream 2 open."""
    device.open("net")
    exchange(device, server)
    return device, server


DIALOGUE = (
    encoding.message({"token": "x"})
    + encoding.stream_opened(2, "net")
    + encoding.custom(2, "_pls_connect", (80, "example.com"))
    + data(2, b"GET")
    + said(2, {"event": "later"})
    + said(0, {"type": "later"})
    + encoding.stream_failed(2, "oops")
    + encoding.stream_ended(2)
)
HEARD = [
    MessageReceived({"token": "x"}),
    StreamOpened(2, "net"),
    CustomReceived(2, "_pls_connect", (80, "example.com")),
    DataReceived(2, b"GET"),
    Ignored(2, "event 'later'"),
    Ignored(0, "control message of type 'later'"),
    StreamFailed(2, "oops"),
    StreamEnded(2),
]


def test_a_dialogue_in_one_read_is_heard(server):
    assert server.receive(DIALOGUE) == HEARD


def test_a_dialogue_byte_by_byte_is_heard(server):
    heard = [event for byte in DIALOGUE for event in server.receive(bytes([byte]))]
    assert heard == HEARD


def test_bytes_behind_a_dialogue_wait(server):
    assert server.receive(DIALOGUE + b"\x00\x1c\x00") == HEARD


@given(st.lists(st.integers(0, 60)))
def test_a_dialogue_cut_anywhere_is_heard(sizes):
    server = TunnelCore(Side.A)
    assert [e for piece in cut(DIALOGUE, sizes) for e in server.receive(piece)] == HEARD


def test_empty_data_is_no_event(pair):
    _, server = pair
    assert server.receive(data(2, b"")) == []


# --- the peer's faults


@pytest.mark.parametrize(
    ("received", "why"),
    [
        (b"\x00\x00", "frame body of 0 bytes; at least 3 are needed"),
        (b"\x00\x01\x00", "frame body of 1 byte; at least 3 are needed"),
        (b"\x00\x02\x00\x02", "frame body of 2 bytes; at least 3 are needed"),
        (encode_frame(b"\x00\x02\x09"), "message type 0x09 on channel 2; known: data 0x00, JSON"),
        (encode_frame(b"\x00\x02\x01\xff"), "invalid JSON of 1 byte: 'utf-8' codec"),
        (encode_frame(b"\x00\x02\x01NaN"), "invalid JSON of 3 bytes: NaN is not JSON"),
        (said(0, []), "JSON of type list on channel 0; an object is expected"),
        (data(0, b"x"), "data on the control channel; allowed there: JSON"),
        (said(0, {"type": "stream", "sock": True}), "substream number of type bool; an integer"),
        (said(0, {"type": "stream", "sock": 4.0}), "substream number of type float; an integer"),
        (said(0, {"type": "stream", "sock": 3}), "substream number 3; side B opens even numbers"),
        (said(0, {"type": "stream", "sock": 0}), "substream number 0; side B opens even numbers"),
        (said(0, {"type": "stream", "sock": -2}), "substream number -2; side B opens even"),
        (said(0, {"type": "stream", "sock": 65536}), "number 65536; side B opens even numbers"),
        (said(0, {"type": "stream", "sock": 2}), "substream 2 opened while it is in use"),
        (data(4, b"x"), "message for channel 4, which was never opened"),
        (data(1, b"x"), "message for channel 1, which was never opened"),
        (encoding.stream_ended(4), "message for channel 4, which was never opened"),
        (encoding.stream_failed(65535, ""), "message for channel 65535, which was never opened"),
        (encoding.custom(6, "x", ()), "message for channel 6, which was never opened"),
        (said(8, {"event": "later"}), "message for channel 8, which was never opened"),
        (encoding.stream_ended(2) * 2, "a second end on substream 2"),
        (encoding.stream_ended(2) + data(2, b"x"), "data after the end on substream 2"),
        (encoding.stream_ended(2) + data(2, b""), "data after the end on substream 2"),
    ],
)
def test_a_fault_is_the_last_event_and_says_what_was_seen(server, received, why):
    heard = server.receive(encoding.stream_opened(2, "net") + received)
    assert heard[0] == StreamOpened(2, "net")
    assert isinstance(heard[-1], Fault)
    assert why in str(heard[-1].error)
    assert not any(isinstance(event, Fault) for event in heard[:-1])


@pytest.mark.parametrize(
    "text",
    [
        b'{"type":"message","object":{"token":"S3CRET"}',
        b'{"type":"message","object":{"token":"S3CRET","x":NaN}}',
        b'{"type":"message","object":{"token":"S3CRET\xff"}}',
        rb'{"type":"message","object":{"token":"S3CRET\ud800"}}',
        rb'{"type":"message","object":{"token":"S3CRET\x"}}',
        b'{"type":"message","object":{"token":"S3CRET\n"}}',
        b'{"type":"message","object":{"token":"S3CRET","x":' + b"[" * 70 + b"]" * 70 + b"}}",
        b'{"type":"message","object":{"token":"S3CRET","x":' + b"9" * 400 + b"}}",
        b'["token","S3CRET"]',
        b'"S3CRET"',
        b"S3CRET",
        b'{"type":"stream","sock":{"token":"S3CRET"}}',
    ],
    ids=lambda text: ascii(text)[:60],
)
def test_no_fault_quotes_a_message_of_the_control_channel_which_may_hold_a_token(server, text):
    (fault,) = server.receive(encode_frame(b"\x00\x00\x01" + text))
    assert isinstance(fault, Fault)
    assert "S3CRET" not in str(fault.error)


def test_what_came_before_a_fault_stands_and_nothing_follows_it(server):
    heard = server.receive(DIALOGUE + b"\x00\x00" + DIALOGUE)
    assert heard[:-1] == HEARD
    assert isinstance(heard[-1], Fault)


def test_bytes_after_a_fault_are_the_callers_mistake(server):
    server.receive(b"\x00\x00")
    with pytest.raises(LocalError, match="a tunnel that has failed"):
        server.receive(b"\x00")


def test_a_stream_that_ends_inside_a_frame_is_a_fault(server):
    server.receive(b"\x00\x05\x00")
    with pytest.raises(RemoteError, match="ends inside a frame, after 3 bytes"):
        server.receive_end()


def test_a_stream_may_end_between_frames(server):
    server.receive(DIALOGUE)
    server.receive_end()


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything(received):
    server = TunnelCore(Side.A)
    server.receive(encoding.stream_opened(2, None))
    for event in server.receive(received):
        assert isinstance(event, Fault) or event is not None


@settings(max_examples=200)
@given(st.data())
def test_no_damage_to_a_dialogue_raises_anything(draw):
    damaged = bytearray(DIALOGUE)
    for _ in range(draw.draw(st.integers(1, 4))):
        damaged[draw.draw(st.integers(0, len(damaged) - 1))] = draw.draw(st.integers(0, 255))
    heard = TunnelCore(Side.A).receive(bytes(damaged))
    assert not any(isinstance(event, Fault) for event in heard[:-1])


def test_a_peer_that_asks_without_reading_is_at_fault():
    server = TunnelCore(Side.A, PeerLimits(max_unread_answer_bytes=1000))
    for number in range(30):
        server.message({"answer": number})
    assert fault_of(server, b"\x00") == (
        "the peer does not read the answers: 1370 bytes of them wait; allowed: 1000"
    )


def test_a_peer_that_reads_its_answers_may_ask_on():
    server = TunnelCore(Side.A, PeerLimits(max_unread_answer_bytes=1000))
    for number in range(30):
        server.message({"answer": number})
        bytes_of(server)
        assert server.receive(encoding.message(number)) == [MessageReceived(number)]


def test_a_peer_that_says_more_than_it_may_is_at_fault(server):
    server.hear_at_most(30)
    assert len(server.receive(said(0, {"type": "x"}) * 2)) == 2  # what comes together is heard
    assert "unauthenticated peer" in fault_of(server, b"\0")


def test_a_peer_that_may_say_what_it_likes_again_is_heard(server):
    server.hear_at_most(1)
    assert server.receive(said(0, {"type": "x"}))
    server.hear_at_most(None)
    assert server.receive(said(0, {"type": "x"}))


def test_data_that_waits_is_no_fault_of_the_peers(pair):
    device, server = pair
    server.send(2, bytes(64 << 20))
    device.message(1)
    assert server.receive(bytes_of(device)) == [MessageReceived(1)]


# --- messages in flight


def test_messages_for_a_substream_that_is_done_are_dropped(pair):
    device, server = pair
    server.end(2)
    server.release(2)
    device.send(2, b"in flight")
    device.emit(2, "x")
    device.fail(2, "y")
    device.end(2)
    for_device, for_server = exchange(device, server)
    assert for_server == []
    assert for_device == [StreamEnded(2)]
    assert server.receive(said(2, {"event": "later"})) == []


def test_messages_for_a_substream_that_the_opener_has_released_are_dropped(pair):
    device, server = pair
    device.end(2)
    device.release(2)
    server.send(2, b"in flight")
    server.end(2)
    assert exchange(device, server)[0] == []


def test_a_number_below_the_highest_counts_as_opened(server):
    server.receive(encoding.stream_opened(8, None))
    assert server.receive(data(4, b"skipped")) == []


# --- what we say


def test_what_is_said_is_heard(pair):
    device, server = pair
    device.send(2, b"hello")
    device.emit(2, "event", 1, None)
    device.fail(2, "oops")
    device.end(2)
    device.message([1])
    assert exchange(device, server)[1] == [
        MessageReceived([1]),
        DataReceived(2, b"hello"),
        CustomReceived(2, "event", (1, None)),
        StreamFailed(2, "oops"),
        StreamEnded(2),
    ]


def test_a_tunnel_with_nothing_to_say_is_false(device):
    assert not device
    device.open("net")
    assert device
    bytes_of(device)
    assert not device


@pytest.mark.parametrize(
    "call",
    [
        lambda tunnel: tunnel.send(4, b"x"),
        lambda tunnel: tunnel.end(4),
        lambda tunnel: tunnel.fail(4, "x"),
        lambda tunnel: tunnel.emit(4, "x"),
        lambda tunnel: tunnel.abort(4, "x"),
        lambda tunnel: tunnel.release(4),
        lambda tunnel: tunnel.stream(4).state,
    ],
)
def test_calls_on_a_substream_that_is_not_open_are_the_callers_fault(pair, call):
    for tunnel in pair:
        with pytest.raises(LocalError, match="substream 4 is not open"):
            call(tunnel)


def test_data_after_the_end_is_the_callers_fault(device):
    device.open(None)
    device.end(2)
    with pytest.raises(LocalError, match="substream 2 has ended; nothing may follow"):
        device.send(2, b"x")
    with pytest.raises(LocalError, match="substream 2 has ended; nothing may follow"):
        device.end(2)


def test_an_event_that_is_not_json_changes_nothing(device):
    device.open(None)
    bytes_of(device)
    for call in (lambda: device.emit(2, "x", b""), lambda: device.open("\ud800")):
        with pytest.raises(LocalError, match="not a JSON value"):
            call()
    assert not device
    with pytest.raises(LocalError, match="substream 4 is not open"):
        device.stream(4)


def test_an_opener_may_not_release_before_its_end(pair):
    device, server = pair
    with pytest.raises(LocalError, match="substream 2 released by its opener before its end"):
        device.release(2)
    server.release(2)


def test_an_abort_comes_in_place_of_the_data_and_before_the_end(pair):
    device, server = pair
    device.emit(2, "first")
    device.send(2, b"never")
    device.end(2)
    device.abort(2, "aborted")
    assert exchange(device, server)[1] == [
        CustomReceived(2, "first", ()),
        StreamFailed(2, "aborted"),
        StreamEnded(2),
    ]


def test_a_write_larger_than_a_frame_leaves_in_several(pair):
    device, _ = pair
    device.send(2, bytes(70_000))
    assert bytes_of(device) == data(2, bytes(65_531)) + data(2, bytes(4_469))


# --- numbers


def test_without_reuse_a_device_opens_32767_substreams():
    device = TunnelCore(Side.B)
    device.enable([RETRY])
    for _ in range(32_767):
        device.end(device.open(None))
    with pytest.raises(ChannelsExhaustedError, match="the peer lacks reuse/1"):
        device.open(None)


def test_a_feature_is_off_again_when_it_is_not_among_those_named(device):
    device.enable({REUSE})
    assert device._substreams.own.reuse
    device.enable([])
    assert not device._substreams.own.reuse


@pytest.fixture
def last_numbers(device, server):
    """A device with one number left, that it may use again."""
    device.enable([REUSE])
    device._substreams.own._next = LAST_OF_DEVICE
    server._substreams.peers._highest = LAST_OF_DEVICE - 2
    return device, server


def test_a_released_number_is_not_opened_again_until_what_it_had_queued_has_left(last_numbers):
    device, server = last_numbers
    channel = device.open(None)
    exchange(device, server)
    device.send(channel, bytes(100_000))
    device.end(channel)
    device.release(channel)
    received = bytes_of(device, 1)
    with pytest.raises(ChannelsExhaustedError, match="are in use"):
        device.open(None)
    received += bytes_of(device)
    assert device.open(None) == channel
    *_, end = server.receive(received)
    assert end == StreamEnded(channel)


def test_while_one_number_is_leaving_others_may_leave_too(last_numbers):
    device, _ = last_numbers
    device._substreams.own._next -= 2
    one, other = device.open(None), device.open(None)
    bytes_of(device)
    for channel in (one, other):
        device.end(channel)
    device.release(other)
    bytes_of(device)
    assert device.open(None) == other
    assert device.stream(one).state is State.LOCAL_ENDED


def test_an_accepter_takes_a_number_again_that_it_is_done_with(pair):
    _, server = pair
    server.release(2)
    assert server.receive(encoding.stream_opened(2, "again")) == [StreamOpened(2, "again")]
    assert server.stream(2).state is State.OPEN


# --- as recorded from the original

TOKEN = bytes.fromhex("0033000001" + b'{"type":"message","object":{"token":"DEV-CRED"}}'.hex())
AUTHED = bytes.fromhex("002e000001" + b'{"type":"message","object":{"authed":true}}'.hex())
OPEN_NET = bytes.fromhex(
    "002a0000017b2274797065223a2273747265616d222c22736f636b223a322c226e616d65223a226e6574227d"
)
PLS_CONNECT = bytes.fromhex(
    "00430002017b226576656e74223a22637573746f6d222c22656d697441726773223a5b225f706c735f636f6e6e"
    "656374222c31373030302c223132372e302e302e31225d7d"
)
CONNECT = bytes.fromhex(
    "002c0002017b226576656e74223a22637573746f6d222c22656d697441726773223a5b22636f6e6e656374225d7d"
)
TEN_BYTES = bytes.fromhex("000d00020030313233343536373839")
END = bytes.fromhex("00120002017b226576656e74223a22656e64227d")
CLOSE = bytes.fromhex(
    "002a0002017b226576656e74223a22637573746f6d222c22656d697441726773223a5b22636c6f7365225d7d"
)


def test_the_authentication_is_as_recorded(device, server):
    device.message({"token": "DEV-CRED"})
    server.message({"authed": True})
    assert bytes_of(device) == TOKEN
    assert bytes_of(server) == AUTHED
    assert device.receive(AUTHED) == [MessageReceived({"authed": True})]
    assert server.receive(TOKEN) == [MessageReceived({"token": "DEV-CRED"})]


def test_an_echo_of_ten_bytes_is_as_recorded(device):
    channel = device.open("net")
    device.emit(channel, "_pls_connect", 17000, "127.0.0.1")
    assert bytes_of(device) == OPEN_NET + PLS_CONNECT
    assert device.receive(CONNECT) == [CustomReceived(2, "connect", ())]
    device.send(channel, b"0123456789")
    assert bytes_of(device) == TEN_BYTES
    assert device.receive(TEN_BYTES) == [DataReceived(2, b"0123456789")]
    device.end(channel)
    assert bytes_of(device) == END
    assert device.receive(END + CLOSE) == [StreamEnded(2), CustomReceived(2, "close", ())]


def test_where_the_original_throws_seventy_thousand_bytes_are_two_frames(device):
    channel = device.open("net")
    device.emit(channel, "_pls_connect", 17000, "127.0.0.1")
    assert bytes_of(device) == OPEN_NET + PLS_CONNECT
    device.receive(CONNECT)
    device.send(channel, b"x" * 70_000)
    first = bytes.fromhex("fffe000200") + b"x" * 65_531
    assert bytes_of(device) == first + bytes.fromhex("1178000200") + b"x" * 4_469


# --- going away


def test_a_server_asks_a_device_that_knows_the_word_to_open_nothing_new(pair):
    device, server = pair
    for end in pair:
        end.enable({GOAWAY})
    server.goaway(1800)
    assert device.receive(bytes_of(server)) == [GoAway(1800)]
    assert device.open("net") == 4  # whether to obey is for the layer above


def test_a_device_that_did_not_name_it_passes_it_over(device, server):
    server.enable({GOAWAY})
    server.goaway(0)
    assert device.receive(bytes_of(server)) == [Ignored(0, "control message of type 'goaway'")]


@pytest.mark.parametrize("after_ms", [5, "soon"])
def test_a_server_is_not_sent_away(server, after_ms):
    server.enable({GOAWAY})
    received = said(0, {"type": "goaway", "after_ms": after_ms})
    assert server.receive(received) == [Ignored(0, "control message of type 'goaway'")]


def test_a_malformed_one_is_the_servers_fault(device):
    device.enable({GOAWAY})
    assert "goaway after 'soon' ms" in fault_of(
        device, said(0, {"type": "goaway", "after_ms": "soon"})
    )


def test_to_send_it_uninvited_or_as_a_device_is_our_fault(device, server):
    device.enable({GOAWAY})
    for end in (device, server):
        with pytest.raises(LocalError, match="goaway without goaway/1, or not by the server"):
            end.goaway(0)
        assert not end


@pytest.mark.parametrize("after_ms", [-1, 2**31])
def test_a_delay_out_of_range_is_our_fault(server, after_ms):
    server.enable({GOAWAY})
    with pytest.raises(LocalError, match="allowed: 0 to 2147483647"):
        server.goaway(after_ms)


# --- is anybody there?


def test_a_ping_is_answered_at_once_before_all_else(pair):
    device, server = pair
    for end in pair:
        end.enable({PING})
    channel = device.open("net")
    device.send(channel, b"x" * 100)
    server.ping()
    assert device.receive(bytes_of(server)) == []
    answer = bytes_of(device)
    assert answer.startswith(encoding.pong(1))
    server.receive(answer)


def test_pings_are_numbered_and_a_pong_says_nothing_more(device):
    device.enable({PING})
    device.ping()
    device.ping()
    assert bytes_of(device) == encoding.ping(1) + encoding.ping(2)
    assert device.receive(said(0, {"type": "pong", "id": 1})) == []


def test_a_peer_that_has_opened_its_last_substream_is_spent_without_reuse(server):
    assert not server.peer_is_spent
    server.receive(encoding.stream_opened(LAST_OF_DEVICE, None))
    assert server.peer_is_spent
    server.enable({REUSE})
    assert not server.peer_is_spent


def test_a_peer_that_asks_without_reading_is_owed_one_answer_alone(server):
    server.enable({PING})
    for number in range(10_000):
        assert server.receive(said(0, {"type": "ping", "id": number})) == []
    assert bytes_of(server) == encoding.pong(9_999)
    assert not server


def test_a_ping_to_a_peer_that_did_not_name_it_is_our_fault(server):
    with pytest.raises(LocalError, match="ping without ping/1"):
        server.ping()


def test_uninvited_it_is_passed_over(server):
    received = said(0, {"type": "ping", "id": 1})
    assert server.receive(received) == [Ignored(0, "control message of type 'ping'")]
    assert not server


@pytest.mark.parametrize(("side", "hears"), [(Side.A, False), (Side.B, True)])
def test_what_is_offered_is_understood_before_the_answer_is_acted_upon(side, hears):
    tunnel = TunnelCore(side)
    tunnel.offer({GOAWAY, PING})
    heard = tunnel.receive(encoding.ping(1) + encoding.go_away(5))
    assert (events.GoAway(5) in heard) is hears
    assert tunnel.take(1000).pieces == [encoding.pong(1)]
    tunnel.enable(())
    assert isinstance(tunnel.receive(encoding.go_away(5))[0], events.Ignored)
