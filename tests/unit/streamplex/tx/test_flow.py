"""Back pressure, in both directions."""

from types import SimpleNamespace

import pytest
from twisted.internet.interfaces import IPullProducer, IPushProducer
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from zope.interface import implementer

from streamplex import LocalError, SubstreamError
from streamplex.lane import FRAME_BYTES
from streamplex.tx.feed import Feed
from streamplex.tx.flow import (
    MAX_HELD_BYTES,
    MAX_STALL_S,
    MAX_WAITING_BYTES,
    RESUME_HELD_BYTES,
    HeldBytes,
)
from streamplex.tx.intake import HELD_EVENT_BYTES
from support.memory_tunnels import Aware, HalfCloseable, Plain, Tunnels


@implementer(IPushProducer)
class Push:
    """Writes pieces until it is paused; records the calls it gets."""

    def __init__(self, consumer, pieces=10_000, size=10_000):
        self.consumer = consumer
        self.pieces = pieces
        self.size = size
        self.paused = False
        self.calls = []

    def produce(self):
        while self.pieces and not self.paused:
            self.pieces -= 1
            self.consumer.write(bytes(self.size))

    def pauseProducing(self):
        self.paused = True
        self.calls.append("pause")

    def resumeProducing(self):
        self.paused = False
        self.calls.append("resume")
        self.produce()

    def stopProducing(self):
        self.pieces = 0
        self.calls.append("stop")


@implementer(IPullProducer)
class Pull:
    """Writes one piece whenever it is asked, and finishes after the last."""

    def __init__(self, consumer, pieces=5, size=100_000):
        self.consumer = consumer
        self.pieces = pieces
        self.size = size
        self.asked = 0
        self.stopped = False

    def resumeProducing(self):
        self.asked += 1
        self.pieces -= 1
        self.consumer.write(bytes(self.size))
        if not self.pieces:
            self.consumer.unregisterProducer()

    def stopProducing(self):
        self.stopped = True


@pytest.fixture
def tunnels():
    return Tunnels()


def waiting(tunnel, substream):
    return tunnel.core.waiting_bytes(substream.channel)


# --- towards the tunnel


def test_a_push_producer_is_paused_while_much_waits_and_goes_on_later(tunnels):
    near, far = tunnels.open(HalfCloseable())
    tunnels.device.pauseProducing()
    push = Push(near.transport, pieces=50)
    near.transport.registerProducer(push, True)
    push.produce()
    assert push.calls == ["pause"]
    assert MAX_WAITING_BYTES < waiting(tunnels.device, near.transport) <= MAX_WAITING_BYTES + 10_000
    tunnels.device.resumeProducing()
    tunnels.pump()
    assert len(far.data) == 500_000
    assert push.calls.count("pause") == push.calls.count("resume")


def test_memory_stays_bounded_when_the_peer_does_not_read(tunnels):
    near, far = tunnels.open(HalfCloseable())
    tunnels.server_end.pauseProducing()
    push = Push(near.transport, pieces=2000)
    near.transport.registerProducer(push, True)
    push.produce()
    tunnels.pump()
    queued = waiting(tunnels.device, near.transport) + len(tunnels.device_end.sent)
    assert push.paused
    assert queued < 4 * MAX_WAITING_BYTES
    tunnels.server_end.resumeProducing()
    tunnels.pump()
    assert len(far.data) == 20_000_000


def test_a_producer_that_registers_while_much_waits_is_paused_at_once(tunnels):
    near, _ = tunnels.open(HalfCloseable())
    tunnels.device.pauseProducing()
    near.transport.write(bytes(MAX_WAITING_BYTES + 1))
    push = Push(near.transport)
    near.transport.registerProducer(push, True)
    assert push.calls == ["pause"]


def test_writes_of_a_paused_producer_pause_it_only_once(tunnels):
    near, _ = tunnels.open(HalfCloseable())
    tunnels.device.pauseProducing()
    push = Push(near.transport)
    near.transport.registerProducer(push, True)
    near.transport.write(bytes(MAX_WAITING_BYTES + 1))
    near.transport.write(b"more")
    assert push.calls == ["pause"]


