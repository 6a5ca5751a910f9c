"""The pump: transports, listeners and what ends a tunnel."""

import pytest
from twisted.internet import error
from twisted.internet.interfaces import IHandshakeListener, IProtocol, IPushProducer
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from zope.interface.verify import verifyObject

from streamplex import (
    ChannelsExhaustedError,
    LocalError,
    PeerLimits,
    RemoteError,
    Side,
    TunnelLostError,
    encoding,
)
from streamplex.features import GOAWAY, REUSE
from streamplex.messages import DATA_HEADER_BYTES, data_header, encode_json
from streamplex.tx import ISubstreamProtocol, ITunnelListener, TunnelProtocol
from streamplex.tx.protocol import CLOSE_TIMEOUT_S
from streamplex.tx.sending import MAX_BATCH_BYTES, MIN_BATCH_BYTES
from support.memory_tunnels import Aware, Connection, HalfCloseable, Listener, Plain, Tunnels


@pytest.fixture
def tunnels():
    return Tunnels()


def connected():
    """A server's tunnel on a transport that keeps what is written."""
    listener = Listener()
    tunnel = TunnelProtocol(Side.A, listener, Clock())
    transport = StringTransport()
    tunnel.makeConnection(transport)
    return tunnel, listener, transport


def test_a_tunnel_provides_what_twisted_asks_of_it(tunnels):
    for interface in (IProtocol, IPushProducer, IHandshakeListener):
        assert verifyObject(interface, tunnels.device)
    assert verifyObject(ITunnelListener, tunnels.near)
    assert verifyObject(ISubstreamProtocol, Aware())


def test_the_listener_is_told_in_this_order(tunnels):
    tunnels.device.message({"token": "x"})
    tunnels.open(Plain())
    tunnels.connection.cut()
    assert tunnels.far.calls == ["made", "message", "opened", "lost"]
    assert tunnels.far.tunnel is tunnels.server
    assert tunnels.far.messages == [{"token": "x"}]


def test_small_frames_do_not_wait_for_acknowledgements(tunnels):
    assert tunnels.device_end.no_delay is True


def test_a_transport_without_tcp_will_do():
    _, listener, _ = connected()
    assert listener.calls == ["made"]


def test_a_finished_handshake_is_passed_on(tunnels):
    tunnels.device.handshakeCompleted()
    assert tunnels.near.calls == ["made", "secured"]


def test_answers_to_one_read_leave_in_one_write():
    tunnel, listener, transport = connected()
    listener.on_open = lambda substream: substream.emit("hello")
    writes = []
    transport.write = writes.append
    tunnel.dataReceived(encoding.stream_opened(2, None) + encoding.stream_opened(4, None))
    assert writes == [encoding.custom(2, "hello", ()) + encoding.custom(4, "hello", ())]


def test_a_message_from_before_the_connection_leaves_with_it():
    tunnel = TunnelProtocol(Side.B, Listener(), Clock())
    tunnel.message(1)
    transport = StringTransport()
    tunnel.makeConnection(transport)
    assert transport.value() == encoding.message(1)


def test_what_is_not_known_is_ignored(tunnels):
    _, far = tunnels.open(Aware())
    tunnels.device_end.write(encode_json(0, {"type": "later"}) + encode_json(2, {"event": "later"}))
    tunnels.pump()
    assert far.calls == ["made"]
    assert tunnels.far.lost is None


def test_features_are_the_cores_business(tunnels):
    tunnels.device.enable({REUSE})
    assert tunnels.device.core._substreams.own.reuse


def test_a_device_is_told_to_go_away_a_dead_tunnel_is_not(tunnels):
    for end in (tunnels.device, tunnels.server):
        end.enable({GOAWAY})
    tunnels.server.goaway(1800)
    tunnels.pump()
    assert tunnels.near.calls[-1] == "go away after 1800"
    tunnels.connection.cut()
    tunnels.server.goaway(0)
    assert not tunnels.server.core


def test_a_tunnel_tells_whether_the_transport_has_yet_to_take_something(tunnels):
    substream = tunnels.device.open("net")
    assert not tunnels.device.has_more_to_send
    for _ in range(3):
        substream.write(b"x" * 100_000)
    assert tunnels.device.has_more_to_send
    tunnels.pump()
    assert not tunnels.device.has_more_to_send


# --- opening


