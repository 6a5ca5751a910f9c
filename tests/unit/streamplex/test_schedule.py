"""Whose turn it is."""

from collections import defaultdict

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from streamplex.frames import MAX_BODY_BYTES, FrameReader, encode_frame
from streamplex.lane import FRAME_BYTES, Lane
from streamplex.messages import MAX_PAYLOAD_BYTES
from streamplex.schedule import FAIR_TURN_BYTES, Scheduler

HEADER = 5
LARGEST_FRAME = MAX_BODY_BYTES + 2
EVERYTHING = 1 << 30


def frame(channel, text):
    return encode_frame(bytes([channel >> 8, channel & 255, 1]) + text)


def bodies(batch):
    reader = FrameReader()
    taken = [bytes(body) for body in reader.feed(b"".join(batch.pieces))]
    reader.end()
    return taken


def turns(batch):
    """The frames of a batch as (channel, bytes of payload)."""
    return [(body[0] << 8 | body[1], len(body) - 3) for body in bodies(batch)]


class ByNumber:
    """A scheduler whose lanes are known by their channels."""

    def __init__(self):
        self.scheduler = Scheduler()
        self.lanes = {}

    def __bool__(self):
        return bool(self.scheduler)

    def __getattr__(self, name):
        return getattr(self.scheduler, name)

    def _lane(self, channel):
        return self.lanes.setdefault(channel, Lane(channel, None))

    def add_payload(self, channel, payload):
        self.scheduler.add_payload(self._lane(channel), payload)

    def add_frame(self, channel, frame):
        self.scheduler.add_frame(self._lane(channel), frame)

    def replace_payload(self, channel, frame):
        self.scheduler.replace_payload(self._lane(channel), frame)

    def drop_payload(self, channel):
        self.scheduler.drop_payload(self._lane(channel))

    def grant(self, channel, credit):
        self.scheduler.grant(self._lane(channel), credit)

    limit = grant

    def keep(self, channel):
        self._lane(channel).keep()

    def waiting_bytes(self, channel):
        return self._lane(channel).nbytes


@pytest.fixture
def scheduler():
    return ByNumber()


def test_nothing_queued_is_nothing_taken(scheduler):
    assert not scheduler
    assert scheduler.take(EVERYTHING) == ([], [])
    scheduler.add_payload(2, b"")
    assert not scheduler


def test_payload_alone_leaves_in_frames_that_fill_their_tls_records(scheduler):
    scheduler.add_payload(2, bytes(FRAME_BYTES + 1))
    batch = scheduler.take(EVERYTHING)
    assert sum(map(len, batch.pieces[:2])) == 4 * 16_384
    assert turns(batch) == [(2, FRAME_BYTES), (2, 1)]
    assert not scheduler


def test_payload_alone_takes_all_the_room_in_whole_frames(scheduler):
    scheduler.add_payload(2, bytes(10 * FRAME_BYTES))
    scheduler.add_urgent(frame(0, b"first"))
    batch = scheduler.take(4 * FRAME_BYTES)
    assert turns(batch)[1:] == [(2, FRAME_BYTES)] * 4
    assert batch.served == [2]


def test_payload_alone_leaves_in_short_frames_where_there_is_little_room(scheduler):
    scheduler.add_payload(2, bytes(FRAME_BYTES))
    assert turns(scheduler.take(1)) == [(2, FAIR_TURN_BYTES)]
    assert turns(scheduler.take(2 * FAIR_TURN_BYTES)) == [(2, 2 * FAIR_TURN_BYTES)]


def test_small_payloads_that_wait_are_put_together(scheduler):
    # Of its own, each byte that was read from a socket would keep a page: 256 MiB for 64 KiB.
    scheduler.limit(2, 0)
    for at in range(20_000):
        scheduler.add_payload(2, bytes([at % 251]))
    scheduler.grant(2, 20_000)
    batch = scheduler.take(EVERYTHING)
    assert len(batch.pieces) < 10
    (body,) = bodies(batch)
    assert body[3:] == bytes(at % 251 for at in range(20_000))


