"""Sockets over a transport of strings: early calls, the order of events, back pressure, the end."""

import pytest
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.python.failure import Failure
from zope.interface import directlyProvides, implementer

from support.fake_board import FakeNetwork, Listening, powered_board, record
from tessel.errors import NodeError
from tessel.network.interface import IDiscardable, IHostIgnored, IIdleWatch, ISecured, Target
from tessel.network.socket_link import DISCARD_LIMIT_S
from tessel.node import net, tls
from tessel.radio.interface import IWeakTransport

EVENTS = ("lookup", "connect", "ready", "data", "drain", "timeout", "end", "error", "close")


class WatchedNetwork(FakeNetwork):
    """Keeps the watcher of each attempt, too."""

    def connect(self, target, factory, *, proxy=True, watcher=None):
        answer = super().connect(target, factory, proxy=proxy)
        self.attempts[-1].watcher = watcher
        return answer

    def connect_tls(self, target, factory, tls, *, proxy=True, watcher=None):
        answer = super().connect_tls(target, factory, tls, proxy=proxy)
        self.attempts[-1].watcher = watcher
        return answer


@pytest.fixture
def board():
    with powered_board() as board:
        board.network = board.runtime.network = WatchedNetwork(board)
        yield board


def connected(board, **options):
    socket = net.connect(80, "example.com", **options)
    board.attempts[-1].stand()
    return socket, board.attempts[-1]


class TestConnecting:
    def test_the_target_and_the_proxy_option_reach_the_network(self, board):
        net.connect(80, "example.com", proxy=False)
        attempt = board.attempts[0]
        assert (attempt.target, attempt.proxy) == (Target("example.com", 80), False)

    def test_connect_then_ready_and_the_callback_is_for_connect(self, board):
        called = []
        socket = net.connect(80, "example.com", lambda: called.append("callback"))
        heard = record(socket, *EVENTS)
        assert socket.connecting
        assert socket.pending
        assert socket.ready_state == "opening"
        board.attempts[0].stand()
        assert called == ["callback"]
        assert heard == [("connect",), ("ready",)]
        assert not socket.pending
        assert socket.ready_state == "open"

    def test_the_remote_end_is_what_the_program_asked_for(self, board):
        socket, _ = connected(board)
        assert (socket.remote_address, socket.remote_port) == ("example.com", 80)
        assert socket.remote_family is None
        assert net.connect(80, "127.0.0.1").remote_family == "IPv4"

    def test_the_local_end_is_known_once_it_stands(self, board):
        socket = net.connect(80)
        assert (socket.local_address, socket.local_port, socket.address()) == (None, None, {})
        board.attempts[0].stand()
        host = board.attempts[0].wire.getHost()
        assert socket.address() == {"address": host.host, "port": host.port, "family": "IPv4"}

    def test_the_look_up_is_reported_with_the_name(self, board):
        socket = net.connect(80, "example.com")
        heard = record(socket, "lookup")
        board.attempts[0].watcher.looked_up(None, "192.0.2.1", 4)
        assert heard == [("lookup", None, "192.0.2.1", 4, "example.com")]

    def test_a_failed_attempt_is_error_then_close(self, board):
        socket = net.connect(80, "example.com")
        heard = record(socket, *EVENTS)
        error = NodeError("connect ECONNREFUSED 192.0.2.1:80", "ECONNREFUSED")
        board.attempts[0].fail(error)
        assert heard == [("error", error), ("close", True)]
        assert len(board.handles) == 0

    def test_a_socket_connects_once(self, board):
        socket, _ = connected(board)
        with pytest.raises(NodeError, match="before"):
            socket.connect(80)

    @pytest.mark.parametrize("when", ["before close", "in close", "after close"])
    @pytest.mark.parametrize("state", ["idle", "connecting", "connected", "failed"])
    def test_a_socket_that_was_destroyed_connects_anew(self, board, state, when):
        socket = net.Socket()
        heard = record(socket, "connect", "data", "end", "error", "close")

        def again():
            socket.connect(81, "example.org")
            assert socket.connecting
            socket.write("again")

        if state != "idle":
            socket.connect(80)
        if state == "connected":
            board.attempts[0].stand()
        if when == "in close":
            socket.once("close", lambda *_: again())
        if state == "failed":
            board.attempts[0].fail(NodeError("connect ECONNREFUSED", "ECONNREFUSED"))
        else:
            socket.destroy()
        if when == "before close" and state != "failed":
            again()
        board.run()
        if when == "after close" or (when, state) == ("before close", "failed"):
            again()
        attempt = board.attempts[-1]
        assert attempt.target.port == 81
        attempt.stand()
        attempt.send(b"hello")

        assert attempt.take() == b"again"
        assert not socket.destroyed
        assert socket.bytes_read == 5
        assert heard[-2:] == [("connect",), ("data", b"hello")]
        assert [event for event, *_ in heard].count("close") == 1
        attempt.end()
        assert heard[-2:] == [("end",), ("close", False)]
        assert not board.handles

    def test_what_a_left_connection_still_reports_is_not_the_new_ones(self, board):
        socket = net.connect(80)
        first = board.attempts[0].stand()
        first.wire.loseConnection = lambda: None  # it lingers
        socket.destroy()
        socket.on("close", lambda *_: None)
        first.wire.lose(ConnectionDone())
        board.run()
        socket.connect(81)
        heard = record(socket, "data", "end", "error", "close")
        first.wire.protocol.dataReceived(b"late")
        first.wire.protocol.connectionLost(Failure(ConnectionLost()))
        board.run()

        assert heard == []
        socket.destroy()

    def test_writes_and_ends_asked_for_before_the_old_close_are_the_new_connections(self, board):
        told = []
        socket = net.connect(80)
        socket.destroy()
        socket.connect(81)
        socket.write("a", lambda *args: told.append(("write", *args)))
        socket.end("62", "hex", lambda *args: told.append(("end", *args)))
        board.run()
        attempt = board.attempts[-1].stand()

        assert attempt.take() == b"ab"
        assert told == [("write",), ("end",)]
        attempt.lose()

    def test_a_bug_below_ends_the_program_and_does_not_look_like_the_networks_error(self, board):
        socket = net.connect(80)
        heard = record(socket, *EVENTS)
        board.attempts[0].fail(ZeroDivisionError())
        assert heard == []
        assert isinstance(board.uncaught.pop(), ZeroDivisionError)