def test_to_unregister_without_a_producer_does_nothing(tunnels):
    near, far = tunnels.open(HalfCloseable())
    near.transport.unregisterProducer()
    near.transport.write(b"data")
    tunnels.pump()
    assert (far.data, far.calls) == (b"data", ["made", "data"])


def test_a_producer_goes_on_only_when_half_has_left(tunnels):
    near, _ = tunnels.open(HalfCloseable())
    tunnels.device.pauseProducing()
    push = Push(near.transport, pieces=0)
    near.transport.registerProducer(push, True)
    near.transport.write(bytes(2 * MAX_WAITING_BYTES))
    tunnels.device.core.take(FRAME_BYTES)
    near.transport.served()
    assert push.paused
    tunnels.device.core.take(FRAME_BYTES)
    near.transport.served()
    assert not push.paused


def test_a_pull_producer_is_asked_whenever_all_has_left(tunnels):
    near, far = tunnels.open(HalfCloseable())
    pull = Pull(near.transport)
    near.transport.registerProducer(pull, False)
    assert pull.asked == 0
    tunnels.pump()
    assert pull.asked == 5
    assert len(far.data) == 500_000


def test_a_pull_producer_is_asked_once_however_many_batches_its_answer_fills():
    turns = []
    lane = SimpleNamespace(waiting_bytes=0, later=turns.append)
    feed = Feed(lane, Pull(StringTransport()), False)
    for _ in range(3):
        feed.sent()
    assert len(turns) == 1
    turns.pop()()
    feed.sent()
    assert len(turns) == 1


def test_a_pull_producer_is_not_asked_while_something_waits(tunnels):
    near, _ = tunnels.open(HalfCloseable())
    tunnels.device.pauseProducing()
    near.transport.write(b"waits")
    pull = Pull(near.transport)
    near.transport.registerProducer(pull, False)
    tunnels.pump()
    assert pull.asked == 0
    tunnels.device.resumeProducing()
    tunnels.pump()
    assert pull.asked == 5


def test_a_producer_that_has_unregistered_is_left_alone(tunnels):
    near, _ = tunnels.open(HalfCloseable())
    push, pull = Push(near.transport), Pull(near.transport)
    near.transport.registerProducer(pull, False)
    near.transport.unregisterProducer()
    near.transport.registerProducer(push, True)
    near.transport.unregisterProducer()
    near.transport.write(bytes(1_000_000))
    tunnels.pump()
    assert push.calls == []
    assert pull.asked == 0


def test_one_producer_feeds_a_substream_at_a_time(tunnels):
    near, _ = tunnels.open(HalfCloseable())
    near.transport.registerProducer(Push(near.transport), True)
    with pytest.raises(LocalError, match="substream 2 has a producer already"):
        near.transport.registerProducer(Push(near.transport), True)


def test_a_producer_for_a_substream_that_has_ended_is_stopped(tunnels):
    near, _ = tunnels.open(HalfCloseable())
    near.transport.loseWriteConnection()
    push = Push(near.transport)
    near.transport.registerProducer(push, True)
    assert push.calls == ["stop"]


@pytest.mark.parametrize("close", ["loseConnection", "loseWriteConnection"])
def test_a_close_waits_for_the_registered_producer(tunnels, close):
    near, far = tunnels.open(HalfCloseable())
    near.transport.registerProducer(Push(near.transport), True)
    getattr(near.transport, close)()
    near.transport.write(b"the rest")
    tunnels.pump()
    assert far.calls == ["made", "data"]
    near.transport.unregisterProducer()
    tunnels.pump()
    assert far.calls == ["made", "data", "read lost"]


def test_a_producer_is_stopped_when_its_substream_is_aborted(tunnels):
    near, _ = tunnels.open(Aware())
    push = Push(near.transport)
    near.transport.registerProducer(push, True)
    near.transport.abortConnection()
    tunnels.pump()
    assert push.calls == ["stop"]


