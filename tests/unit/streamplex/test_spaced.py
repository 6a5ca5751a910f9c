"""Data behind room for the headers of its frames: the same frames, without a copy."""

import pytest

from streamplex.frames import FrameReader
from streamplex.lane import FRAME_BYTES
from streamplex.messages import DATA_HEADER_BYTES, DataMessage, decode_message
from streamplex.schedule import Scheduler
from streamplex.spaced import spaces
from streamplex.stream import Stream
from support.spaced import spaced

SIZES = [1, 5, FRAME_BYTES - 1, FRAME_BYTES, FRAME_BYTES + 1, 2 * FRAME_BYTES, 3 * FRAME_BYTES]


def data_of(size):
    return bytes(index % 251 for index in range(size))


@pytest.mark.parametrize("size", SIZES)
def test_its_frames_carry_the_data(size):
    data, _ = spaced(data_of(size))
    messages = [decode_message(body) for body in FrameReader().feed(data.framed(7))]
    assert all(isinstance(each, DataMessage) and each.channel == 7 for each in messages)
    assert b"".join(each.payload for each in messages) == data_of(size)
    assert len(messages) == -(-size // FRAME_BYTES)


@pytest.mark.parametrize("size", SIZES)
def test_its_frames_are_those_that_the_queue_makes_of_its_parts(size):
    scheduler, (data, _) = Scheduler(), spaced(data_of(size))
    stream = Stream(7, scheduler, None, credit=None)
    for part in data.parts():
        stream.send(part)
    assert b"".join(scheduler.take(1 << 20).pieces) == data.framed(7)


@pytest.mark.parametrize("size", SIZES)
def test_its_parts_are_the_data(size):
    data, _ = spaced(data_of(size))
    assert len(data) == size
    assert b"".join(data.parts()) == data_of(size)


def test_a_buffer_has_space_only_for_whole_frames():
    assert spaces(memoryview(bytearray(FRAME_BYTES + DATA_HEADER_BYTES - 1))) == []


# --- what a stream may send past its queue


def test_without_flow_control_a_stream_may_send_any_number_of_bytes():
    assert Stream(2, Scheduler(), None, credit=None).spend(1 << 30)


def test_credit_is_spent_and_no_more_than_there_is():
    stream = Stream(2, Scheduler(), None, credit=10)
    assert not stream.spend(11)
    assert stream.spend(10)
    assert (stream.credit, stream.spend(1)) == (0, False)


@pytest.mark.parametrize("change", ["queued", "ended", "not read"])
def test_nothing_overtakes_the_queue_and_nothing_follows_an_end(change):
    stream = Stream(2, Scheduler(), None, credit=None)
    if change == "queued":
        stream.send(b"waits")
    elif change == "ended":
        stream.end()
    else:
        stream.is_read = False
    assert not stream.spend(1)