class TestBeforeItIsConnected:
    def test_writes_and_end_are_kept_in_order(self, board):
        socket = net.connect(80)
        socket.write(b"a")
        socket.write(b"b")
        socket.end(b"c")
        assert socket.bytes_written == 3
        attempt = board.attempts[0].stand()
        assert attempt.take() == b"abc"
        assert attempt.wire.half_closed

    def test_end_alone_is_kept_too(self, board):
        socket = net.connect(80)
        socket.end()
        assert board.attempts[0].stand().wire.half_closed

    def test_writes_before_connect_was_called_are_kept(self, board):
        socket = net.Socket()
        socket.write("early")
        assert socket.ready_state == "closed"
        socket.connect(80)
        assert board.attempts[0].stand().take() == b"early"

    def test_switches_are_kept(self, board):
        socket = net.connect(80, no_delay=True)
        socket.set_keep_alive(True)
        wire = board.attempts[0].stand().wire
        assert (wire.no_delay, wire.keep_alive) == (True, True)
        socket.set_no_delay(False).set_keep_alive(False)
        assert (wire.no_delay, wire.keep_alive) == (False, False)
        net.connect(80, keep_alive=True)
        assert board.attempts[1].stand().wire.keep_alive

    def test_a_pause_is_kept(self, board):
        socket = net.connect(80)
        heard = record(socket, "data")
        socket.pause()
        board.attempts[0].stand().send(b"x")
        assert heard == []
        socket.resume()
        board.run()
        assert heard == [("data", b"x")]

    def test_destroy_gives_the_attempt_up(self, board):
        socket = net.connect(80)
        heard = record(socket, *EVENTS)
        socket.write(b"never")
        socket.destroy()
        board.run()
        assert board.attempts[0].cancelled
        assert heard == [("close", False)]
        assert len(board.handles) == 0

    def test_a_connection_that_came_before_it_could_be_given_up_is_closed(self, board):
        socket = net.connect(80)
        heard = record(socket, *EVENTS)
        socket.destroy()
        attempt = board.attempts[0].stand()
        assert attempt.wire.lost
        assert heard == [("close", False)]

    def test_destroying_in_an_events_listener_stops_the_next_event(self, board):
        socket = net.connect(80)
        heard = record(socket, "ready", "close")
        socket.on("connect", socket.destroy)
        board.attempts[0].stand()
        assert heard == [("close", False)]

    def test_what_is_written_is_sent_before_it_stands_where_the_way_allows(self, board):
        socket = net.connect(80)
        socket.write(b"early")
        attempt = board.attempts[0]
        attempt.watcher.opened(attempt.wire)
        assert attempt.take() == b"early"
        assert socket.connecting
        attempt.stand()
        socket.write(b" later")
        assert attempt.take() == b" later"

    def test_its_end_is_sent_then_too_but_finish_waits_until_it_stands(self, board):
        socket = net.connect(80)
        heard = record(socket, *EVENTS, "finish")
        socket.write(b"upload")
        socket.destroy_soon()
        attempt = board.attempts[0]
        attempt.watcher.opened(attempt.wire)
        board.run()
        assert attempt.take() == b"upload"
        assert attempt.wire.half_closed
        assert heard == []
        attempt.stand()
        assert not attempt.cancelled
        assert heard == [("connect",), ("ready",), ("finish",), ("close", False)]

    def test_an_end_asked_for_then_is_sent_once(self, board):
        socket = net.connect(80)
        attempt = board.attempts[0]
        attempt.watcher.opened(attempt.wire)
        heard = record(socket, "finish", "close")
        socket.end(b"late")
        board.run()
        assert attempt.take() == b"late"
        assert attempt.wire.half_closed
        attempt.wire.loseWriteConnection = lambda: heard.append("again")
        socket.on("connect", socket.destroy)
        attempt.stand()
        assert heard == [("close", False)]

    def test_destroying_then_means_giving_up_too(self, board):
        socket = net.connect(80)
        attempt = board.attempts[0]
        attempt.watcher.opened(attempt.wire)
        heard = record(socket, *EVENTS)
        socket.destroy()
        board.run()
        assert attempt.cancelled
        assert heard == [("close", False)]

    def test_a_way_that_opens_after_destroy_is_not_used(self, board):
        socket = net.connect(80)
        socket.write(b"x")
        heard = record(socket, "lookup")
        socket.destroy()
        attempt = board.attempts[0]
        attempt.watcher.opened(attempt.wire)
        attempt.watcher.looked_up(None, "192.0.2.1", 4)
        assert attempt.take() == b""
        assert heard == []

    def test_an_attempt_that_fails_after_it_opened_is_error_then_close(self, board):
        socket = net.connect(80)
        attempt = board.attempts[0]
        attempt.watcher.opened(attempt.wire)
        heard = record(socket, *EVENTS)
        error = NodeError("connect ECONNREFUSED", "ECONNREFUSED")
        attempt.fail(error)
        assert heard == [("error", error), ("close", True)]