def test_what_is_put_together_keeps_its_place_among_frames_and_large_pieces(scheduler):
    scheduler.limit(2, 3)
    for payload in (b"a", b"b", b"large" * 1000, b"c", b"d"):
        scheduler.add_payload(2, payload)
    scheduler.add_frame(2, frame(2, b"event"))
    scheduler.add_payload(2, b"e")
    scheduler.add_payload(2, b"f")
    first = bodies(scheduler.take(EVERYTHING))
    scheduler.add_payload(2, b"g")  # behind a piece that was begun: what has left must not change
    scheduler.grant(2, EVERYTHING)
    said = b"".join(body[3:] for body in first + bodies(scheduler.take(EVERYTHING)))
    assert said == b"ab" + b"large" * 1000 + b"cd" + b"event" + b"efg"


def test_payload_takes_turns_while_others_wait(scheduler):
    scheduler.add_payload(2, bytes(40_000))
    scheduler.add_payload(4, bytes(20_000))
    assert turns(scheduler.take(EVERYTHING)) == [
        (2, FAIR_TURN_BYTES),
        (4, FAIR_TURN_BYTES),
        (2, FAIR_TURN_BYTES),
        (4, 20_000 - FAIR_TURN_BYTES),
        (2, 40_000 - 2 * FAIR_TURN_BYTES),
    ]


def test_a_small_write_waits_for_one_turn_of_a_bulky_one_only(scheduler):
    scheduler.add_payload(2, bytes(1 << 20))
    scheduler.take(1)
    scheduler.add_payload(4, b"key")
    assert turns(scheduler.take(FAIR_TURN_BYTES + 1)) == [(2, FAIR_TURN_BYTES), (4, 3)]


def test_what_waits_of_a_view_is_kept_when_its_bytes_change(scheduler):
    room = bytearray(b"1" * 50_000 + b"2" * 50_000)
    scheduler.add_payload(2, b"before")
    scheduler.add_frame(2, frame(2, b"event"))
    scheduler.add_payload(2, memoryview(room))
    scheduler.add_frame(2, frame(2, b"end"))
    begun = bodies(scheduler.take(20_000))
    scheduler.keep(2)
    room[:] = b"?" * len(room)
    assert scheduler.waiting_bytes(2) == 100_000 - sum(len(each) - 3 for each in begun[2:]) + 8
    payload = b"".join(each[3:] for each in [*begun, *bodies(scheduler.take(EVERYTHING))])
    assert payload == b"beforeevent" + b"1" * 50_000 + b"2" * 50_000 + b"end"


def test_what_waits_for_credit_is_kept_too(scheduler):
    scheduler.limit(2, 0)
    room = bytearray(b"12345")
    scheduler.add_payload(2, memoryview(room))
    scheduler.keep(2)
    room[:] = b"?????"
    scheduler.grant(2, 5)
    assert [body[3:] for body in bodies(scheduler.take(EVERYTHING))] == [b"12345"]


def test_where_nothing_waits_there_is_nothing_to_keep(scheduler):
    scheduler.keep(2)
    assert not scheduler


def test_the_control_channel_goes_first(scheduler):
    scheduler.add_payload(2, b"data")
    scheduler.add_frame(2, frame(2, b"end"))
    scheduler.add_urgent(frame(0, b"first"))
    scheduler.add_urgent(frame(0, b"second"))
    assert [body[3:] for body in bodies(scheduler.take(EVERYTHING))] == [
        b"first",
        b"second",
        b"data",
        b"end",
    ]


def test_the_control_channel_too_keeps_to_the_bytes_asked_for(scheduler):
    for _ in range(3):
        scheduler.add_urgent(frame(0, b"x" * 95))
    scheduler.add_payload(2, b"data")
    assert turns(scheduler.take(101)) == [(0, 95), (0, 95)]
    assert turns(scheduler.take(100)) == [(0, 95)]
    assert turns(scheduler.take(100)) == [(2, 4)]


