"""What messages mean."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamplex import LocalError, RemoteError, encoding
from streamplex.decoding import decode, decode_body
from streamplex.events import (
    CustomReceived,
    DataReceived,
    GoAway,
    Ignored,
    MessageReceived,
    Ping,
    Pong,
    StreamEnded,
    StreamFailed,
    StreamOpened,
)
from streamplex.features import GOAWAY, PING
from streamplex.frames import PREFIX_BYTES, FrameReader
from streamplex.messages import CONTROL_CHANNEL, DataMessage, JsonMessage, decode_message
from streamplex.testing import cut

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)
substreams = st.integers(1, 0xFFFF)


def meanings(*pieces):
    reader = FrameReader()
    bodies = [bytes(body) for piece in pieces for body in reader.feed(piece)]
    found = [decode_body(memoryview(body)) for body in bodies]
    # the short way to a meaning leads to the same one
    assert found == [decode(decode_message(memoryview(body))) for body in bodies]
    return found


EVERYTHING = (
    encoding.stream_opened(2, "net")
    + encoding.custom(2, "_pls_connect", (80, "example.com"))
    + b"\x00\x05\x00\x02\x00hi"
    + encoding.stream_failed(2, "read ECONNRESET")
    + encoding.stream_ended(2)
    + encoding.message({"token": "DEV-CRED"})
)
SAID = [
    StreamOpened(2, "net"),
    CustomReceived(2, "_pls_connect", (80, "example.com")),
    DataReceived(2, b"hi"),
    StreamFailed(2, "read ECONNRESET"),
    StreamEnded(2),
    MessageReceived({"token": "DEV-CRED"}),
]


def test_every_event_is_read_whole():
    assert meanings(EVERYTHING) == SAID


def test_every_event_is_read_byte_by_byte():
    assert meanings(*(bytes([byte]) for byte in EVERYTHING)) == SAID


def test_bytes_of_the_next_event_may_trail():
    assert meanings(EVERYTHING + b"\x00\x09\x00\x02\x01{}") == SAID


@pytest.mark.parametrize(
    ("frame", "text"),
    [
        (encoding.stream_opened(2, "net"), '\0\0\1{"type":"stream","sock":2,"name":"net"}'),
        (encoding.stream_opened(65535, None), '\0\0\1{"type":"stream","sock":65535}'),
        (encoding.message({"authed": True}), '\0\0\1{"type":"message","object":{"authed":true}}'),
        (encoding.message(None), '\0\0\1{"type":"message","object":null}'),
        (encoding.ping(7), '\0\0\1{"type":"ping","id":7}'),
        (encoding.pong("x"), '\0\0\1{"type":"pong","id":"x"}'),
        (encoding.go_away(1800), '\0\0\1{"type":"goaway","after_ms":1800}'),
        (encoding.stream_ended(3), '\0\3\1{"event":"end"}'),
        (encoding.stream_failed(3, "no"), '\0\3\1{"event":"error","message":"no"}'),
        (encoding.custom(3, "close", ()), '\0\3\1{"event":"custom","emitArgs":["close"]}'),
        (encoding.custom(3, "x", (1, [])), '\0\3\1{"event":"custom","emitArgs":["x",1,[]]}'),
    ],
)
def test_events_are_written_as_the_original_writes_them(frame, text):
    assert frame[2:] == text.encode()


def control(value):
    return decode(JsonMessage(0, value))


def substream(value):
    return decode(JsonMessage(5, value))


def test_a_stream_may_have_no_name_or_one_that_is_not_text():
    assert control({"type": "stream", "sock": 4}) == StreamOpened(4, None)
    assert control({"type": "stream", "sock": 4, "name": 7}) == StreamOpened(4, None)


@pytest.mark.parametrize("sock", [True, False, None, 2.0, "2", [2], {}])
def test_a_substream_number_that_is_no_integer_is_the_peers_fault(sock):
    with pytest.raises(RemoteError) as caught:
        control({"type": "stream", "sock": sock})
    kind = type(sock).__name__
    assert str(caught.value) == f"substream number of type {kind}; an integer is expected"


def test_a_missing_substream_number_is_the_peers_fault():
    with pytest.raises(RemoteError, match="substream number of type NoneType; an integer"):
        control({"type": "stream"})


def test_a_message_without_an_object_says_null():
    assert control({"type": "message"}) == MessageReceived(None)


@pytest.mark.parametrize("value", [{}, {"type": 1}, {"type": ["stream"]}, {"type": "ping"}])
def test_a_control_message_of_unknown_type_is_ignored(value):
    kind = ascii(value.get("type"))
    assert control(value) == Ignored(0, f"control message of type {kind}")


def going(after_ms, known=frozenset({GOAWAY})):
    return decode(JsonMessage(0, {"type": "goaway", "after_ms": after_ms}), known)


@pytest.mark.parametrize("after_ms", [0, 1800, 2**31 - 1])
def test_to_go_away_is_understood_by_those_who_know_it(after_ms):
    assert going(after_ms) == GoAway(after_ms)


@pytest.mark.parametrize("after_ms", [1800, None, -1])
def test_to_go_away_is_ignored_by_those_who_do_not(after_ms):
    assert going(after_ms, frozenset()) == Ignored(0, "control message of type 'goaway'")


@pytest.mark.parametrize("after_ms", [None, True, -1, 2**31, 1.0, "5", []])
def test_a_delay_that_is_no_integer_in_range_is_the_peers_fault(after_ms):
    with pytest.raises(RemoteError) as caught:
        going(after_ms)
    assert str(caught.value) == (
        f"goaway after {after_ms!r} ms; an integer from 0 to 2147483647 is expected"
    )


def asked(said, known=frozenset({PING})):
    return decode(JsonMessage(0, said), known)


@pytest.mark.parametrize("ping_id", [0, -1, 2**53 - 1, "", "x" * 64])
def test_a_ping_is_understood_by_those_who_know_it(ping_id):
    assert asked({"type": "ping", "id": ping_id}) == Ping(ping_id)


def test_so_is_a_pong_whatever_it_answers():
    assert asked({"type": "pong", "id": []}) == Pong()


@pytest.mark.parametrize("kind", ["ping", "pong"])
def test_both_are_ignored_by_those_who_do_not(kind):
    said = {"type": kind, "id": 1}
    assert asked(said, frozenset()) == Ignored(0, f"control message of type '{kind}'")


@pytest.mark.parametrize("ping_id", [None, True, 1.0, 2**53, -(2**53), "x" * 65, [], {}])
def test_an_id_that_would_cost_something_to_send_back_is_the_peers_fault(ping_id):
    with pytest.raises(RemoteError, match=r"ping with the id .* is expected"):
        asked({"type": "ping", "id": ping_id})


@pytest.mark.parametrize("value", [{}, {"event": 1}, {"event": {}}, {"event": "credit"}])
def test_an_unknown_event_is_ignored(value):
    assert substream(value) == Ignored(5, f"event {value.get('event')!a}")


def test_what_is_ignored_is_shown_shortened():
    ignored = substream({"event": "é" * 60_000})
    assert len(ignored.what) < 80
    assert ignored.what.isascii()


@pytest.mark.parametrize("value", [None, True, 1, 1.5, "end", [], ["event", "end"]])
@pytest.mark.parametrize("channel", [0, 5])
def test_json_that_is_no_object_is_the_peers_fault(channel, value):
    with pytest.raises(RemoteError) as caught:
        decode(JsonMessage(channel, value))
    kind = type(value).__name__
    assert str(caught.value) == (f"JSON of type {kind} on channel {channel}; an object is expected")


def test_data_on_the_control_channel_is_the_peers_fault():
    with pytest.raises(RemoteError, match="data on the control channel; allowed there: JSON"):
        decode(DataMessage(0, b"x"))


def test_an_error_may_have_no_message():
    assert substream({"event": "error"}) == StreamFailed(5, "")


@pytest.mark.parametrize("text", [None, 5, ["no"], {}])
def test_an_error_message_that_is_no_text_is_the_peers_fault(text):
    with pytest.raises(RemoteError) as caught:
        substream({"event": "error", "message": text})
    assert str(caught.value) == f"error message {text!r} on channel 5; text is expected"


def test_the_text_of_an_error_is_cut_on_both_sides():
    assert substream({"event": "error", "message": "é" * 9999}) == StreamFailed(5, "é" * 1024)
    assert meanings(encoding.stream_failed(5, "é" * 9999)) == [StreamFailed(5, "é" * 1024)]


@pytest.mark.parametrize("args", [None, [], [1], [None, "x"], "name", {"0": "name"}])
def test_a_custom_event_without_a_name_is_the_peers_fault(args):
    with pytest.raises(RemoteError) as caught:
        substream({"event": "custom", "emitArgs": args})
    assert str(caught.value) == (
        f"emitArgs {args!r} on channel 5; a list that begins with the event's name is expected"
    )


def test_an_event_too_large_for_a_frame_is_the_callers_fault():
    with pytest.raises(LocalError, match="allowed: 65532"):
        encoding.custom(5, "x", ("y" * 65_532,))


@given(
    substreams, st.text(max_size=9), st.lists(json_values, max_size=3), st.lists(st.integers(0, 9))
)
def test_custom_events_come_out_as_they_went_in(channel, name, args, sizes):
    frame = encoding.custom(channel, name, tuple(args))
    assert meanings(*cut(frame, sizes)) == [CustomReceived(channel, name, tuple(args))]


@given(json_values, st.lists(st.integers(0, 9)))
def test_messages_come_out_as_they_went_in(value, sizes):
    assert meanings(*cut(encoding.message(value), sizes)) == [MessageReceived(value)]


@given(substreams, st.none() | st.text(), st.text(max_size=1024))
def test_openings_errors_and_ends_come_out_as_they_went_in(channel, name, text):
    stream = (
        encoding.stream_opened(channel, name)
        + encoding.stream_failed(channel, text)
        + encoding.stream_ended(channel)
    )
    assert meanings(stream) == [
        StreamOpened(channel, name),
        StreamFailed(channel, text),
        StreamEnded(channel),
    ]


def test_an_end_on_the_control_channel_is_a_message_of_no_known_type():
    body = memoryview(encoding.stream_ended(CONTROL_CHANNEL))[PREFIX_BYTES:]
    assert decode_body(body) == Ignored(CONTROL_CHANNEL, "control message of type None")


NEARLY = (
    b'{"event":"end"}',
    b'{"event":"end" }',
    b'{"event":"end","event":"custom","emitArgs":["x"]}',
    b'{"event":"custom","emitArgs":["x"]}',
    b'{"event":"custom","emitArgs":["x",1,null,"\xc3\xa9"]}',
    b'{"event":"custom","emitArgs":["x",[1],{}]}',
    b'{"event":"custom","emitArgs":[]}',
    b'{"event":"custom","event":"end"}',
    b'{"type":"stream","sock":2,"name":"net"}',
    b'{"type":"stream","sock":99999}',
    b'{"type":"stream","sock":02}',
    b'{"type":"stream","sock":2,"name":"n\\u0065t"}',
    b'{"type":"stream","sock":2,"name":null}',
)


@st.composite
def texts(draw):
    """JSON that is recognized by its bytes, or differs in one byte."""
    text = bytearray(draw(st.sampled_from(NEARLY)))
    if draw(st.booleans()):
        at = draw(st.integers(0, len(text) - 1))
        text[at : at + draw(st.integers(0, 1))] = draw(st.binary(max_size=1))
    return bytes(text)


@given(st.sampled_from([CONTROL_CHANNEL, 2]), texts())
def test_what_is_recognized_by_its_bytes_means_what_the_parser_says(channel, text):
    body = memoryview(channel.to_bytes(2) + b"\1" + text)

    def outcome(read):
        try:
            return read()
        except RemoteError as error:
            return str(error)

    parsed = outcome(lambda: decode(decode_message(body)))
    for _ in range(2):  # the second time it may be remembered
        assert outcome(lambda: decode_body(body)) == parsed


def test_an_argument_that_its_receiver_may_change_is_its_own():
    body = memoryview(b'\0\2\1{"event":"custom","emitArgs":["x",[1]]}')
    decode_body(body).args[0].append(2)
    assert decode_body(body).args == ([1],)