class TestData:
    def test_bytes_both_ways_are_counted(self, board):
        socket, attempt = connected(board)
        heard = record(socket, "data")
        board.run()
        attempt.send(b"hello")
        socket.write("hi")
        assert heard == [("data", b"hello")]
        assert (socket.bytes_read, socket.bytes_written) == (5, 2)

    def test_a_reader_that_lags_stops_the_transport_and_starts_it_again(self, board):
        socket, attempt = connected(board)
        attempt.send(b"x" * socket.readable_high_water_mark)
        assert attempt.wire.producerState == "paused"
        heard = record(socket, "data")
        board.run()
        assert len(heard) == 1
        assert attempt.wire.producerState == "producing"

    def test_a_transport_that_has_enough_holds_up_the_writer(self, board):
        socket, attempt = connected(board)
        heard = record(socket, "drain")
        attempt.wire.producer.pauseProducing()
        assert socket.write(b"x" * socket.writable_high_water_mark) is False
        socket.write(b"y")
        board.run()
        assert heard == []
        attempt.wire.producer.resumeProducing()
        attempt.wire.producer.resumeProducing()
        board.run()
        assert heard == [("drain",)]
        assert attempt.take().endswith(b"xy")

    def test_a_listener_that_raises_ends_the_program(self, board):
        socket, attempt = connected(board)
        socket.on("data", lambda data: 1 / 0)
        board.run()
        attempt.send(b"x")
        assert isinstance(board.uncaught.pop(), ZeroDivisionError)

    def test_an_error_nobody_listens_for_ends_the_program(self, board):
        _, attempt = connected(board)
        attempt.lose(ConnectionLost())
        assert board.uncaught.pop().code == "ECONNRESET"