def test_small_writes_share_a_frame(scheduler):
    for byte in b"hello":
        scheduler.add_payload(2, bytes([byte]))
    assert bodies(scheduler.take(EVERYTHING)) == [b"\x00\x02\x00hello"]


def test_writes_before_and_after_an_event_stay_on_their_sides_of_it(scheduler):
    scheduler.add_payload(2, b"a")
    scheduler.add_payload(2, b"b")
    scheduler.add_frame(2, frame(2, b"!"))
    scheduler.add_payload(2, b"c")
    assert [body[3:] for body in bodies(scheduler.take(EVERYTHING))] == [b"ab", b"!", b"c"]


def test_a_batch_names_the_channels_it_served(scheduler):
    scheduler.add_urgent(frame(0, b""))
    scheduler.add_payload(2, bytes(FAIR_TURN_BYTES))
    scheduler.add_frame(4, frame(4, b"end"))
    assert scheduler.take(FAIR_TURN_BYTES).served == [2]
    assert scheduler.take(1).served == [4]


def test_a_lane_counts_what_waits_in_it(scheduler):
    assert scheduler.waiting_bytes(2) == 0
    scheduler.add_payload(2, b"data")
    scheduler.add_frame(2, frame(2, b"end"))
    assert scheduler.waiting_bytes(2) == 4 + HEADER + 3
    scheduler.take(EVERYTHING)
    assert scheduler.waiting_bytes(2) == 0


def test_frames_are_counted_apart_from_payload(scheduler):
    scheduler.add_payload(2, bytes(1000))
    scheduler.add_frame(2, frame(2, b"end"))
    scheduler.add_urgent(frame(0, b"x"))
    assert scheduler.frame_bytes == (HEADER + 3) + (HEADER + 1)
    scheduler.take(EVERYTHING)
    assert scheduler.frame_bytes == 0


def test_a_frame_takes_the_place_of_payload_while_other_frames_stay(scheduler):
    for text in (b"1", b"2"):
        scheduler.add_frame(2, frame(2, text))
        scheduler.add_payload(2, b"data")
    scheduler.add_frame(2, frame(2, b"end"))
    scheduler.replace_payload(2, frame(2, b"error"))
    waiting = 4 * HEADER + len(b"12errorend")
    assert scheduler.waiting_bytes(2) == scheduler.frame_bytes == waiting
    assert [body[3:] for body in bodies(scheduler.take(EVERYTHING))] == [
        b"1",
        b"error",
        b"2",
        b"end",
    ]


