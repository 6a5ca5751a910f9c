"""Frame bodies <-> messages on channels."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamplex import LocalError, RemoteError
from streamplex.frames import FrameReader
from streamplex.messages import (
    MAX_PAYLOAD_BYTES,
    DataMessage,
    JsonMessage,
    data_header,
    decode_message,
    encode_json,
)
from streamplex.testing import cut

channels = st.integers(0, 0xFFFF)


def decode(body):
    return decode_message(memoryview(body))


def read(*pieces):
    reader = FrameReader()
    return [decode_message(body) for piece in pieces for body in reader.feed(piece)]


DATA_AND_JSON = b"\x00\x05\x00\x07\x00hi" + b"\x00\x08\x01\x00\x01[1,2]"
MEANING = [DataMessage(7, b"hi"), JsonMessage(256, [1, 2])]


def test_messages_are_read_whole():
    assert read(DATA_AND_JSON) == MEANING


def test_messages_are_read_byte_by_byte():
    assert read(*(bytes([byte]) for byte in DATA_AND_JSON)) == MEANING


def test_bytes_of_the_next_message_may_trail():
    assert read(DATA_AND_JSON + b"\x00\x05\x00") == MEANING


def test_data_may_be_empty():
    assert decode(b"\x00\x02\x00") == DataMessage(2, b"")


@pytest.mark.parametrize("body", [b"", b"\x00", b"\x00\x02"])
def test_a_body_without_a_whole_header_is_the_peers_fault(body):
    with pytest.raises(RemoteError, match=f"body of {len(body)} bytes?; at least 3 are needed"):
        decode(body)


@pytest.mark.parametrize("kind", [2, 0x7F, 0xFF])
def test_an_unknown_type_is_the_peers_fault(kind):
    with pytest.raises(
        RemoteError, match=f"type {kind:#04x} on channel 9; known: data 0x00, JSON 0x01"
    ):
        decode(bytes([0, 9, kind, 65]))


@pytest.mark.parametrize("payload", [b"", b"{", b"\xff", b"{}x"])
def test_what_is_not_json_is_the_peers_fault(payload):
    with pytest.raises(RemoteError, match="invalid JSON"):
        decode(b"\x00\x02\x01" + payload)


def test_the_header_of_data_counts_what_follows():
    assert data_header(258, 4) == b"\x00\x07\x01\x02\x00"
    assert data_header(1, MAX_PAYLOAD_BYTES)[:2] == b"\xff\xff"


def test_json_of_just_the_largest_size_fits_in_a_frame():
    text = "x" * (MAX_PAYLOAD_BYTES - 2)
    assert read(encode_json(0, text)) == [JsonMessage(0, text)]


def test_larger_json_is_the_callers_fault():
    with pytest.raises(LocalError, match="JSON of 65533 bytes; allowed: 65532"):
        encode_json(0, "x" * (MAX_PAYLOAD_BYTES - 1))


@given(channels, st.binary(max_size=300), st.lists(st.integers(0, 9)))
def test_data_comes_out_as_it_went_in(channel, payload, sizes):
    stream = data_header(channel, len(payload)) + payload
    assert read(*cut(stream, sizes)) == [DataMessage(channel, payload)]


@given(channels, st.dictionaries(st.text(), st.integers() | st.none()), st.lists(st.integers(0, 9)))
def test_json_comes_out_as_it_went_in(channel, value, sizes):
    assert read(*cut(encode_json(channel, value), sizes)) == [JsonMessage(channel, value)]