class TestEnds:
    def test_the_peers_end_ends_the_socket_too_and_close_is_last(self, board):
        socket, attempt = connected(board)
        heard = record(socket, *EVENTS, "finish")
        board.run()
        attempt.send(b"bye")
        attempt.end()
        assert attempt.wire.half_closed
        assert heard == [("data", b"bye"), ("end",), ("finish",), ("close", False)]
        assert socket.ready_state == "closed"
        assert len(board.handles) == 0

    def test_with_allow_half_open_the_socket_may_go_on_writing(self, board):
        socket, attempt = connected(board, allow_half_open=True)
        heard = record(socket, *EVENTS)
        socket.resume()
        board.run()
        attempt.end()
        assert socket.ready_state == "writeOnly"
        socket.end("answer")
        assert attempt.take() == b"answer"
        assert heard == [("end",), ("close", False)]

    def test_after_end_what_the_peer_sends_still_arrives(self, board):
        socket, attempt = connected(board)
        heard = record(socket, *EVENTS)
        socket.end("question")
        board.run()
        assert socket.ready_state == "readOnly"
        attempt.send(b"answer")
        attempt.end()
        assert heard == [("data", b"answer"), ("end",), ("close", False)]

    def test_the_end_is_not_reported_before_the_data_was_read(self, board):
        socket, attempt = connected(board)
        heard = record(socket, "end", "close")
        attempt.send(b"unread")
        attempt.end()
        assert heard == []
        assert socket.read() == b"unread"
        board.run()
        assert heard == [("end",), ("close", False)]

    def test_a_reset_is_error_then_close(self, board):
        socket, attempt = connected(board)
        heard = record(socket, *EVENTS)
        attempt.lose(ConnectionLost())
        assert [event for event, *_ in heard] == ["error", "close"]
        assert (heard[0][1].code, str(heard[0][1])) == ("ECONNRESET", "read ECONNRESET")
        assert heard[1] == ("close", True)

    def test_an_error_in_nodes_words_is_reported_as_it_is(self, board):
        socket, attempt = connected(board)
        heard = record(socket, "error")
        error = NodeError("read EHOSTUNREACH", "EHOSTUNREACH")
        attempt.lose(error)
        assert heard == [("error", error)]

    def test_a_whole_close_below_is_an_end(self, board):
        socket, attempt = connected(board)
        heard = record(socket, *EVENTS)
        socket.resume()
        board.run()
        attempt.lose(ConnectionDone())
        assert heard == [("end",), ("close", False)]

    def test_what_could_not_be_sent_by_then_is_an_error(self, board):
        socket, attempt = connected(board)
        heard = record(socket, *EVENTS)
        attempt.wire.producer.pauseProducing()
        socket.write(b"stuck")
        attempt.lose(ConnectionDone())
        assert [(event, getattr(*rest, "code", rest[0])) for event, *rest in heard] == [
            ("error", "EPIPE"),
            ("close", True),
        ]

    def test_writing_after_the_connection_went_is_an_error(self, board):
        socket, attempt = connected(board, allow_half_open=True)
        heard = record(socket, "error")
        attempt.lose(ConnectionDone())
        socket.write(b"x")
        board.run()
        assert heard[0][1].code == "EPIPE"

    def test_ending_after_the_connection_went_is_none(self, board):
        socket, attempt = connected(board, allow_half_open=True)
        heard = record(socket, "end", "error", "close")
        attempt.lose(ConnectionDone())
        socket.resume()
        socket.end()
        board.run()
        assert heard == [("end",), ("close", False)]

    def test_destroy_closes_and_reports_close_once(self, board):
        socket, attempt = connected(board)
        heard = record(socket, *EVENTS)
        socket.destroy().destroy()
        board.run()
        assert attempt.wire.lost
        assert heard == [("close", False)]

    def test_destroy_with_an_error_reports_it_first(self, board):
        socket, _ = connected(board)
        heard = record(socket, "error", "close")
        error = NodeError("enough", "ENOUGH")
        socket.destroy(error)
        board.run()
        assert heard == [("error", error), ("close", True)]

    def test_a_destroyed_socket_waits_for_its_last_bytes_but_not_for_long(self, board):
        socket, attempt = connected(board)
        heard = record(socket, "close")
        attempt.wire.loseConnection = lambda: None  # the peer does not read
        socket.write(b"last words")
        socket.destroy()
        board.pass_time(DISCARD_LIMIT_S - 0.01)
        assert heard == []
        board.pass_time(0.02)
        assert attempt.wire.aborted
        assert heard == [("close", False)]

    def test_a_peer_that_takes_them_in_time_is_not_cut(self, board):
        socket, attempt = connected(board)
        attempt.wire.loseConnection = lambda: None
        socket.destroy()
        attempt.lose()
        board.pass_time(DISCARD_LIMIT_S)
        assert not attempt.wire.aborted

    def test_destroy_soon_ends_first(self, board):
        socket, attempt = connected(board)
        socket.write(b"all of it")
        socket.destroy_soon()
        board.run()
        assert attempt.take() == b"all of it"
        assert attempt.wire.lost
        socket.destroy_soon()

    def test_destroy_soon_on_a_finished_socket_is_destroy(self, board):
        socket, attempt = connected(board)
        socket.end()
        board.run()
        socket.destroy_soon()
        assert attempt.wire.lost
        board.run()

    def test_reset_and_destroy_cuts(self, board):
        socket, attempt = connected(board)
        heard = record(socket, "close", "error")
        socket.reset_and_destroy()
        board.run()
        assert attempt.wire.aborted
        assert heard[-1][0] == "close"
        net.Socket().reset_and_destroy()
        board.run()

    def test_a_transport_with_a_word_for_it_is_asked_to_discard(self, board):
        socket = net.connect(80)
        attempt = board.attempts[0]
        said = []

        @implementer(IDiscardable)
        class Wire(type(attempt.wire)):
            def discard(self):
                said.append("discard")
                self.lose(ConnectionDone())

        attempt.wire = Wire()
        attempt.stand()
        socket.destroy()
        board.run()
        assert said == ["discard"]


