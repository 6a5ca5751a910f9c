"""The frames of the channel: whole, byte by byte, with trailing bytes, and wrong ones."""

import json
import struct
import time

import pytest

from tessel.javascript.frames import (
    MAX_DATA_BYTES,
    MAX_JSON_BYTES,
    Credit,
    Data,
    FrameError,
    FrameReader,
    Message,
    encode_credit,
    encode_data,
    encode_message,
)

FRAMES = [
    Message(1, {"op": "connect", "host": "bücher.example", "port": 80}),
    Message(7, {"event": "message"}, b"\x00\xff datagram"),
    Message(0, {}),
    Data(1, b"bytes"),
    Data(3, b""),
    Data(2**32 - 1, bytes(MAX_DATA_BYTES)),
    Credit(5, 2**32 - 1),
]


def encoded(frame):
    match frame:
        case Message():
            return encode_message(frame.object_id, frame.fields, frame.data)
        case Data(data=b""):
            return raw(2, frame.object_id, b"")
        case Data():
            return b"".join(encode_data(frame.object_id, frame.data))
        case Credit():
            return encode_credit(frame.object_id, frame.nbytes)


def raw(kind, object_id, body, length=None):
    size = 5 + len(body) if length is None else length
    return struct.pack(">IBI", size, kind, object_id) + body


def read(data, reader=None):
    return list((reader or FrameReader()).feed(data))


@pytest.mark.parametrize("frame", FRAMES, ids=str)
def test_a_frame_is_read_as_it_was_written(frame):
    assert read(encoded(frame)) == [frame]


def test_frames_that_come_byte_by_byte_are_complete_at_their_last_byte():
    reader = FrameReader()
    frames = [frame for frame in FRAMES if len(encoded(frame)) < 100]
    stream = b"".join(map(encoded, frames))
    found = [
        (end, frame)
        for end in range(1, len(stream) + 1)
        for frame in read(stream[end - 1 : end], reader)
    ]
    ends = [len(b"".join(map(encoded, frames[: n + 1]))) for n in range(len(frames))]
    assert found == list(zip(ends, frames, strict=True))
    assert not reader.waiting


def test_the_beginning_of_a_next_frame_waits_for_its_rest():
    reader = FrameReader()
    first, second = encoded(FRAMES[0]), encoded(FRAMES[1])
    assert read(first + second[:3], reader) == [FRAMES[0]]
    assert reader.waiting
    assert read(second[3:], reader) == [FRAMES[1]]


def test_more_data_than_a_frame_holds_is_several_frames():
    parts = b"".join(encode_data(1, bytes(MAX_DATA_BYTES + 1)))
    assert [len(frame.data) for frame in read(parts)] == [MAX_DATA_BYTES, 1]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (raw(1, 1, b"", length=4), "a frame of 4 bytes; allowed: 5 to "),
        (raw(1, 1, b"", length=2**32 - 1), "a frame of 4294967295 bytes; allowed: 5 to "),
        (raw(0, 1, b"{}"), "a frame of kind 0; allowed: 1 to 4"),
        (raw(5, 1, b"{}"), "a frame of kind 5; allowed: 1 to 4"),
        (raw(2, 1, bytes(MAX_DATA_BYTES + 1)), "data of 65537 bytes; allowed: up to 65536"),
        (raw(3, 1, b"\0\0\1"), "a credit of 3 bytes; allowed: 4"),
        (raw(4, 1, b"\0\0\1"), "a message of 3 bytes; allowed: at least 4"),
        (raw(4, 1, b"\0\0\0\3{}"), "a message whose JSON ends at byte 7 of 6"),
        (raw(1, 1, b" " * (MAX_JSON_BYTES + 1)), "JSON of 1048577 bytes; allowed: up to 1048576"),
        (raw(1, 1, b"{"), "a text that is not JSON: "),
        (raw(1, 1, b"\xff"), "a text that is not JSON: "),
        (raw(1, 1, b"[" * 500_000), "a text that is not JSON: "),
        (raw(1, 1, b'{"a":' + b"9" * 5000 + b"}"), "a text that is not JSON: "),
        (raw(1, 1, b"[]"), "JSON of type list; allowed: an object"),
        (raw(1, 1, b"null"), "JSON of type NoneType; allowed: an object"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_frame_is_an_error_that_shows_it(data, why):
    with pytest.raises(FrameError) as caught:
        read(data)
    assert str(caught.value).startswith(why)


def test_a_length_that_is_not_allowed_is_an_error_before_the_bytes_come():
    with pytest.raises(FrameError, match="a frame of 16777216 bytes"):
        read(b"\x01\x00\x00\x00" + b"\x02\0\0\0\1")


def test_frames_before_a_wrong_one_are_still_read():
    frames = FrameReader().feed(encoded(FRAMES[0]) + raw(9, 1, b""))
    assert next(frames) == FRAMES[0]
    with pytest.raises(FrameError):
        next(frames)


@pytest.mark.parametrize("nbytes", [1_000, 65_536, 262_144])
def test_the_work_for_a_stream_does_not_depend_on_the_size_of_its_pieces(nbytes):
    """100 MB take a fraction of a second, also if each frame comes in many pieces."""
    stream = b"".join(encode_data(1, bytes(10_000_000)))
    reader = FrameReader()
    begun = time.process_time()
    total = sum(
        len(frame.data)
        for _ in range(10)
        for start in range(0, len(stream), nbytes)
        for frame in reader.feed(stream[start : start + nbytes])
    )
    assert total == 100_000_000
    assert time.process_time() - begun < 3


def test_much_json_that_comes_in_small_pieces_is_joined_once():
    fields = {"changes": {"BUNDLE": "x" * 1_000_000}}
    stream = encode_message(0, fields)
    assert len(stream) < MAX_JSON_BYTES
    reader = FrameReader()
    begun = time.process_time()
    (frame,) = [
        frame
        for start in range(0, len(stream), 16)
        for frame in reader.feed(stream[start : start + 16])
    ]
    assert frame.fields == json.loads(json.dumps(fields))
    assert time.process_time() - begun < 2