def test_dropped_payload_leaves_its_room_to_later_small_frames(scheduler):
    for _ in range(16):
        scheduler.add_payload(4, bytes(FAIR_TURN_BYTES // 16))
        scheduler.drop_payload(4)
    for channel, text in ((2, b"1"), (6, b"2"), (2, b"3")):
        scheduler.add_frame(channel, frame(channel, text))
    # In turns, a channel would send both of its frames at once.
    assert [body[3:] for body in bodies(scheduler.take(EVERYTHING))] == [b"1", b"2", b"3"]


def test_the_rest_of_a_write_that_has_left_in_part_is_replaced_as_well(scheduler):
    scheduler.add_payload(2, bytes(MAX_PAYLOAD_BYTES + 1000))
    scheduler.add_frame(2, frame(2, b"end"))
    scheduler.take(1)
    scheduler.replace_payload(2, frame(2, b"error"))
    assert [body[3:] for body in bodies(scheduler.take(EVERYTHING))] == [b"error", b"end"]


def test_without_payload_the_frame_goes_behind_the_others(scheduler):
    scheduler.replace_payload(4, frame(4, b"error"))
    scheduler.add_frame(2, frame(2, b"end"))
    scheduler.replace_payload(2, frame(2, b"error"))
    assert [body[3:] for body in bodies(scheduler.take(EVERYTHING))] == [b"error", b"end", b"error"]


def test_every_lane_gets_its_share_of_a_long_queue(scheduler):
    for channel in range(1, 11):
        scheduler.add_payload(channel, bytes(FAIR_TURN_BYTES * 4))
    served = [channel for channel, _ in turns(scheduler.take(FAIR_TURN_BYTES * 20))]
    assert served == [*range(1, 11), *range(1, 11)]


def test_small_messages_that_find_nobody_waiting_leave_in_the_order_of_their_writing(scheduler):
    scheduler.add_payload(6, b"a")
    scheduler.add_frame(2, frame(2, b"b"))
    scheduler.add_payload(4, b"c")
    scheduler.add_frame(6, frame(6, b"d"))
    batch = scheduler.take(EVERYTHING)
    assert [body[3:] for body in bodies(batch)] == [b"a", b"b", b"c", b"d"]
    assert batch.served == [6, 2, 4, 6]


def test_small_messages_before_the_lanes_are_no_more_than_one_turn(scheduler):
    for channel in range(2, 202, 2):
        scheduler.add_frame(channel, frame(channel, bytes(1000)))
    scheduler.add_payload(202, bytes(FAIR_TURN_BYTES))
    assert FAIR_TURN_BYTES - 1100 < sum(map(len, scheduler.take(1).pieces)) <= FAIR_TURN_BYTES
    assert scheduler.has_more


def test_payload_that_is_dropped_when_it_was_ready_gives_its_credit_back(scheduler):
    scheduler.limit(2, 4)
    scheduler.add_payload(2, b"data")
    scheduler.drop_payload(2)
    assert not scheduler
    scheduler.add_payload(2, b"more")
    assert turns(scheduler.take(EVERYTHING)) == [(2, 4)]


def test_after_a_clear_nothing_waits(scheduler):
    scheduler.add_urgent(frame(0, b"x"))
    scheduler.owe_pong(frame(0, b"y"))
    scheduler.add_frame(2, frame(2, b"z"))
    scheduler.limit(4, 0)
    scheduler.add_payload(4, b"waits for credit")
    scheduler.add_payload(6, bytes(FAIR_TURN_BYTES))
    scheduler.clear()
    assert not scheduler.has_waiting
    assert scheduler.take(EVERYTHING) == ([], [])


def test_credit_after_the_end_of_a_tunnel_gives_another_tunnel_nothing_to_send():
    ended, other, lane = Scheduler(), Scheduler(), Lane(4, 0)
    ended.add_payload(lane, b"secret")
    ended.clear()
    ended.grant(lane, 100)
    assert not other
    assert not Scheduler()


small = st.integers(0, 40)
sizes = small | small | st.integers(0, 5000) | st.integers(60_000, 140_000)


class AnyOrder(RuleBasedStateMachine):
    """Random calls, against a plain list of what waits on each channel."""

    def __init__(self):
        super().__init__()
        self.scheduler = ByNumber()
        self.waiting = defaultdict(list)  # per channel: (whether it is payload, text)
        self.credit = {3: 0, 4: 60}  # the others need none
        for channel, credit in self.credit.items():
            self.scheduler.limit(channel, credit)
        self.stamp = 0

    def _text(self, size):
        self.stamp += 1
        return (b"%08d" % self.stamp * (size // 8 + 1))[:size]

    @rule(channel=st.integers(1, 4), size=sizes)
    def add_payload(self, channel, size):
        payload = self._text(size)
        self.scheduler.add_payload(channel, payload)
        if payload:
            self.waiting[channel].append((True, payload))

    @rule(channel=st.integers(1, 4), size=sizes)
    def add_view_of_bytes_that_change(self, channel, size):
        payload = self._text(size)
        room = bytearray(payload)
        self.scheduler.add_payload(channel, memoryview(room))
        self.scheduler.keep(channel)
        room[:] = b"?" * size
        if payload:
            self.waiting[channel].append((True, payload))

    @rule(channel=st.integers(0, 4), size=small | small | st.integers(0, MAX_PAYLOAD_BYTES))
    def add_event(self, channel, size):
        text = self._text(size)
        if channel:
            self.scheduler.add_frame(channel, frame(channel, text))
        else:
            self.scheduler.add_urgent(frame(0, text))
        self.waiting[channel].append((False, text))

    @rule(channel=st.sampled_from([3, 4]), nbytes=st.integers(1, 40) | st.integers(1, 5000))
    def grant(self, channel, nbytes):
        self.scheduler.grant(channel, self.scheduler.lanes[channel].credit + nbytes)
        self.credit[channel] += nbytes

    @rule(channel=st.integers(1, 4), size=small)
    def replace_payload(self, channel, size):
        text = self._text(size)
        self.scheduler.replace_payload(channel, frame(channel, text))
        items = self.waiting[channel]
        at = next((at for at, (is_payload, _) in enumerate(items) if is_payload), len(items))
        items.insert(at, (False, text))
        self.waiting[channel] = [item for item in items if not item[0]]

    @rule(channel=st.integers(1, 4))
    def drop_payload(self, channel):
        self.scheduler.drop_payload(channel)
        self.waiting[channel] = [item for item in self.waiting[channel] if not item[0]]

    @rule(max_bytes=st.integers(1, 200_000))
    def take(self, max_bytes):
        urgent_waits = bool(self.waiting[0])
        has_some = bool(self.scheduler)
        batch = self.scheduler.take(max_bytes)
        assert bool(batch.pieces) == has_some
        nbytes = sum(len(piece) for piece in batch.pieces)
        assert nbytes <= max_bytes + MAX_PAYLOAD_BYTES + LARGEST_FRAME
        taken = bodies(batch)  # every frame whole and legal
        for body in taken:
            self._left(body[0] << 8 | body[1], body[2] == 0, body[3:])
        if urgent_waits:
            assert taken[0][:2] == b"\x00\x00"
        assert {body[1] for body in taken} - {0} == set(batch.served)

    def _left(self, channel, is_payload, text):
        items = self.waiting[channel]
        if not is_payload:
            assert items.pop(0) == (False, text)
            return
        if channel in self.credit:
            self.credit[channel] -= len(text)
            assert self.credit[channel] >= 0
        while text:
            was_payload, first = items.pop(0)
            assert was_payload
            assert text[: len(first)] == first[: len(text)]
            if len(first) > len(text):
                items.insert(0, (True, first[len(text) :]))
            text = text[len(first) :]

    def _may_leave(self, channel):
        items = self.waiting[channel]
        return bool(items) and (not items[0][0] or self.credit.get(channel) != 0)

    @invariant()
    def what_waits_is_counted(self):
        frames = 0
        for channel, items in self.waiting.items():
            here = sum(HEADER + len(text) for is_payload, text in items if not is_payload)
            frames += here
            if channel:
                payload = sum(len(text) for is_payload, text in items if is_payload)
                assert self.scheduler.waiting_bytes(channel) == here + payload
        assert self.scheduler.frame_bytes == frames
        assert self.scheduler.has_waiting == any(self.waiting.values())
        assert bool(self.scheduler) == any(map(self._may_leave, self.waiting))
        assert self.scheduler.has_more >= bool(self.scheduler)

    def teardown(self):
        for channel in self.credit:
            self.grant(channel, EVERYTHING)
        while self.scheduler:
            self.take(100_000)
        assert not any(self.waiting.values())


def test_in_any_order_of_calls_each_channels_bytes_leave_in_order_within_its_credit():
    some = settings(max_examples=150, stateful_step_count=40, deadline=None)
    run_state_machine_as_test(AnyOrder, settings=some)