class TestAlive:
    def test_an_open_socket_keeps_the_program_alive_unless_unreferenced(self, board):
        socket, _attempt = connected(board)
        assert len(board.handles) == 1
        socket.unref()
        assert len(board.handles) == 0
        socket.ref()
        assert len(board.handles) == 1
        socket.destroy()
        board.run()
        assert len(board.handles) == 0

    def test_it_can_be_said_before_connecting(self, board):
        socket = net.Socket().unref()
        socket.connect(80)
        assert len(board.handles) == 0
        socket.ref()
        assert len(board.handles) == 1


class TestTimeouts:
    def test_an_idle_socket_says_so_once_and_stays_open(self, board):
        socket, attempt = connected(board)
        heard = record(socket, "timeout", "close")
        socket.set_timeout(1000)
        assert socket.timeout == 1000
        board.pass_time(0.9)
        attempt.send(b"x")
        board.pass_time(0.9)
        assert heard == []
        board.pass_time(0.2)
        board.pass_time(10)
        assert heard == [("timeout",)]

    def test_the_next_activity_arms_it_again(self, board):
        socket, _ = connected(board)
        heard = record(socket, "timeout")
        socket.set_timeout(1000)
        board.pass_time(1)
        socket.write(b"x")
        board.pass_time(1)
        assert len(heard) == 2

    def test_it_runs_while_connecting_too(self, board):
        socket = net.connect({"port": 80, "timeout": 500})
        heard = record(socket, "timeout")
        board.pass_time(0.6)
        assert heard == [("timeout",)]

    def test_zero_takes_it_back_with_its_callback(self, board):
        socket, _ = connected(board)
        called = []

        def expired():
            called.append(1)

        socket.set_timeout(1000, expired)
        socket.set_timeout(0, expired)
        board.pass_time(5)
        assert called == []
        assert socket.listener_count("timeout") == 0

    def test_a_socket_that_is_gone_is_not_watched(self, board):
        socket, _attempt = connected(board)
        heard = record(socket, "timeout")
        socket.set_timeout(1000)
        socket.destroy()
        socket.set_timeout(1000)
        board.pass_time(5)
        assert heard == []
        assert not board.clock.getDelayedCalls()

    def test_a_proxied_socket_is_watched_by_the_proxy(self, board):
        socket = net.connect(80)
        heard = record(socket, "timeout")
        attempt = board.attempts[0]
        asked = []

        @implementer(IIdleWatch)
        class Wire(type(attempt.wire)):
            def watch_idle(self, timeout_ms, expired):
                asked.append(timeout_ms)
                self.expired = expired

        attempt.wire = Wire()
        socket.set_timeout(500)
        attempt.stand()
        board.pass_time(5)
        assert heard == []
        attempt.wire.expired()
        assert heard == [("timeout",)]
        socket.set_timeout(0)
        assert asked == [500, 0]
        socket.destroy()
        board.run()
        attempt.wire.expired()
        assert len(heard) == 1


