"""A substream as a Twisted transport."""

from types import SimpleNamespace

import pytest
from twisted.internet import error
from twisted.internet.interfaces import (
    IAddress,
    IConsumer,
    IPushProducer,
    ITCPTransport,
    ITransport,
)
from zope.interface import implementer
from zope.interface.verify import verifyObject

from streamplex import LocalError, SubstreamError, TunnelLostError, encoding
from streamplex.messages import data_header
from streamplex.tx import ITakesSequences, ITakesViews, SubstreamAddress
from support.memory_tunnels import Aware, HalfCloseable, Plain, Tunnels


@pytest.fixture
def tunnels():
    return Tunnels()


def plain_pair():
    tunnels = Tunnels(Plain)
    return tunnels, *tunnels.open(Plain())


def test_a_substream_provides_what_a_tcp_transport_does(tunnels):
    substream = tunnels.device.open("net")
    for interface in (ITransport, ITCPTransport, IPushProducer, IConsumer):
        assert verifyObject(interface, substream)
    assert verifyObject(IAddress, substream.getPeer())


def test_its_addresses_are_its_number_and_name(tunnels):
    substream = tunnels.device.open("tls")
    assert substream.getPeer() == substream.getHost() == SubstreamAddress(2, "tls")


def test_options_of_tcp_are_the_tunnels_business(tunnels):
    substream = tunnels.device.open("net")
    substream.setTcpNoDelay(False)
    substream.setTcpKeepAlive(True)
    assert substream.getTcpNoDelay() is True
    assert substream.getTcpKeepAlive() is False


