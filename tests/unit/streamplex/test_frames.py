"""Bytes <-> frame bodies."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamplex import LocalError, RemoteError
from streamplex.frames import MAX_BODY_BYTES, FrameReader, encode_frame
from streamplex.testing import cut

bodies_of_any_size = st.lists(st.binary(min_size=1, max_size=40), max_size=8)


def read(*pieces):
    reader = FrameReader()
    return [bytes(body) for piece in pieces for body in reader.feed(piece)]


def test_a_frame_is_its_length_in_two_bytes_and_its_body():
    assert encode_frame(b"abc") == b"\x00\x03abc"


def test_a_whole_frame_is_read():
    assert read(b"\x00\x03abc") == [b"abc"]


def test_a_frame_is_read_byte_by_byte():
    assert read(*(bytes([byte]) for byte in b"\x00\x03abc")) == [b"abc"]


def test_bytes_behind_a_frame_wait_for_the_rest_of_theirs():
    reader = FrameReader()
    assert [bytes(body) for body in reader.feed(b"\x00\x01a\x00\x02b")] == [b"a"]
    assert [bytes(body) for body in reader.feed(b"c")] == [b"bc"]


def test_many_frames_in_one_read_are_all_read():
    assert read(b"\x00\x01a\x00\x02bc" * 300) == [b"a", b"bc"] * 300


@pytest.mark.parametrize("first", [1, 2, 3, 4])
def test_a_frame_cut_in_two_is_read_when_the_second_part_comes(first):
    frame = encode_frame(b"abc")
    reader = FrameReader()
    assert reader.feed(frame[:first]) == []
    assert [bytes(body) for body in reader.feed(frame[first:])] == [b"abc"]


def test_nothing_fed_is_nothing_read():
    reader = FrameReader()
    assert reader.feed(b"") == []
    reader.feed(b"\x00\x02a")
    assert reader.feed(b"") == []
    assert [bytes(body) for body in reader.feed(b"b")] == [b"ab"]


def test_an_empty_body_is_handed_up_for_the_layer_above_to_judge():
    assert read(b"\x00\x00\x00\x01a") == [b"", b"a"]


def test_the_largest_frame_passes():
    body = bytes(range(255)) * 257
    assert len(body) == MAX_BODY_BYTES
    assert read(encode_frame(body)) == [body]


@pytest.mark.parametrize("size", [0, MAX_BODY_BYTES + 1])
def test_a_body_that_no_frame_can_hold_is_the_callers_fault(size):
    with pytest.raises(LocalError, match=f"frame body of {size} bytes; allowed: 1 to 65535"):
        encode_frame(bytes(size))


@pytest.mark.parametrize(
    ("data", "left"), [(b"\x00", 1), (b"\x00\x03", 2), (b"\x00\x01a\x00\x03ab", 4)]
)
def test_a_stream_that_ends_inside_a_frame_is_the_peers_fault(data, left):
    reader = FrameReader()
    reader.feed(data)
    with pytest.raises(RemoteError, match=f"ends inside a frame, after {left} bytes? of it"):
        reader.end()


def test_a_stream_may_end_between_frames():
    reader = FrameReader()
    reader.feed(b"\x00\x01a")
    reader.end()


@given(bodies_of_any_size, st.lists(st.integers(0, 9)))
def test_bodies_come_out_as_they_went_in_however_the_stream_is_cut(bodies, sizes):
    stream = b"".join(encode_frame(body) for body in bodies)
    assert read(*cut(stream, sizes)) == bodies