class TestTls:
    def test_connect_then_secure_connect_and_the_callback_is_for_the_latter(self, board):
        called = []
        socket = tls.connect(443, "example.com", lambda: called.append(1))
        heard = record(socket, "connect", "secureConnect", "ready")
        attempt = board.attempts[0]
        attempt.watcher.connected()
        assert heard == [("connect",)]
        assert called == []
        attempt.stand()
        assert called == [1]
        assert heard == [("connect",), ("secureConnect",), ("ready",)]
        assert socket.encrypted

    def test_connect_is_not_reported_to_a_destroyed_socket(self, board):
        socket = tls.connect(443)
        heard = record(socket, "connect")
        socket.destroy()
        board.attempts[0].watcher.connected()
        board.run()
        assert heard == []

    def test_a_plain_socket_hears_connect_when_it_may_write(self, board):
        socket = net.connect(80)
        heard = record(socket, "connect")
        board.attempts[0].watcher.connected()
        assert heard == []

    def test_its_options_reach_the_network(self, board):
        tls.connect(443, ca="pem", servername="s", reject_unauthorized=False)
        options = board.attempts[0].tls
        assert (options.ca, options.servername) == ((b"pem",), "s")
        assert options.reject_unauthorized is False

    def test_where_the_proxy_does_the_tls_it_is_authorized_and_no_certificate_is_seen(self, board):
        socket = tls.connect(443)
        assert not socket.authorized
        assert socket.get_peer_certificate() == {}
        assert socket.authorization_error is None
        board.attempts[0].stand()
        assert socket.authorized
        assert socket.authorization_error is None
        assert socket.get_peer_certificate() == {}

    def test_where_the_device_does_it_the_transport_knows(self, board):
        socket = tls.connect(443)
        attempt = board.attempts[0]
        error = NodeError("certificate has expired", "CERT_HAS_EXPIRED")

        @implementer(ISecured)
        class Wire(type(attempt.wire)):
            authorized = False
            authorization_error = error

            def peer_certificate(self):
                return None

        attempt.wire = Wire()
        attempt.stand()
        assert not socket.authorized
        assert socket.authorization_error is error
        assert socket.get_peer_certificate() == {}