@pytest.mark.parametrize("phase", ["connecting", "closing", "cut", "lost"])
def test_a_tunnel_that_is_not_open_opens_nothing(tunnels, phase):
    tunnel = tunnels.device
    match phase:
        case "connecting":
            tunnel = TunnelProtocol(Side.B, Listener(), Clock())
        case "closing":
            tunnel.pauseProducing()
            tunnel.message("queued")
            tunnel.loseConnection()
        case "cut":
            tunnel.abortConnection()
        case "lost":
            tunnels.connection.cut()
    with pytest.raises(LocalError, match=f"on a tunnel that is {phase}"):
        tunnel.open("net")


def test_an_exhausted_tunnel_says_so_and_goes_on(tunnels):
    near, far = tunnels.open(HalfCloseable())
    tunnels.device.core._substreams.own._next = 65_536
    with pytest.raises(ChannelsExhaustedError):
        tunnels.device.open("net")
    near.transport.write(b"on")
    tunnels.pump()
    assert far.data == b"on"


# --- the tunnel's end


@pytest.mark.parametrize("reason", [error.ConnectionDone(), error.ConnectionLost()])
def test_the_tunnels_end_however_clean_is_no_clean_end_of_its_substreams(tunnels, reason):
    one, far_one = tunnels.open(HalfCloseable())
    two, far_two = tunnels.open(Aware())
    tunnels.connection.cut(reason)
    for protocol in (one, two, far_one, far_two):
        assert protocol.lost.check(TunnelLostError)
        assert protocol.lost.value.__cause__ is reason
        assert protocol.calls == ["made", "lost"]
    assert tunnels.near.lost.value is tunnels.far.lost.value is reason
    assert not tunnels.device.substreams


def test_the_listener_hears_of_the_end_after_every_substream():
    tunnels = Tunnels()
    near, _ = tunnels.open(Plain())
    near.connectionLost = lambda reason: tunnels.near.calls.append("substream lost")
    tunnels.connection.cut()
    assert tunnels.near.calls == ["made", "substream lost", "lost"]


def test_a_substream_that_is_released_is_not_lost_with_the_tunnel(tunnels):
    near, far = tunnels.open(HalfCloseable())
    near.transport.loseConnection()
    far.transport.loseConnection()
    tunnels.pump()
    tunnels.connection.cut()
    assert near.lost.check(error.ConnectionDone)


def test_calls_on_the_substreams_of_a_lost_tunnel_do_nothing(tunnels):
    near, _ = tunnels.open(HalfCloseable())
    tunnels.connection.cut()
    near.transport.write(b"x")
    near.transport.emit("x")
    near.transport.loseConnection()
    near.transport.abortConnection()
    near.transport.release()
    tunnels.clock.advance(0)
    assert near.calls == ["made", "lost"]


def test_messages_for_a_lost_tunnel_are_not_hoarded(tunnels):
    tunnels.connection.cut()
    tunnels.device.message("x" * 1000)
    tunnels.device.loseConnection()
    tunnels.device.abortConnection()
    assert not tunnels.device.core


def test_the_peers_fault_ends_its_tunnel_and_no_other(tunnels):
    other = Tunnels()
    _, far = tunnels.open(Plain())
    tunnels.device_end.write(data_header(4, 1) + b"x")
    tunnels.pump()
    assert tunnels.far.lost.check(RemoteError)
    assert tunnels.far.lost.getErrorMessage() == "message for channel 4, which was never opened"
    assert tunnels.near.lost.check(error.ConnectionLost)
    assert far.lost.check(TunnelLostError)
    assert other.far.lost is None


def test_what_came_before_a_fault_is_delivered(tunnels):
    _, far = tunnels.open(HalfCloseable())
    tunnels.device_end.write(data_header(2, 2) + b"hi" + b"\x00\x00")
    tunnels.pump()
    assert far.data == b"hi"
    assert tunnels.far.lost.check(RemoteError)


def test_a_stream_that_ends_inside_a_frame_is_the_peers_fault(tunnels):
    tunnels.device_end.write(b"\x00\x05\x00")
    tunnels.device_end.loseConnection()
    tunnels.pump()
    assert tunnels.far.lost.check(RemoteError)
    assert tunnels.near.lost.check(error.ConnectionDone)


def test_a_connection_that_breaks_inside_a_frame_is_nobodys_fault(tunnels):
    tunnels.device_end.write(b"\x00\x05\x00")
    tunnels.pump()
    tunnels.connection.cut()
    assert tunnels.far.lost.check(error.ConnectionLost)


