"""Substreams under credit/1: who is paused, what is held, and how one stops reading."""

import pytest
from twisted.internet import error
from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

from streamplex import SubstreamError, TunnelLostError, Windows
from streamplex.credit import MAX_EVENTS_AT_ONCE
from streamplex.features import CREDIT, REUSE
from streamplex.tx import ITakesSequences
from streamplex.tx.flow import MAX_HELD_BYTES, MAX_HELD_EVENTS_BYTES, MAX_WAITING_BYTES
from streamplex.tx.intake import HELD_EVENT_BYTES
from streamplex.tx.protocol import CLOSE_TIMEOUT_S
from support.memory_tunnels import Aware, HalfCloseable, Plain, Tunnels

KIB = 1024
SMALL = Windows(first=64 * KIB, substream_max=512 * KIB, tunnel_max=2048 * KIB)


def with_credit(serve=HalfCloseable, windows=SMALL):
    tunnels = Tunnels(serve)
    for tunnel in (tunnels.device, tunnels.server):
        tunnel.enable([CREDIT, REUSE], windows, windows.first)
    return tunnels


@pytest.fixture
def tunnels():
    return with_credit()


@implementer(IPushProducer)
class Source:
    """Writes until it is paused."""

    def __init__(self, transport, total):
        self.transport = transport
        self.left = total
        self.paused = False
        transport.registerProducer(self, True)

    def run(self):
        while self.left and not self.paused:
            some = min(self.left, 16 * KIB)
            self.left -= some
            self.transport.write(bytes(some))

    def pauseProducing(self):
        self.paused = True

    def resumeProducing(self):
        self.paused = False
        self.run()

    def stopProducing(self):
        self.left = 0


def test_data_that_is_taken_together_gives_its_credit_back():
    @implementer(ITakesSequences)
    class Takes(HalfCloseable):
        def dataSequenceReceived(self, pieces):
            for piece in pieces:
                self.dataReceived(piece)

    tunnels = with_credit(Takes)
    near, far = tunnels.open(HalfCloseable())
    near.transport.together(lambda: near.transport.write(bytes(1000 * KIB)))
    tunnels.pump()
    assert len(far.data) == 1000 * KIB


# --- a consumer that pauses


def test_a_paused_consumer_is_held_to_its_window_and_the_tunnel_is_read_on(tunnels):
    slow, far_slow = tunnels.open(HalfCloseable())
    other, far_other = tunnels.open(HalfCloseable())
    slow.transport.pauseProducing()
    source = Source(far_slow.transport, 200_000 * KIB)
    source.run()
    tunnels.pump()
    assert tunnels.device_end.reading
    assert 64 * KIB <= slow.transport.held_bytes <= 64 * KIB + 100 * HELD_EVENT_BYTES
    assert slow.transport.has_unread
    assert source.paused
    assert tunnels.server.core.waiting_bytes(far_slow.transport.channel) < 128 * KIB
    for _ in range(100):
        far_other.transport.write(bytes(100 * KIB))
        tunnels.pump()
    assert len(other.data) == 10_000 * KIB
    assert tunnels.server.held_bytes < MAX_WAITING_BYTES + 64 * KIB


def test_when_it_goes_on_everything_arrives_and_its_window_has_grown(tunnels):
    slow, far_slow = tunnels.open(HalfCloseable())
    slow.transport.pauseProducing()
    source = Source(far_slow.transport, 10_000 * KIB)
    source.run()
    tunnels.pump()
    slow.transport.resumeProducing()
    tunnels.pump()
    assert source.left == 0
    assert len(slow.data) == 10_000 * KIB
    assert tunnels.device.core.stream(2).window.left > 256 * KIB


def test_what_waits_for_a_protocol_is_held_to_its_window_too():
    tunnels = with_credit(lambda: None)
    near, _ = tunnels.open(HalfCloseable())
    Source(near.transport, 10_000 * KIB).run()
    tunnels.pump()
    substream = tunnels.far.opened[0]
    assert substream.held_bytes <= 64 * KIB + 100 * HELD_EVENT_BYTES
    substream.attach(late := HalfCloseable())
    tunnels.pump()
    assert len(late.data) == 10_000 * KIB


def test_no_stall_is_ended_for_what_holds_up_nobody(tunnels):
    slow, far_slow = tunnels.open(HalfCloseable())
    slow.transport.pauseProducing()
    far_slow.transport.write(bytes(MAX_HELD_BYTES * 2))
    tunnels.pump()
    assert not tunnels.clock.getDelayedCalls()


def test_small_pieces_are_held_at_little_more_than_their_size(tunnels):
    near, far = tunnels.open(HalfCloseable())
    near.transport.pauseProducing()
    for _ in range(10_000):
        far.transport.write(b"x")
        tunnels.server.flush()
        tunnels.pump()
    assert near.transport.held_bytes < 10_000 + 4 * HELD_EVENT_BYTES
    near.transport.resumeProducing()
    assert near.data == b"x" * 10_000


def test_what_a_consumer_that_closed_had_not_taken_lets_the_peer_come_to_its_end(tunnels):
    near, far = tunnels.open(Plain())
    near.transport.pauseProducing()
    far.transport.write(bytes(500 * KIB))
    tunnels.pump()
    near.transport.abortConnection()
    far.transport.loseConnection()
    tunnels.pump()
    assert not tunnels.device.substreams
    assert not tunnels.server.substreams
    assert not tunnels.server.core.has_waiting


# --- events