def test_a_producer_is_stopped_when_the_peer_is_gone():
    tunnels = Tunnels(Plain)
    near, far = tunnels.open(HalfCloseable())
    push = Push(far.transport)
    far.transport.registerProducer(push, True)
    near.transport.abortConnection()
    tunnels.pump()
    assert push.calls == ["stop"]


def test_producers_are_stopped_when_the_tunnel_is_lost(tunnels):
    near, far = tunnels.open(HalfCloseable())
    producers = [Push(near.transport), Push(far.transport)]
    for producer in producers:
        producer.consumer.registerProducer(producer, True)
    tunnels.connection.cut()
    assert [producer.calls for producer in producers] == [["stop"], ["stop"]]


class FaultyError(Exception):
    """What a faulty producer raises."""


@pytest.mark.parametrize("end", ["resumeProducing", "stopProducing"])
def test_an_exception_in_a_producer_costs_its_substream(tunnels, end, logged_failures):
    class Faulty(Push):
        pass

    def fail(self):
        raise FaultyError

    setattr(Faulty, end, fail)
    near, far = tunnels.open(HalfCloseable())
    tunnels.device.pauseProducing()
    near.transport.registerProducer(Faulty(near.transport), True)
    near.transport.write(bytes(MAX_WAITING_BYTES + 1))
    near.transport.write(bytes(MAX_WAITING_BYTES))
    tunnels.device.resumeProducing()
    tunnels.pump()
    if end == "stopProducing":
        far.transport.abortConnection()
        tunnels.pump()
    assert logged_failures.flush(FaultyError)
    assert near.lost is not None
    assert tunnels.near.lost is None


def test_two_substreams_share_the_tunnel_fairly(tunnels):
    bulk, far_bulk = tunnels.open(HalfCloseable())
    key, far_key = tunnels.open(HalfCloseable())
    tunnels.server_end.pauseProducing()
    bulk.transport.write(bytes(5_000_000))
    key.transport.write(b"key")
    tunnels.server_end.resumeProducing()
    tunnels.connection._carry(tunnels.device_end, tunnels.server_end)
    tunnels.connection._carry(tunnels.device_end, tunnels.server_end)
    assert far_key.data == b"key"
    assert len(far_bulk.data) < 500_000
    tunnels.pump()
    assert len(far_bulk.data) == 5_000_000


# --- from the tunnel


def test_a_paused_consumer_gets_nothing_until_it_resumes(tunnels):
    near, far = tunnels.open(HalfCloseable())
    near.transport.pauseProducing()
    far.transport.write(b"a")
    far.transport.emit("event")
    far.transport.loseWriteConnection()
    tunnels.pump()
    assert near.calls == ["made"]
    near.transport.resumeProducing()
    assert near.calls == ["made", "data", "read lost"]


def test_a_consumer_may_pause_again_while_it_is_served(tunnels):
    class Sipping(HalfCloseable):
        def dataReceived(self, data):
            super().dataReceived(data)
            self.transport.pauseProducing()

    near, far = tunnels.open(Sipping())
    far.transport.write(bytes(200_000))
    tunnels.pump()
    sips = 1
    while len(near.data) < 200_000:
        assert near.calls.count("data") == sips
        near.transport.resumeProducing()
        sips += 1
    assert near.data == bytes(200_000)


def test_a_consumer_that_resumes_while_it_is_served_is_not_served_inside_the_call(tunnels):
    class Eager(HalfCloseable):
        depth = deepest = 0

        def dataReceived(self, data):
            self.depth += 1
            self.deepest = max(self.deepest, self.depth)
            super().dataReceived(data)
            self.transport.pauseProducing()
            self.transport.resumeProducing()
            self.depth -= 1

    near, far = tunnels.open(Eager())
    near.transport.pauseProducing()
    far.transport.write(bytes(200_000))
    tunnels.pump()
    near.transport.resumeProducing()
    assert len(near.data) == 200_000
    assert near.deepest == 1