def test_our_own_close_inside_a_frame_of_the_peers_is_not_its_fault(tunnels):
    tunnels.device_end.write(b"\x00\x05\x00")
    tunnels.pump()
    tunnels.server.loseConnection()
    tunnels.pump()
    assert tunnels.far.lost.check(error.ConnectionDone)


def test_a_peer_that_asks_without_reading_is_cut():
    tunnels = Tunnels(limits=PeerLimits(max_unread_answer_bytes=1000))
    tunnels.server.pauseProducing()
    for _ in range(100):
        tunnels.server.message("answer")
    tunnels.device.message("question")
    tunnels.pump()
    assert tunnels.far.lost.check(RemoteError)
    assert "does not read the answers" in tunnels.far.lost.getErrorMessage()


# --- closing


def test_a_peer_that_sends_more_than_it_may_is_cut(tunnels):
    tunnels.server.hear_at_most(30)
    tunnels.server.dataReceived(encoding.message("x" * 30))
    tunnels.server.dataReceived(encoding.message("y"))
    tunnels.pump()
    assert tunnels.far.messages == ["x" * 30]
    assert tunnels.far.lost.check(RemoteError)


def test_data_of_the_read_in_which_its_substream_was_released_is_not_delivered():
    class Releases(Aware):
        def customReceived(self, name, args):
            super().customReceived(name, args)
            self.transport.release()

    tunnels = Tunnels(Releases)
    _, far = tunnels.open(Aware())
    tunnels.server.dataReceived(encoding.custom(2, "go", ()) + data_header(2, 4) + b"data")
    assert far.calls == ["made", "go", "lost"]
    assert tunnels.server.transport.connected


def test_closing_sends_what_is_queued_first(tunnels):
    near, far = tunnels.open(HalfCloseable())
    near.transport.write(bytes(1_000_000))
    tunnels.device.message("bye")
    tunnels.device.loseConnection()
    tunnels.device.loseConnection()
    tunnels.pump()
    assert len(far.data) == 1_000_000
    assert tunnels.far.messages == ["bye"]
    assert tunnels.near.lost.check(error.ConnectionDone)
    assert far.lost.check(TunnelLostError)
    assert not tunnels.clock.getDelayedCalls()


def test_closing_waits_for_a_transport_that_has_enough(tunnels):
    near, far = tunnels.open(HalfCloseable())
    tunnels.server_end.pauseProducing()
    near.transport.write(bytes(1_000_000))
    tunnels.device.loseConnection()
    tunnels.pump()
    assert tunnels.near.lost is None
    tunnels.server_end.resumeProducing()
    tunnels.pump()
    assert len(far.data) == 1_000_000
    assert tunnels.near.lost.check(error.ConnectionDone)


def test_a_peer_that_does_not_take_what_is_queued_is_cut_in_the_end(tunnels):
    near, _ = tunnels.open(HalfCloseable())
    tunnels.server_end.pauseProducing()
    near.transport.write(bytes(1_000_000))
    tunnels.device.loseConnection()
    tunnels.clock.advance(CLOSE_TIMEOUT_S - 1)
    tunnels.pump()
    assert tunnels.near.lost is None
    tunnels.clock.advance(1)
    tunnels.pump()
    assert tunnels.near.lost.check(error.ConnectionAborted)
    assert not tunnels.clock.getDelayedCalls()


def test_a_tunnel_may_be_closed_by_what_it_receives(tunnels):
    tunnels.far.messageReceived = lambda value: (
        tunnels.server.message({"authed": False}),
        tunnels.server.loseConnection(),
    )
    tunnels.device.message({"token": "wrong"})
    tunnels.pump()
    assert tunnels.near.messages == [{"authed": False}]
    assert tunnels.near.calls[-1] == tunnels.far.calls[-1] == "lost"


def test_a_closing_tunnel_still_hears(tunnels):
    near, far = tunnels.open(HalfCloseable())
    tunnels.device.pauseProducing()
    near.transport.write(b"queued")
    tunnels.device.loseConnection()
    far.transport.write(b"heard")
    tunnels.pump()
    assert near.data == b"heard"