def test_events_that_nobody_takes_end_their_substream_when_they_are_too_many():
    tunnels = with_credit(Aware)
    near, far = tunnels.open(Aware())
    other, far_other = tunnels.open(Aware())
    far.transport.pauseProducing()
    for _ in range(100):
        near.transport.emit("x", "y" * 10_000)
    tunnels.pump()
    assert far.events[0] == ("error", "ENOBUFS: too many events")
    assert near.events == [("error", "ENOBUFS: too many events")]
    assert far.transport.held_bytes == 0
    far_other.transport.emit("hello")
    tunnels.pump()
    assert other.events == [("hello",)]


def test_events_that_wait_for_a_protocol_are_bounded_as_well():
    tunnels = with_credit(lambda: None)
    near, _ = tunnels.open(Aware())
    for _ in range(100):
        near.transport.emit("x", "y" * 10_000)
    tunnels.pump()
    assert near.events == [("error", "ENOBUFS: too many events")]
    assert tunnels.far.opened[0].held_bytes < MAX_HELD_EVENTS_BYTES


def test_events_are_limited_in_rate():
    tunnels = with_credit(Aware)
    near, far = tunnels.open(Aware())
    for _ in range(MAX_EVENTS_AT_ONCE):
        near.transport.emit("x")
    tunnels.pump()
    assert far.events == [("x",)] * MAX_EVENTS_AT_ONCE
    tunnels.clock.advance(0.5)
    for _ in range(MAX_EVENTS_AT_ONCE // 2 + 1):
        near.transport.emit("x")
    tunnels.pump()
    assert far.events[-1] == ("error", "ENOBUFS: too many events")
    near.transport.emit("close")  # for one that is left, events still come
    tunnels.pump()
    assert far.events[-1] == ("close",)


# --- reset


def test_a_substream_that_is_closing_can_still_be_reset():
    tunnels = with_credit(Aware)
    near, far = tunnels.open(Aware())
    near.transport.loseConnection()
    assert near.transport.can_reset
    near.transport.reset()
    tunnels.pump()
    assert far.calls == ["made", "read lost", "reset"]
    assert near.transport.disconnecting
    assert not near.transport.can_reset


def test_reset_frees_both_ends_however_much_is_queued():
    tunnels = with_credit(Aware)
    near, far = tunnels.open(Aware())
    near.transport.pauseProducing()
    far.transport.write(bytes(1000 * KIB))
    tunnels.pump()
    near.transport.reset()
    near.transport.reset()
    tunnels.pump()
    assert far.calls == ["made", "reset", "read lost"]
    assert not tunnels.server.core.has_waiting
    far.transport.loseConnection()
    far.transport.release()
    near.transport.release()
    tunnels.pump()
    assert not tunnels.device.substreams_in_use
    assert not tunnels.server.substreams_in_use
    assert near.data == b""


def test_reset_ends_protocols_that_know_nothing_of_it(tunnels):
    near, far = tunnels.open(Plain())
    far.transport.write(bytes(1000 * KIB))
    near.transport.reset()
    tunnels.pump()
    assert near.lost.check(error.ConnectionDone)
    assert far.lost.check(SubstreamError)
    assert not tunnels.device.substreams_in_use
    assert not tunnels.server.substreams_in_use


def test_without_flow_control_there_is_no_reset():
    tunnels = Tunnels()
    near, far = tunnels.open(Plain())
    assert not near.transport.can_reset
    near.transport.reset()
    tunnels.pump()
    assert near.calls == far.calls == ["made"]


def test_a_reset_that_finds_its_protocol_gone_is_told_to_nobody(logged_failures):
    tunnels = with_credit(Aware)
    near, far = tunnels.open(Plain())
    far.customReceived = lambda name, args: 1 / 0
    near.transport.emit("x")
    near.transport.reset()
    tunnels.pump()
    assert far.calls == ["made", "lost"]
    assert logged_failures.flush(ZeroDivisionError)


# --- promises and the end


def test_a_substream_that_cannot_be_promised_its_window_says_so():
    tunnels = Tunnels()
    tunnels.device.enable([CREDIT])
    tunnels.server.enable([CREDIT], Windows(tunnel_max=64 * KIB))
    for _ in range(2):
        tunnels.open(HalfCloseable())
    assert [each.is_promised for each in tunnels.far.opened] == [True, False]


def test_what_was_released_and_has_not_left_is_in_use_and_held():
    tunnels = with_credit(Aware)
    near, far = tunnels.open(HalfCloseable())
    near.transport.pauseProducing()
    far.transport.write(bytes(100 * KIB))
    far.transport.release()
    tunnels.pump()
    assert not tunnels.server.substreams
    assert tunnels.server.substreams_in_use == 1
    assert tunnels.server.held_bytes > 36 * KIB
    assert tunnels.server.has_more_to_send
    near.transport.resumeProducing()
    tunnels.pump()
    assert len(near.data) == 100 * KIB
    assert tunnels.server.substreams_in_use == 0


def test_a_tunnel_that_closes_sends_what_gets_credit_in_time(tunnels):
    near, far = tunnels.open(HalfCloseable())
    near.transport.pauseProducing()
    far.transport.write(bytes(100 * KIB))
    tunnels.pump()
    tunnels.server.loseConnection()
    tunnels.pump()
    assert tunnels.near.lost is None
    near.transport.resumeProducing()
    tunnels.pump()
    assert len(near.data) == 100 * KIB
    assert tunnels.near.lost.check(error.ConnectionDone)
    assert near.lost.check(TunnelLostError)


def test_a_tunnel_that_closes_waits_for_credit_no_longer_than_for_anything(tunnels):
    near, far = tunnels.open(HalfCloseable())
    near.transport.pauseProducing()
    far.transport.write(bytes(100 * KIB))
    tunnels.pump()
    tunnels.server.loseConnection()
    tunnels.clock.advance(CLOSE_TIMEOUT_S)
    tunnels.pump()
    assert tunnels.near.lost