class TestServer:
    def server(self, board, **options):
        server = net.create_server(options or None)
        self.heard = record(server, "listening", "connection", "drop", "error", "close")
        return server

    def test_it_listens_and_hands_out_sockets(self, board):
        got = []
        server = net.create_server(got.append)
        server.listen(0, lambda: got.append("listening"))
        assert server.listening
        board.run()
        attempt = board.accept()
        assert got[0] == "listening"
        peer = attempt.wire.getPeer()
        assert (got[1].remote_address, got[1].remote_port) == (peer.host, peer.port)
        assert server.address()["family"] == "IPv4"
        heard = record(got[1], "data")
        board.run()
        attempt.send(b"x")
        assert heard == [("data", b"x")]

    def test_close_waits_for_its_connections(self, board):
        server = self.server(board)
        server.listen({"port": 0, "host": "127.0.0.1"})
        board.run()
        attempt = board.accept()
        connections = []
        server.get_connections(lambda error, count: connections.append(count))
        server.close(lambda: connections.append("closed"))
        board.run()
        assert connections == [1]
        assert server.address() is None
        self.heard[1][1].resume()
        attempt.end()
        assert connections == [1, "closed"]
        assert self.heard[-1] == ("close",)
        assert len(board.handles) == 0

    def test_closing_one_that_does_not_listen_is_reported_to_the_callback(self, board):
        server = self.server(board)
        told = []
        server.close(told.append).close()
        board.run()
        assert [error.code for error in told] == ["ERR_SERVER_NOT_RUNNING"]

    def test_it_listens_once_at_a_time(self, board):
        server = self.server(board)
        server.listen(0, "127.0.0.1", 5, callback=lambda: None)
        with pytest.raises(NodeError, match="more than once"):
            server.listen(0)
        server.close()
        board.run()
        server.listen(0, None)
        assert server.listening

    def test_a_port_that_cannot_be_had_is_an_error(self, board):
        server = self.server(board)
        error = NodeError("listen EADDRINUSE: :::80", "EADDRINUSE")
        board.network.listen = lambda *args, **options: fail(error)
        server.listen(80)
        board.run()
        assert self.heard == [("error", error)]
        assert len(board.handles) == 0

    def test_a_bug_below_ends_the_program(self, board):
        board.network.listen = lambda *args, **options: fail(ZeroDivisionError())
        self.server(board).listen(80)
        assert self.heard == []
        assert isinstance(board.uncaught.pop(), ZeroDivisionError)

    def test_closing_one_that_is_still_starting_gives_it_up(self, board):
        server = self.server(board)
        cancelled = []
        starting = Deferred(cancelled.append)
        board.network.listen = lambda *args, **options: starting
        closed = []
        server.listen(80, "slow.example").close(lambda: closed.append(1))
        board.run()
        assert cancelled == [starting]
        assert closed == [1]
        assert self.heard == [("close",)]
        assert len(board.handles) == 0
        board.network.listen = lambda *args, **options: succeed(Listening(None))
        assert server.listen(80).listening

    def test_a_port_that_comes_after_the_close_is_let_go_at_once(self, board):
        server = self.server(board)
        port = Listening(None)
        starting = Deferred(lambda deferred: deferred.callback(port))
        board.network.listen = lambda *args, **options: starting
        server.listen(80, "slow.example").close()
        board.run()
        assert port.stopped
        assert self.heard == [("close",)]
        assert len(board.handles) == 0

    def test_listening_is_not_reported_of_one_that_was_closed_in_the_same_turn(self, board):
        self.server(board).listen(0).close()
        board.run()
        assert self.heard == [("close",)]

    def test_past_its_limit_connections_are_dropped(self, board):
        server = self.server(board)
        server.max_connections = 1
        server.listen()
        board.run()
        board.accept()
        dropped = board.accept()
        assert dropped.wire.lost
        assert [event for event, *_ in self.heard] == ["listening", "connection", "drop"]

    def test_it_keeps_the_program_alive_unless_unreferenced(self, board):
        server = self.server(board).unref()
        server.listen()
        board.run()
        assert len(board.handles) == 0
        server.ref()
        assert len(board.handles) == 1
        server.unref()
        assert len(board.handles) == 0
        server.ref().close()
        board.run()
        assert len(board.handles) == 0

    def test_its_sockets_may_stay_half_open(self, board):
        server = net.create_server(allow_half_open=True)
        heard = record(server, "connection")
        server.listen()
        board.run()
        board.accept()
        assert heard[0][1].allow_half_open