def test_a_closing_tunnel_reads_again_though_a_consumer_is_paused(tunnels):
    near, far = tunnels.open(HalfCloseable())
    near.transport.pauseProducing()
    far.transport.write(bytes(1_000_000))
    tunnels.pump()
    assert not tunnels.device_end.reading
    tunnels.device.loseConnection()
    assert tunnels.device_end.reading
    tunnels.pump()
    assert tunnels.near.lost.check(error.ConnectionDone)
    assert near.data == b""


def test_nothing_is_heard_after_a_cut(tunnels):
    tunnels.far.on_open = lambda substream: tunnels.server.abortConnection()
    tunnels.device.open("net")
    tunnels.device.open("net")
    tunnels.device.message("later")
    tunnels.device.pauseProducing()
    tunnels.pump()
    assert tunnels.far.calls.count("opened") <= 1
    tunnels.server.dataReceived(encoding.message("after"))
    assert tunnels.far.calls[-1] == "lost"


def test_events_of_the_read_in_which_the_tunnel_was_cut_are_not_delivered():
    tunnel, listener, _ = connected()
    listener.on_open = lambda substream: tunnel.abortConnection()
    tunnel.dataReceived(encoding.stream_opened(2, None) + encoding.message("later"))
    assert listener.calls == ["made", "opened"]


def test_cutting_an_unconnected_tunnel_does_nothing():
    tunnel = TunnelProtocol(Side.B, Listener(), Clock())
    tunnel.abortConnection()
    tunnel.loseConnection()
    Connection(tunnel, TunnelProtocol(Side.A, Listener(), tunnel.clock), tunnel.clock)
    assert tunnel.open("net").channel == 2


def test_a_cut_drops_what_is_queued(tunnels):
    near, far = tunnels.open(HalfCloseable())
    tunnels.server_end.pauseProducing()
    near.transport.write(bytes(1_000_000))
    tunnels.device.abortConnection()
    tunnels.server_end.resumeProducing()
    tunnels.pump()
    assert far.data == b""
    assert tunnels.near.lost.check(error.ConnectionAborted)
    assert tunnels.far.lost.check(error.ConnectionLost)


def test_substreams_that_hold_much_when_the_tunnel_is_lost_leave_it_alone(tunnels):
    near, far = tunnels.open(HalfCloseable())
    near.transport.pauseProducing()
    far.transport.write(bytes(1_000_000))
    tunnels.pump()
    tunnels.connection.cut()
    assert near.calls == ["made", "lost"]
    assert not tunnels.device_end.reading


def test_the_transports_producer_is_stopped_when_it_goes(tunnels):
    near, _ = tunnels.open(HalfCloseable())
    tunnels.device.stopProducing()
    near.transport.write(b"kept")
    assert tunnels.device.core.waiting_bytes(2) == 4


# --- how much the transport is given at once


class Narrow(StringTransport):
    """A transport that has room for some batches, and then for one at a time."""

    def __init__(self, batches):
        super().__init__()
        self.batches = batches
        self.written = []

    def write(self, data):
        self.written.append(len(data))
        if len(self.written) >= self.batches:
            self.producer.pauseProducing()


def batches_of(transport, turns=0):
    """What a tunnel with much to send writes, when the transport has room again so many times."""
    tunnel = TunnelProtocol(Side.B, Listener(), Clock())
    tunnel.makeConnection(transport)
    tunnel.together(lambda: tunnel.open("net").write(bytes(8 * MAX_BATCH_BYTES)))
    for _ in range(turns):
        transport.producer.resumeProducing()
    return transport.written


def test_a_transport_that_keeps_up_is_given_whole_reads():
    *whole, _ = batches_of(Narrow(100))
    assert all(MAX_BATCH_BYTES <= each < MAX_BATCH_BYTES + 100 for each in whole)


def test_a_transport_that_does_not_keep_up_is_given_less_each_time():
    # What it holds, nothing can overtake: over a slow radio a whole read is seconds.
    least = MIN_BATCH_BYTES + DATA_HEADER_BYTES
    assert batches_of(Narrow(1), turns=10)[-5:] == [least] * 5


def test_a_transport_that_keeps_up_again_is_given_more_each_time():
    transport = Narrow(1)
    batches_of(transport, turns=10)
    transport.batches = 100
    before = len(transport.written)
    transport.producer.resumeProducing()
    sizes = transport.written[before : before + 6]
    assert sizes == sorted(sizes)
    assert sizes[-1] >= MAX_BATCH_BYTES