def test_the_tunnel_stops_reading_when_much_is_held_and_goes_on_when_half_is_taken(tunnels):
    near, far = tunnels.open(HalfCloseable())
    near.transport.pauseProducing()
    far.transport.write(bytes(10_000_000))
    tunnels.pump()
    assert not tunnels.device_end.reading
    assert MAX_HELD_BYTES < tunnels.device.held._nbytes < MAX_HELD_BYTES + 2 * 65_536
    near.transport.resumeProducing()
    assert tunnels.device_end.reading
    tunnels.pump()
    assert len(near.data) == 10_000_000
    assert tunnels.device.held._nbytes == 0


def test_everyone_waits_for_a_slow_consumer_and_nothing_is_lost(tunnels):
    slow, far_slow = tunnels.open(HalfCloseable())
    other, far_other = tunnels.open(HalfCloseable())
    slow.transport.pauseProducing()
    far_slow.transport.write(bytes(1_000_000))
    tunnels.pump()
    far_other.transport.write(b"waits")
    tunnels.pump()
    assert other.data == b""
    slow.transport.resumeProducing()
    tunnels.pump()
    assert other.data == b"waits"
    assert len(slow.data) == 1_000_000


@pytest.mark.parametrize("way_out", ["stopProducing", "loseConnection", "abortConnection"])
def test_a_consumer_that_wants_no_more_sets_the_tunnel_free(tunnels, way_out):
    near, far = tunnels.open(HalfCloseable())
    near.transport.pauseProducing()
    far.transport.write(bytes(1_000_000))
    tunnels.pump()
    assert not tunnels.device_end.reading
    getattr(near.transport, way_out)()
    tunnels.pump()
    assert tunnels.device_end.reading
    assert near.data == b""
    assert tunnels.device.held._nbytes == 0


def test_pausing_what_has_closed_holds_nothing(tunnels):
    near, far = tunnels.open(HalfCloseable())
    near.transport.loseConnection()
    near.transport.pauseProducing()
    near.transport.resumeProducing()
    far.transport.write(bytes(1_000_000))
    tunnels.pump()
    assert tunnels.device.held._nbytes == 0


def test_a_protocol_that_has_stopped_reading_still_learns_of_the_end():
    tunnels = Tunnels(Plain)
    near, far = tunnels.open(Plain())
    far.transport.stopProducing()
    near.transport.loseConnection()
    tunnels.pump()
    assert far.calls == ["made", "lost"]
    assert not tunnels.server.substreams


def test_what_waits_for_a_protocol_counts_as_held():
    tunnels = Tunnels(lambda: None)
    near, _ = tunnels.open(HalfCloseable())
    near.transport.write(bytes(MAX_HELD_BYTES + 1))
    tunnels.pump()
    assert not tunnels.server_end.reading
    late = HalfCloseable()
    tunnels.far.opened[0].attach(late)
    tunnels.pump()
    assert len(late.data) == MAX_HELD_BYTES + 1
    assert tunnels.server_end.reading


def test_held_events_count_at_their_size_in_memory():
    tunnels = Tunnels(lambda: None)
    near, _ = tunnels.open(Aware())
    for _ in range(10):
        near.transport.emit("x", [[] for _ in range(10_000)], {"key" * 1000: None})
    tunnels.pump()
    assert not tunnels.server_end.reading
    assert tunnels.server.held._nbytes > 10_000 * 56
    tunnels.connection.cut()
    assert tunnels.server.held._nbytes == 0


def test_tiny_pieces_count_at_what_their_objects_take():
    tunnels = Tunnels(lambda: None)
    near, _ = tunnels.open(Aware())
    for _ in range(100):
        near.transport.write(b"x")
        near.transport.emit("y")
    tunnels.pump()
    assert tunnels.server.held._nbytes > 200 * HELD_EVENT_BYTES


# --- stalls


class Reading:
    """Notes what is done about a tunnel whose substreams hold too much."""

    def __init__(self):
        self.calls = []

    def stop_reading(self):
        self.calls.append("stop")

    def resume_reading(self):
        self.calls.append("resume")

    def end_stall(self):
        self.calls.append("end stall")


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def reading():
    return Reading()


@pytest.fixture
def held(reading, clock):
    return HeldBytes(reading, clock)