def test_a_socket_that_nobody_reads_closes_when_its_peer_ends(board):
    socket, attempt = connected(board)
    heard = record(socket, "end", "close")
    socket.end("bye")
    attempt.end()
    attempt.lose()
    assert heard == [("end",), ("close", False)]


class TestWeakRadio:
    """Over a radio that can neither half-close nor send without delay."""

    @staticmethod
    def stand(board):
        directlyProvides(board.attempts[-1].wire, IWeakTransport)
        board.attempts[-1].stand()

    def test_no_delay_is_asked_for_in_vain_and_the_line_that_did_so_is_reported(self, board):
        net.connect(80, "example.com").set_no_delay()
        with pytest.warns(RuntimeWarning, match="set_no_delay is ignored") as warned:
            self.stand(board)
        assert warned[0].filename == __file__

    def test_so_it_is_on_a_connection_that_stands(self, board):
        socket = net.connect(80, "example.com")
        self.stand(board)
        socket.set_no_delay(False)
        with pytest.warns(RuntimeWarning, match="set_no_delay is ignored"):
            socket.set_no_delay()

    def test_the_option_that_http_sets_by_itself_is_reported_to_nobody(self, board):
        net.connect({"port": 80, "no_delay": True})
        self.stand(board)
        assert board.attempts[-1].wire.no_delay

    def test_a_socket_that_wants_to_stay_half_open_is_warned_that_it_cannot(self, board):
        net.connect({"port": 80, "allow_half_open": True})
        with pytest.warns(RuntimeWarning, match="allow_half_open is ignored"):
            self.stand(board)

    def test_what_the_runtime_itself_asks_for_is_reported_to_nobody(self, board):
        server = net.create_server(allow_half_open=True)
        heard = record(server, "connection")
        server.listen()
        board.run()
        board.network.listening.factory = weakened(board.network.listening.factory)
        board.accept()
        assert heard

    def test_a_server_whose_host_is_ignored_is_reported_at_its_line(self, board):
        def listen(port, factory, *, host, backlog):
            port = Listening(factory)
            directlyProvides(port, IHostIgnored)
            return succeed(port)

        board.network.listen = listen
        server = net.create_server()
        with pytest.warns(RuntimeWarning, match="host is ignored") as warned:
            server.listen(0, "localhost")
        assert [warning.filename for warning in warned] == [__file__]


def weakened(factory):
    def build():
        protocol = factory()
        connect = protocol.makeConnection

        def make_connection(wire):
            directlyProvides(wire, IWeakTransport)
            connect(wire)

        protocol.makeConnection = make_connection
        return protocol

    return build