@pytest.mark.parametrize("size", [0, 1, 65_532, 65_533, 70_000, 1_000_000])
def test_writes_of_any_size_arrive_whole(tunnels, size):
    near, far = tunnels.open(HalfCloseable())
    data = bytes(range(250)) * (size // 250 + 1)
    near.transport.write(data[:size])
    tunnels.pump()
    assert far.data == data[:size]


def test_a_sequence_is_written_as_one(tunnels):
    near, far = tunnels.open(HalfCloseable())
    near.transport.writeSequence(iter([b"a", b"", b"bc"]))
    tunnels.pump()
    assert far.data == b"abc"
    assert far.calls == ["made", "data"]


def test_both_ends_know_name_and_number(tunnels):
    _, far = tunnels.open(HalfCloseable(), "tls")
    assert (far.transport.channel, far.transport.name) == (2, "tls")
    assert far.transport.protocol is far


def test_either_side_may_open_substreams(tunnels):
    tunnels.near.on_open = lambda substream: substream.attach(near)
    near, far = HalfCloseable(), HalfCloseable()
    tunnels.server.open(None).attach(far)
    far.transport.write(b"down")
    tunnels.pump()
    assert (near.transport.channel, near.transport.name, near.data) == (1, None, b"down")


# --- half close


def test_a_half_close_leaves_the_other_direction_open(tunnels):
    near, far = tunnels.open(HalfCloseable())
    near.transport.write(b"question")
    near.transport.loseWriteConnection()
    tunnels.pump()
    assert far.calls == ["made", "data", "read lost"]
    assert near.calls == ["made", "write lost"]
    assert far.transport.peer_ended
    assert not near.transport.peer_ended
    far.transport.write(b"answer")
    far.transport.loseWriteConnection()
    tunnels.pump()
    assert near.data == b"answer"
    assert near.calls[-2:] == ["read lost", "lost"]
    assert far.calls[-2:] == ["write lost", "lost"]
    assert near.lost.check(error.ConnectionDone)
    assert far.lost.check(error.ConnectionDone)
    assert not tunnels.device.substreams
    assert not tunnels.server.substreams


def test_a_second_half_close_says_nothing_more(tunnels):
    near, far = tunnels.open(HalfCloseable())
    near.transport.loseWriteConnection()
    near.transport.loseWriteConnection()
    tunnels.pump()
    near.transport.loseWriteConnection()
    tunnels.pump()
    assert near.calls == ["made", "write lost"]
    assert far.calls == ["made", "read lost"]


def test_what_is_written_after_the_end_is_passed_over(tunnels):
    near, far = tunnels.open(HalfCloseable())
    near.transport.loseWriteConnection()
    near.transport.write(b"late")
    tunnels.pump()
    assert far.data == b""
    assert tunnels.far.lost is None


def test_nothing_is_told_inside_the_call_that_ends(tunnels):
    near, far = tunnels.open(HalfCloseable())
    far.transport.loseWriteConnection()
    tunnels.pump()
    near.transport.loseConnection()
    assert near.calls == ["made", "read lost"]
    tunnels.pump()
    assert near.calls == ["made", "read lost", "lost"]


def test_the_peers_end_ends_both_directions_of_a_protocol_without_half_close():
    tunnels, near, far = plain_pair()
    near.transport.loseWriteConnection()
    tunnels.pump()
    assert far.calls == ["made", "lost"]
    assert far.lost.check(error.ConnectionDone)
    assert near.lost.check(error.ConnectionDone)
    assert not tunnels.device.substreams
    assert not tunnels.server.substreams


def test_a_protocol_without_half_close_may_half_close_itself():
    tunnels = Tunnels(HalfCloseable)
    near, far = tunnels.open(Plain())
    near.transport.loseWriteConnection()
    tunnels.pump()
    far.transport.write(b"still")
    tunnels.pump()
    assert near.data == b"still"
    assert near.lost is None


def test_our_half_close_does_not_cut_what_waits_for_a_paused_consumer(tunnels):
    near, far = tunnels.open(HalfCloseable())
    near.transport.pauseProducing()
    far.transport.write(b"precious")
    far.transport.loseWriteConnection()
    tunnels.pump()
    near.transport.loseWriteConnection()
    tunnels.pump()
    assert near.calls == ["made", "write lost"]
    near.transport.resumeProducing()
    assert near.data == b"precious"
    assert near.calls[2:] == ["data", "read lost", "lost"]


# --- loseConnection


def test_closing_sends_what_is_queued_and_then_the_end(tunnels):
    near, far = tunnels.open(HalfCloseable())
    near.transport.write(bytes(200_000))
    near.transport.loseConnection()
    assert near.transport.disconnecting
    assert near.lost is None
    tunnels.pump()
    assert len(far.data) == 200_000
    assert far.calls[-1] == "read lost"
    assert near.lost.check(error.ConnectionDone)


def test_connection_lost_waits_until_what_is_queued_has_left(tunnels):
    near, far = tunnels.open(HalfCloseable())
    far.transport.loseWriteConnection()
    tunnels.pump()
    tunnels.server_end.pauseProducing()
    near.transport.write(bytes(500_000))
    near.transport.loseConnection()
    tunnels.pump()
    assert near.lost is None
    tunnels.server_end.resumeProducing()
    tunnels.pump()
    assert near.lost.check(error.ConnectionDone)
    assert len(far.data) == 500_000


def test_the_peers_end_does_not_hurry_a_close_that_still_has_to_send():
    tunnels = Tunnels(HalfCloseable)
    near, far = tunnels.open(Plain())
    tunnels.server_end.pauseProducing()
    near.transport.write(bytes(500_000))
    near.transport.loseConnection()
    far.transport.loseWriteConnection()
    tunnels.pump()
    assert near.lost is None
    tunnels.server_end.resumeProducing()
    tunnels.pump()
    assert near.lost.check(error.ConnectionDone)


def test_after_closing_nothing_more_is_delivered(tunnels):
    near, far = tunnels.open(HalfCloseable())
    near.transport.loseConnection()
    far.transport.write(b"late")
    far.transport.loseWriteConnection()
    tunnels.pump()
    assert near.calls == ["made", "lost"]
    assert not tunnels.device.substreams


def test_a_closed_substream_stays_on_record_until_the_peer_has_ended(tunnels):
    near, far = tunnels.open(HalfCloseable())
    near.transport.loseConnection()
    tunnels.pump()
    assert list(tunnels.device.substreams) == [2]
    far.transport.loseConnection()
    tunnels.pump()
    assert not tunnels.device.substreams


def test_closing_after_a_half_close_tells_connection_lost(tunnels):
    near, _ = tunnels.open(HalfCloseable())
    near.transport.loseWriteConnection()
    tunnels.pump()
    near.transport.loseConnection()
    tunnels.pump()
    assert near.calls == ["made", "write lost", "lost"]


def test_closing_drops_what_waits_for_a_paused_consumer(tunnels):
    near, far = tunnels.open(HalfCloseable())
    near.transport.pauseProducing()
    far.transport.write(b"unread")
    far.transport.loseWriteConnection()
    tunnels.pump()
    near.transport.loseConnection()
    tunnels.pump()
    assert near.calls == ["made", "lost"]
    assert not tunnels.device.substreams


def test_closing_twice_is_closing_once(tunnels):
    near, _ = tunnels.open(HalfCloseable())
    near.transport.loseConnection()
    near.transport.loseConnection()
    tunnels.pump()
    near.transport.loseConnection()
    tunnels.pump()
    assert near.calls == ["made", "lost"]


# --- abortConnection


def test_aborting_drops_what_is_queued_and_tells_the_peer(tunnels):
    near, far = tunnels.open(HalfCloseable())
    tunnels.device.pauseProducing()
    near.transport.write(b"never")
    near.transport.abortConnection()
    assert near.lost is None
    tunnels.pump()
    assert near.lost.check(error.ConnectionAborted)
    tunnels.device.resumeProducing()
    tunnels.pump()
    assert far.data == b""
    assert far.lost.check(SubstreamError)
    assert far.lost.getErrorMessage() == "aborted"
    assert not tunnels.device.substreams
    assert not tunnels.server.substreams


def test_aborting_with_nothing_queued_is_told_as_an_abort_too(tunnels):
    near, far = tunnels.open(HalfCloseable())
    near.transport.abortConnection()
    tunnels.pump()
    assert near.lost.check(error.ConnectionAborted)
    assert far.lost.check(SubstreamError)


def test_aborting_after_the_peers_end_is_told_as_an_abort_too(tunnels):
    near, far = tunnels.open(HalfCloseable())
    far.transport.loseWriteConnection()
    tunnels.pump()
    near.transport.abortConnection()
    tunnels.pump()
    assert near.lost.check(error.ConnectionAborted)


def test_aborting_a_close_that_still_sends_does_not_make_it_look_whole():
    tunnels = Tunnels(Aware)
    near, far = tunnels.open(Plain())
    tunnels.device.pauseProducing()
    near.transport.write(b"first part")
    near.transport.loseConnection()
    near.transport.abortConnection()
    tunnels.device.resumeProducing()
    tunnels.pump()
    assert far.calls == ["made", "error", "read lost"]


def test_aborting_after_the_end_has_left_still_tells_the_peer():
    tunnels = Tunnels(Aware)
    near, far = tunnels.open(HalfCloseable())
    near.transport.loseWriteConnection()
    tunnels.pump()
    near.transport.abortConnection()
    tunnels.pump()
    assert far.calls == ["made", "read lost", "error"]
    assert near.lost.check(error.ConnectionAborted)


def test_aborting_twice_is_aborting_once():
    tunnels = Tunnels(Aware)
    near, far = tunnels.open(HalfCloseable())
    near.transport.abortConnection()
    near.transport.abortConnection()
    tunnels.pump()
    near.transport.abortConnection()
    tunnels.pump()
    assert far.events == [("error", "aborted")]
    assert near.calls == ["made", "lost"]


def test_an_aborted_substream_delivers_nothing_more(tunnels):
    near, far = tunnels.open(HalfCloseable())
    near.transport.abortConnection()
    far.transport.write(b"late")
    tunnels.pump()
    assert near.data == b""


# --- the peer's errors


def test_the_peers_error_is_connection_lost_with_its_text():
    tunnels, near, far = plain_pair()
    far.transport.fail("read ECONNRESET")
    tunnels.pump()
    assert near.lost.check(SubstreamError)
    assert near.lost.getErrorMessage() == "read ECONNRESET"


def test_the_peers_error_drops_what_waits_for_a_paused_consumer(tunnels):
    near, far = tunnels.open(HalfCloseable())
    near.transport.pauseProducing()
    far.transport.write(b"undelivered")
    far.transport.abortConnection()
    tunnels.pump()
    assert near.calls == ["made", "lost"]
    assert near.lost.check(SubstreamError)
    assert not tunnels.device.substreams


def test_failing_changes_no_state(tunnels):
    tunnels = Tunnels(Aware)
    near, far = tunnels.open(Aware())
    near.transport.fail("hm")
    near.transport.write(b"on")
    tunnels.pump()
    assert far.calls == ["made", "error", "data"]


def test_what_is_said_together_leaves_as_one(tunnels):
    near, _ = tunnels.open(HalfCloseable())
    written = []
    tunnels.device.transport.write = written.append

    def say():
        near.transport.write(b"last words")
        near.transport.loseWriteConnection()
        assert not written

    near.transport.together(say)
    assert len(written) == 1


def test_what_is_said_together_inside_of_together_leaves_with_the_rest(tunnels):
    near, _ = tunnels.open(HalfCloseable())
    written = []
    tunnels.device.transport.write = written.append

    def say():
        near.transport.together(lambda: near.transport.write(b"first"))
        assert not written
        near.transport.write(b"second")

    near.transport.together(say)
    assert len(written) == 1


class Asks(Aware):
    """Has something done behind all that came."""

    def __init__(self, do):
        super().__init__()
        self._do = do

    def customReceived(self, name, args):
        super().customReceived(name, args)
        self.transport.behind(self._do)


def test_what_is_to_be_done_behind_waits_for_all_that_came_with_it():
    tunnels = Tunnels(lambda: Asks(lambda: done.append(list(far.calls))))
    done = []
    _, far = tunnels.open(Aware())
    tunnels.server.dataReceived(
        encoding.custom(2, "go", ()) + data_header(2, 4) + b"data" + encoding.stream_ended(2)
    )
    assert done == [["made", "go", "data", "read lost"]]


def test_it_is_done_at_once_where_nothing_comes(tunnels):
    near, _ = tunnels.open(HalfCloseable())
    done = []
    near.transport.behind(lambda: done.append(1))
    assert done == [1]


def test_what_it_raises_costs_its_substream_alone(logged_failures):
    tunnels = Tunnels(lambda: Asks(lambda: 1 / 0))
    near, far = tunnels.open(Aware())
    other, _ = tunnels.open(Plain(), "other")
    near.transport.emit("go")
    tunnels.pump()
    assert len(logged_failures.flush(ZeroDivisionError)) == 1
    assert far.calls == ["made", "go", "lost"]
    assert other.lost is None


# --- attaching


def test_what_comes_before_a_protocol_is_held_for_it():
    tunnels = Tunnels(lambda: None)
    near, _ = tunnels.open(Aware())
    near.transport.write(b"early")
    near.transport.emit("_pls_connect", 80, "example.com")
    near.transport.loseWriteConnection()
    tunnels.pump()
    late = Aware()
    tunnels.far.opened[0].attach(late)
    assert late.calls == ["made", "data", "_pls_connect", "read lost"]


def test_an_error_that_comes_before_a_protocol_is_held_for_it():
    tunnels = Tunnels(lambda: None)
    near, _ = tunnels.open(Plain())
    near.transport.write(b"dropped by the error")
    tunnels.pump()
    near.transport.abortConnection()
    tunnels.pump()
    late = Aware()
    tunnels.far.opened[0].attach(late)
    assert late.calls == ["made", "error", "read lost"]


def test_a_protocol_that_comes_after_the_tunnels_end_is_told_so():
    tunnels = Tunnels(lambda: None)
    tunnels.open(Plain())
    tunnels.connection.cut()
    late = Plain()
    tunnels.far.opened[0].attach(late)
    assert late.calls == ["made", "lost"]
    assert late.lost.check(TunnelLostError)


@pytest.mark.parametrize(
    ("ended", "calls"),
    [(True, ["made", "data", "read lost", "lost"]), (False, ["made", "lost"])],
)
def test_at_the_tunnels_end_a_paused_consumer_is_handed_what_is_whole(tunnels, ended, calls):
    near, far = tunnels.open(HalfCloseable())
    near.transport.pauseProducing()
    far.transport.write(b"precious")
    if ended:
        far.transport.loseWriteConnection()
    tunnels.pump()
    tunnels.connection.cut()
    assert near.calls == calls
    assert near.lost.check(TunnelLostError)


def test_a_substream_takes_one_protocol(tunnels):
    near, _ = tunnels.open(HalfCloseable())
    with pytest.raises(LocalError, match="substream 2 has a protocol already"):
        near.transport.attach(Plain())


def test_a_protocol_may_pause_as_soon_as_it_is_connected():
    class Hesitant(HalfCloseable):
        def makeConnection(self, transport):
            super().makeConnection(transport)
            transport.pauseProducing()

    tunnels = Tunnels(lambda: None)
    near, _ = tunnels.open(Plain())
    near.transport.write(b"early")
    tunnels.pump()
    late = Hesitant()
    tunnels.far.opened[0].attach(late)
    assert late.calls == ["made"]
    late.transport.resumeProducing()
    assert late.data == b"early"


def test_a_substream_may_be_refused_without_a_protocol():
    tunnels = Tunnels(lambda: None)
    near, _ = tunnels.open(Plain())
    near.transport.write(b"unwanted")
    tunnels.pump()
    tunnels.far.opened[0].loseConnection()
    tunnels.pump()
    assert near.lost.check(error.ConnectionDone)
    assert not tunnels.server.substreams
    assert not tunnels.device.substreams


def test_a_substream_may_be_aborted_without_a_protocol():
    tunnels = Tunnels(lambda: None)
    near, _ = tunnels.open(Plain())
    tunnels.far.opened[0].abortConnection()
    tunnels.pump()
    assert near.lost.check(SubstreamError)
    assert not tunnels.server.substreams


# --- protocols that know substreams


def test_custom_events_keep_their_place_among_the_data():
    tunnels = Tunnels(Aware)
    near, far = tunnels.open(Aware())
    near.transport.write(b"a")
    near.transport.emit("mark", 1, {"x": [None]})
    near.transport.write(b"b")
    tunnels.pump()
    assert far.calls == ["made", "data", "mark", "data"]
    assert far.events == [("mark", 1, {"x": [None]})]


def test_a_plain_protocol_hears_nothing_of_custom_events(tunnels):
    near, far = tunnels.open(Aware())
    near.transport.emit("mark")
    near.transport.write(b"x")
    tunnels.pump()
    assert far.calls == ["made", "data"]


def test_an_aware_protocol_says_itself_when_it_is_over():
    tunnels = Tunnels(Aware)
    near, far = tunnels.open(Aware())
    near.transport.loseConnection()
    far.transport.loseConnection()
    tunnels.pump()
    assert near.lost is far.lost is None
    far.transport.emit("close")
    far.transport.release()
    assert far.lost.check(error.ConnectionDone)
    tunnels.pump()
    assert near.events == [("close",)]
    near.transport.release()
    assert near.lost.check(error.ConnectionDone)
    assert not tunnels.device.substreams
    assert not tunnels.server.substreams


def test_events_reach_an_aware_protocol_that_has_stopped_taking_data():
    tunnels = Tunnels(Aware)
    near, far = tunnels.open(Aware())
    near.transport.stopProducing()
    far.transport.write(b"unwanted")
    far.transport.emit("close")
    far.transport.fail("read ECONNRESET")
    tunnels.pump()
    assert near.calls == ["made", "close", "error"]


def test_release_ends_what_was_not_ended():
    tunnels = Tunnels(Aware)
    near, far = tunnels.open(Aware())
    near.transport.write(b"last words")
    near.transport.release()
    near.transport.release()
    assert near.calls == ["made", "lost"]
    assert near.transport.peer_ended
    tunnels.pump()
    assert far.calls == ["made", "data", "read lost"]


def test_a_released_substream_says_nothing_more():
    tunnels = Tunnels(Aware)
    near, far = tunnels.open(Aware())
    near.transport.release()
    for call in (
        lambda: near.transport.write(b"x"),
        lambda: near.transport.emit("x"),
        lambda: near.transport.fail("x"),
        near.transport.loseConnection,
        near.transport.loseWriteConnection,
        near.transport.abortConnection,
    ):
        call()
    tunnels.pump()
    assert far.calls == ["made", "read lost"]
    assert near.calls == ["made", "lost"]


def test_close_with_sends_the_end_and_an_event_behind_the_data_and_releases():
    tunnels = Tunnels(Aware)
    near, far = tunnels.open(Aware())
    near.transport.write(b"last words")
    near.transport.close_with("bye")
    near.transport.close_with("again")
    assert near.calls == ["made", "lost"]
    tunnels.pump()
    assert far.calls == ["made", "data", "read lost", "bye"]


def test_close_with_sends_no_second_end():
    tunnels = Tunnels(Aware)
    near, far = tunnels.open(Aware())
    near.transport.loseWriteConnection()
    near.transport.close_with("bye")
    tunnels.pump()
    assert far.calls == ["made", "read lost", "bye"]


def test_close_with_does_not_wait_for_a_producer_and_stops_it():
    tunnels = Tunnels(Aware)
    near, far = tunnels.open(Aware())
    stopped = []
    producer = SimpleNamespace(stopProducing=lambda: stopped.append(1))
    near.transport.registerProducer(producer, True)
    near.transport.close_with("bye")
    tunnels.pump()
    assert (stopped, far.calls) == ([1], ["made", "read lost", "bye"])


def test_a_lost_tunnel_keeps_nothing_that_was_queued(tunnels):
    near, _ = tunnels.open(HalfCloseable())
    tunnels.device.pauseProducing()
    near.transport.write(bytes(100_000))
    tunnels.connection.cut()
    assert not tunnels.device.has_more_to_send


def test_what_comes_for_a_released_substream_is_dropped():
    tunnels = Tunnels(Aware)
    near, far = tunnels.open(Aware())
    near.transport.release()
    far.transport.write(b"in flight")
    far.transport.emit("close")
    tunnels.pump()
    assert near.calls == ["made", "lost"]
    assert tunnels.near.lost is None


def test_a_substream_released_while_handling_one_event_hears_not_the_next():
    class Once(Aware):
        def dataReceived(self, data):
            super().dataReceived(data)
            self.transport.release()

    tunnels = Tunnels(Once)
    near, far = tunnels.open(Aware())
    near.transport.write(b"x")
    near.transport.emit("next")
    tunnels.pump()
    assert far.calls == ["made", "data", "lost"]


def test_an_aware_protocol_that_aborts_hears_events_until_it_releases():
    tunnels = Tunnels(Aware)
    near, far = tunnels.open(Aware())
    near.transport.abortConnection()
    far.transport.emit("close")
    tunnels.pump()
    assert near.calls == ["made", "close"]
    near.transport.release()
    assert near.lost.check(error.ConnectionAborted)
    assert not tunnels.device.substreams


# --- exceptions


class FaultyError(Exception):
    """What a faulty protocol raises."""


def faulty_on(method, base=HalfCloseable):
    def fail(self, *args):
        getattr(base, method)(self, *args)
        raise FaultyError(method)

    return type("Faulty", (base,), {method: fail})


@pytest.mark.parametrize("method", ["makeConnection", "dataReceived", "readConnectionLost"])
def test_an_exception_costs_its_substream_and_no_other(method, logged_failures):
    tunnels = Tunnels(faulty_on(method))
    other, _ = tunnels.open(Plain(), "other") if method != "makeConnection" else (None, None)
    near, far = tunnels.open(Plain())
    near.transport.write(b"x")
    near.transport.loseWriteConnection()
    tunnels.pump()
    assert len(logged_failures.flush(FaultyError)) == 1
    assert far.lost.check(FaultyError)
    assert near.lost.check(SubstreamError)
    assert near.lost.getErrorMessage() == "internal error"
    assert tunnels.far.lost is None
    if other:
        assert list(tunnels.device.substreams) == [2]
        assert other.lost is None


@pytest.mark.parametrize(
    ("method", "provoke"),
    [
        ("customReceived", lambda near: near.transport.emit("x")),
        ("errorReceived", lambda near: near.transport.fail("x")),
    ],
)
def test_an_exception_over_an_event_costs_the_substream(method, provoke, logged_failures):
    tunnels = Tunnels(faulty_on(method, Aware))
    near, far = tunnels.open(Plain())
    provoke(near)
    tunnels.pump()
    assert len(logged_failures.flush(FaultyError)) == 1
    assert far.lost.check(FaultyError)
    assert near.lost.check(SubstreamError)
    assert not tunnels.server.substreams


def test_a_protocol_that_has_failed_hears_nothing_more(logged_failures):
    tunnels = Tunnels(faulty_on("dataReceived", Aware))
    near, far = tunnels.open(Aware())
    near.transport.write(b"x")
    near.transport.emit("event")
    near.transport.fail("error")
    tunnels.pump()
    assert len(logged_failures.flush(FaultyError)) == 1
    assert far.calls == ["made", "data", "lost"]
    near.transport.loseConnection()
    tunnels.pump()
    assert not tunnels.server.substreams


def test_an_exception_in_connection_lost_is_logged_once(logged_failures):
    tunnels = Tunnels(faulty_on("connectionLost"))
    near, far = tunnels.open(Plain())
    near.transport.loseConnection()
    far.transport.loseConnection()
    tunnels.pump()
    assert len(logged_failures.flush(FaultyError)) == 1
    assert not tunnels.server.substreams


def test_an_exception_drops_what_the_faulty_protocol_had_queued(logged_failures):
    tunnels = Tunnels(faulty_on("dataReceived"))
    near, far = tunnels.open(Plain())
    tunnels.server.pauseProducing()
    far.transport.write(b"half an answer")
    near.transport.write(b"x")
    tunnels.pump()
    tunnels.server.resumeProducing()
    tunnels.pump()
    assert near.calls == ["made", "lost"]
    logged_failures.flush(FaultyError)


def test_an_exception_when_the_tunnel_is_lost_spares_the_others(logged_failures):
    tunnels = Tunnels(faulty_on("connectionLost"))
    tunnels.open(Plain())
    tunnels.open(Plain())
    tunnels.connection.cut()
    assert len(logged_failures.flush(FaultyError)) == 2
    assert [far.calls[-1] for far in tunnels.served] == ["lost", "lost"]
    assert tunnels.far.calls[-1] == "lost"


# --- bytes that are not moved


@implementer(ITakesViews)
class TakesViews(HalfCloseable):
    def __init__(self):
        super().__init__()
        self.kinds = []

    def dataReceived(self, data):
        self.kinds.append(type(data))
        super().dataReceived(data)


def received_by(protocol, *, paused=False):
    tunnels = Tunnels(lambda: protocol)
    near = HalfCloseable()
    tunnels.device.open("net").attach(near)
    tunnels.pump()
    if paused:
        protocol.transport.pauseProducing()
    near.transport.write(bytes(50_000))
    tunnels.pump()
    if paused:
        protocol.transport.resumeProducing()
    return protocol


def test_who_takes_views_is_spared_a_copy():
    protocol = received_by(TakesViews())
    assert protocol.data == bytes(50_000)
    assert set(protocol.kinds) == {memoryview}


def test_who_does_not_gets_bytes():
    class Takes(HalfCloseable):
        def dataReceived(self, data):
            assert type(data) is bytes
            super().dataReceived(data)

    assert received_by(Takes()).data == bytes(50_000)


def test_what_is_held_keeps_nothing_but_itself():
    protocol = received_by(TakesViews(), paused=True)
    assert protocol.data == bytes(50_000)
    assert set(protocol.kinds) == {bytes}


@implementer(ITakesSequences)
class TakesSequences(TakesViews):
    def __init__(self):
        super().__init__()
        self.pieces = []

    def dataSequenceReceived(self, pieces):
        self.pieces.append([bytes(piece) for piece in pieces])
        self.kinds += map(type, pieces)


@pytest.fixture
def together():
    """A tunnel, the first of its substreams' protocols, and what sends it messages in one read."""
    tunnels = Tunnels(TakesSequences)
    near, protocol = tunnels.open(HalfCloseable())

    def say(*said):
        content = b"".join(data_header(channel, len(data)) + data for channel, data in said)
        tunnels.server.dataReceived(content)

    return tunnels, protocol, near.transport.channel, say


def test_what_comes_together_is_taken_together(together):
    _, protocol, channel, say = together
    say((channel, b"one"), (channel, b"two"), (channel, b"three"))
    assert protocol.pieces == [[b"one", b"two", b"three"]]
    assert set(protocol.kinds) == {memoryview}


def test_a_single_piece_comes_as_ever(together):
    _, protocol, channel, say = together
    say((channel, b"one"))
    assert (protocol.data, protocol.pieces) == (b"one", [])


def test_what_comes_for_others_in_between_keeps_its_place(together):
    tunnels, protocol, channel, say = together
    near, other = tunnels.open(HalfCloseable())
    say(
        (channel, b"one"),
        (channel, b"two"),
        (near.transport.channel, b"other"),
        (channel, b"three"),
    )
    assert protocol.pieces == [[b"one", b"two"]]
    assert (protocol.data, other.data) == (b"three", b"other")


def test_a_paused_protocol_gets_what_came_together_in_its_order_later(together):
    _, protocol, channel, say = together
    protocol.transport.pauseProducing()
    say((channel, b"one"), (channel, b"two"), (channel, b"three"))
    assert (protocol.data, protocol.pieces) == (b"", [])
    protocol.transport.resumeProducing()
    assert protocol.data == b"onetwothree"


def test_who_takes_no_more_data_is_spared_what_comes_together(together):
    _, protocol, channel, say = together
    protocol.transport.loseConnection()
    say((channel, b"one"), (channel, b"two"))
    assert (protocol.data, protocol.pieces) == (b"", [])


def test_an_exception_over_what_comes_together_costs_its_substream_alone(together, logged_failures):
    tunnels, protocol, channel, say = together

    def fail(_):
        raise FaultyError

    protocol.dataSequenceReceived = fail
    say((channel, b"one"), (channel, b"two"))
    assert len(logged_failures.flush(FaultyError)) == 1
    assert protocol.calls[-1] == "lost"
    assert tunnels.server.transport.connected


@pytest.mark.parametrize("paused", [True, False])
@pytest.mark.parametrize("size", [1, 5000, 300_000])
def test_a_view_may_be_written_whose_bytes_change(tunnels, paused, size):
    near, far = tunnels.open(HalfCloseable())
    if paused:
        tunnels.device.pauseProducing()
    room = bytearray(b"!" * size)
    near.transport.write(memoryview(room))
    room[:] = b"?" * size
    if paused:
        tunnels.device.resumeProducing()
    tunnels.pump()
    assert far.data == b"!" * size