def test_the_tunnels_reading_is_stopped_and_resumed_once_each(held, reading, clock):
    held.add(MAX_HELD_BYTES)
    assert reading.calls == []
    held.add(1)
    held.add(1)
    assert reading.calls == ["stop"]
    held.remove(MAX_HELD_BYTES - RESUME_HELD_BYTES)
    assert reading.calls == ["stop"]
    held.remove(2)
    held.remove(1)
    assert reading.calls == ["stop", "resume"]
    assert not clock.getDelayedCalls()


def test_a_tunnel_that_reads_is_not_watched(held, clock):
    held.add(MAX_HELD_BYTES)
    assert not clock.getDelayedCalls()


def test_when_nothing_was_taken_for_so_long_the_stall_is_ended_and_so_is_the_next(
    held, reading, clock
):
    held.add(MAX_HELD_BYTES + 1)
    clock.advance(MAX_STALL_S - 1)
    assert reading.calls == ["stop"]
    clock.advance(1)
    assert reading.calls == ["stop", "end stall"]
    clock.advance(MAX_STALL_S)
    assert reading.calls == ["stop", "end stall", "end stall"]


def test_a_consumer_that_takes_a_little_is_no_stall(held, reading, clock):
    held.add(2 * MAX_HELD_BYTES)
    for _ in range(10):
        held.remove(1)
        clock.advance(MAX_STALL_S)
    assert reading.calls == ["stop"]
    clock.advance(MAX_STALL_S)
    assert reading.calls == ["stop", "end stall"]


def test_the_substream_that_stalls_the_tunnel_is_ended_on_both_sides_and_the_others_go_on(tunnels):
    slow, far_slow = tunnels.open(HalfCloseable())
    other, far_other = tunnels.open(HalfCloseable())
    for near in (slow, other):
        near.transport.pauseProducing()
    far_other.transport.write(b"little")
    tunnels.pump()
    far_slow.transport.write(bytes(1_000_000))
    tunnels.pump()
    tunnels.clock.advance(MAX_STALL_S)
    tunnels.pump()
    for protocol in (slow, far_slow):
        assert protocol.lost.check(SubstreamError)
        assert protocol.lost.getErrorMessage().startswith("ETIMEDOUT: no data was taken for 120 s")
    assert list(tunnels.device.substreams) == list(tunnels.server.substreams) == [4]
    far_other.transport.write(b" by little")
    tunnels.pump()
    other.transport.resumeProducing()
    assert other.data == b"little by little"
    assert not tunnels.clock.getDelayedCalls()


def test_a_protocol_aware_of_substreams_is_told_that_it_stalled_however_it_pauses(tunnels):
    near, far = tunnels.open(Aware())
    near.transport.pauseProducing()
    far.transport.write(bytes(1_000_000))
    tunnels.pump()
    tunnels.clock.advance(MAX_STALL_S)
    tunnels.pump()
    assert near.calls == ["made", "error"]
    assert tunnels.device_end.reading
    assert tunnels.device.held._nbytes == 0


def test_a_substream_that_nobody_attended_to_is_ended_too():
    tunnels = Tunnels(lambda: None)
    near, _ = tunnels.open(HalfCloseable())
    near.transport.write(bytes(1_000_000))
    tunnels.pump()
    tunnels.clock.advance(MAX_STALL_S)
    tunnels.pump()
    assert near.lost.check(SubstreamError)
    assert tunnels.server_end.reading
    tunnels.far.opened[0].attach(late := Plain())
    assert late.data == b""
    assert late.lost.check(SubstreamError)


def test_a_tunnel_that_is_lost_is_watched_no_more(tunnels):
    near, far = tunnels.open(HalfCloseable())
    near.transport.pauseProducing()
    far.transport.write(bytes(1_000_000))
    tunnels.pump()
    assert tunnels.clock.getDelayedCalls()
    tunnels.connection.cut()
    assert not tunnels.clock.getDelayedCalls()


def test_a_feed_whose_producer_is_done_calls_it_no_more():
    class Lane:
        waiting_bytes = 0

        def later(self, call):
            call()

    feed = Feed(Lane(), None, True)
    feed.forget()
    feed.sent()
    feed.written(1 << 20)
    feed.stop()
