"""Members of Node's classes beyond connecting, reading and writing."""

import pytest
from twisted.internet import reactor
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from zope.interface import alsoProvides, directlyProvides

import tessel
from support.fake_board import record
from tessel import dgram
from tessel.errors import NodeError
from tessel.node import events, net, timers, tls
from tessel.node.stream import PassThrough, Readable, Transform, Writable, finished, pipeline
from tessel.radio.host import HostRadio
from tessel.radio.interface import AddressInUseError, IDatagramOptions, ILosablePort


@pytest.mark.parametrize("module", [getattr(tessel, name) for name in tessel.__all__])
def test_a_module_lists_its_public_names_and_no_others(module):
    assert dir(module) == sorted(module.__all__)
    assert all(hasattr(module, name) for name in module.__all__ if module is not tessel.wifi)


class Sink(Writable):
    def __init__(self):
        super().__init__()
        self.taken = b""

    def _write(self, chunk, done):
        self.taken += chunk
        done(None)


class TestEvents:
    def test_listeners_are_counted(self, board):
        emitter = events.EventEmitter().on("x", print).once("x", print).on("x", repr)

        assert emitter.listener_count("x") == events.listener_count(emitter, "x") == 3
        assert emitter.listener_count("x", print) == 2
        assert emitter.raw_listeners("x") == events.get_event_listeners(emitter, "x")

    def test_many_listeners_of_one_event_are_said_once(self, board):
        emitter = events.EventEmitter()
        for _ in range(events.DEFAULT_MAX_LISTENERS):
            emitter.on("x", print)
        with pytest.warns(RuntimeWarning, match="11 'x' listeners .* set_max_listeners"):
            emitter.on("x", print)
        emitter.on("x", print)

    @pytest.mark.parametrize("number", [0, 12])
    def test_the_number_of_listeners_may_be_raised(self, board, number):
        emitter = events.EventEmitter().set_max_listeners(number)
        for _ in range(12):
            emitter.on("x", print)

        assert emitter.get_max_listeners() == number
        with pytest.raises(TypeError):
            emitter.set_max_listeners("5")

    def test_an_event_can_be_awaited(self, board):
        emitter, told = events.EventEmitter(), []
        events.once(emitter, "x").addCallback(told.append)
        emitter.emit("x", 1, 2)
        emitter.emit("x", 3)

        assert told == [[1, 2]]
        assert emitter.event_names() == []

    def test_an_error_before_it_fails(self, board):
        emitter, told = events.EventEmitter(), []
        events.once(emitter, "x").addErrback(lambda failure: told.append(failure.value))
        emitter.emit("error", error := NodeError("x", "EX"))
        events.once(emitter, "error").addCallback(told.append)
        emitter.emit("error", error)

        assert told == [error, [error]]

    def test_waiting_may_be_given_up(self, board):
        emitter = events.EventEmitter()
        waiting = events.once(emitter, "x")
        waiting.addErrback(lambda _: None)
        waiting.cancel()

        assert emitter.event_names() == []


class TestStreams:
    def test_what_is_written_passes_through(self, board):
        stream = PassThrough()
        heard = record(stream.set_encoding("utf8"), "data", "end", "close")
        stream.end("hello")
        board.run()

        assert heard == [("data", "hello"), ("end",), ("close",)]

    def test_a_transform_waits_for_its_reader(self, board):
        stream = PassThrough()
        written = []
        stream.write(bytes(stream.readable_high_water_mark), lambda: written.append(True))
        board.run()
        assert written == []
        stream.resume()
        board.run()

        assert written == [True]

    def test_functions_may_be_handed_in(self, board):
        stream = Transform(
            transform=lambda chunk, answer: answer(None, chunk.upper()),
            flush=lambda answer: answer(None, b"!"),
        )
        heard = record(stream, "data")
        stream.end("hi")
        board.run()

        assert b"".join(chunk for _, chunk in heard) == b"HI!"

    def test_an_error_of_a_transform_destroys_it(self, board):
        stream = Transform(transform=lambda _, answer: answer(NodeError("x", "EX")))
        heard = record(stream, "error", "close")
        stream.write("hi")
        board.run()

        assert [event for event, *_ in heard] == ["error", "close"]

    def test_a_transform_without_a_function_is_a_mistake(self, board):
        with pytest.raises(NotImplementedError):
            Transform().write("x")

    def test_a_pipeline_is_notified_when_all_is_over(self, board):
        source, sink, told = Readable(), Sink(), []
        assert pipeline(source, PassThrough(), sink, lambda *args: told.append(args)) is sink
        source.push(b"hello")
        source.push(None)
        board.run()

        assert (sink.taken, told) == (b"hello", [()])

    @pytest.mark.parametrize("which", [0, 1, 2])
    def test_a_pipeline_that_breaks_is_destroyed_whole(self, board, which):
        streams, told = [Readable(), PassThrough(), Sink()], []
        pipeline(*streams, lambda *args: told.append(args))
        error = NodeError("x", "EX")
        streams[which].destroy(error)
        board.run()

        assert told == [(error,)]
        assert all(stream.destroyed for stream in streams)

    @pytest.mark.parametrize("args", [(), (Sink,), (Sink, print), (5, Sink, print)])
    def test_a_pipeline_of_wrong_arguments_is_an_error(self, board, args):
        made = [one() if one is Sink else one for one in args]
        with pytest.raises((NodeError, ValueError)):
            pipeline(*made)

    def test_a_stream_that_breaks_off_is_reported_as_premature(self, board):
        told = []
        sink = Sink()
        finished(sink, lambda *args: told.append(args))
        sink.destroy()
        board.run()
        finished(sink, lambda *args: told.append(args))
        finished(sink, lambda *args: told.append(args))()
        board.run()

        assert [error.code for (error,) in told] == ["ERR_STREAM_PREMATURE_CLOSE"] * 2


class TestSockets:
    def test_options_of_a_server_are_its_sockets(self, board):
        server = net.create_server({"pause_on_connect": True}, no_delay=True, keep_alive=True)
        came = record(server.listen(80), "connection")
        attempt = board.accept()
        socket = came[0][1]
        heard = record(socket, "data")
        attempt.send(b"x")

        assert attempt.wire.no_delay
        assert attempt.wire.keep_alive
        assert socket.server is server
        assert socket.is_paused()
        assert heard == []
        socket.destroy()
        server.close()

    def test_a_connection_too_many_is_reported_with_its_addresses(self, board):
        server = net.create_server().listen(80)
        server.max_connections = 0
        heard = record(server, "drop", "connection")
        board.accept()

        ((event, dropped),) = heard
        assert event == "drop"
        assert set(dropped) == {
            f"{side}_{part}"
            for side in ("local", "remote")
            for part in ("address", "port", "family")
        }
        server.close()

    def test_a_port_that_is_lost_is_an_error_and_a_close(self, board):
        class Losable:
            def watch_loss(self, lost):
                self.lost = lost

            def getHost(self):
                return IPv4Address("TCP", "0.0.0.0", 80)

        server = net.create_server()
        port = Losable()
        directlyProvides(port, ILosablePort)
        starting = Deferred()
        board.network.listen = lambda *_, **__: starting
        heard = record(server.listen(80), "listening", "error", "close")
        starting.callback(port)
        board.run()
        port.lost(AddressInUseError("in use"))
        board.run()

        assert [event for event, *_ in heard] == ["listening", "error", "close"]
        assert heard[1][1].code == "EADDRINUSE"
        assert not server.listening
        assert not board.handles

    def test_bytes_that_wait_are_reported(self, board):
        socket = net.connect(80)
        socket.write("hello")

        assert socket.buffer_size == 5
        assert socket.local_family is None
        assert net.Stream is net.Socket
        socket.destroy()

    def test_a_tls_socket_reports_what_it_knows(self, board):
        socket = tls.connect(443, "example.com")

        assert socket.servername == "example.com"
        assert socket.get_protocol() is None
        assert socket.get_cipher() == {}
        assert socket.alpn_protocol is False
        assert not socket.is_session_reused()
        socket.destroy()


class TestTimers:
    def test_an_immediate_may_be_let_go(self, board):
        immediate = timers.set_immediate(print)
        assert immediate.has_ref()
        assert not immediate.unref().has_ref()
        assert immediate.ref().has_ref()
        timers.clear_immediate(immediate)
        timers.clear_immediate(None)


class TestDatagrams:
    def bound(self, board):
        socket = dgram.create_socket().bind()
        board.network.bindings[-1].bind()
        board.run()
        return socket, board.network.bindings[-1]

    def test_a_connected_socket_sends_to_its_peer_and_hears_it_alone(self, board):
        socket, port = self.bound(board)
        told, heard = [], record(socket, "message", "connect")
        socket.connect(53, "192.0.2.1", lambda: told.append("connected"))
        board.run()
        socket.send("hi", lambda *args: told.append(args))
        port.protocol.datagramReceived(b"other", ("192.0.2.2", 53))
        port.protocol.datagramReceived(b"peer", ("192.0.2.1", 53))
        board.run()

        assert port.sent == [(b"hi", ("192.0.2.1", 53))]
        assert told == ["connected", (None, 2)]
        assert [args[0] for event, *args in heard if event == "message"] == [b"peer"]
        assert socket.remote_address() == {"address": "192.0.2.1", "port": 53, "family": "IPv4"}
        for call in (lambda: socket.send("hi", 53), lambda: socket.connect(53)):
            with pytest.raises(NodeError, match="Already connected"):
                call()
        socket.disconnect()
        for call in (socket.disconnect, socket.remote_address):
            with pytest.raises(NodeError, match="Not connected"):
                call()

    def test_messages_may_come_in_parts_and_queues_are_counted(self, board):
        socket = dgram.create_socket()
        socket.send([b"a", "b"], 53)

        assert socket.get_send_queue_count() == 1
        assert socket.get_send_queue_size() == 2
        assert socket.type == "udp4"

    @pytest.mark.parametrize("port", [0, -1, "x", None])
    def test_a_port_that_nobody_has_is_raised(self, board, port):
        with pytest.raises(NodeError, match="Port should be"):
            dgram.create_socket().send("x", port)

    def test_a_radio_without_multicast_says_so(self, board):
        socket, _ = self.bound(board)
        for call in (
            lambda: socket.add_membership("239.0.0.1"),
            lambda: socket.drop_membership("239.0.0.1"),
            lambda: socket.set_ttl(3),
            lambda: socket.set_multicast_ttl(3),
            lambda: socket.set_multicast_loopback(True),
            lambda: socket.set_multicast_interface("127.0.0.1"),
        ):
            with pytest.raises(NodeError, match="CC3000 has neither") as raised:
                call()
            assert raised.value.code == "ENOTSUP"

    @pytest.mark.parametrize("group", ["192.0.2.1", "host", "ff02::1"])
    def test_what_is_no_group_is_refused(self, board, group):
        with pytest.raises(NodeError):
            dgram.create_socket().add_membership(group)

    def test_a_port_that_is_lost_is_an_error_and_a_close(self, board):
        board.network.names["name.example"] = Deferred()
        socket = dgram.create_socket().bind(5353)
        port = board.network.bindings[0]
        alsoProvides(port, ILosablePort)
        port.watch_loss = lambda lost: setattr(port, "lost", lost)
        port.bind()
        heard = record(socket, "listening", "error", "close")
        told = []
        socket.send("x", 53, "name.example", told.append)
        board.run()
        port.lost(AddressInUseError("in use"))
        board.run()

        assert [event for event, *_ in heard] == ["listening", "error", "close"]
        assert heard[1][1].code == told[0].code == "EADDRINUSE"
        assert not board.handles

    def test_options_of_the_machines_own_sockets_are_set(self, board):
        radio = HostRadio(reactor)
        radio.power_on()
        bound = []
        board.network.bind_udp = lambda port, protocol, host="": radio.bind_udp(
            port, protocol, address=host
        ).addCallback(lambda port: bound.append(protocol.transport) or port)
        socket = dgram.create_socket()
        errors = record(socket, "error")
        socket.add_membership("239.255.0.1", "127.0.0.1")
        board.run()
        socket.set_ttl(3)
        socket.set_multicast_ttl(4)
        socket.set_multicast_loopback(False)
        socket.set_multicast_interface("127.0.0.1")
        socket.drop_membership("239.255.0.1", "127.0.0.1")
        with pytest.raises(NodeError, match="dropMembership EADDRNOTAVAIL"):
            socket.drop_membership("239.255.0.1", "127.0.0.1")
        (transport,) = bound

        assert IDatagramOptions.providedBy(transport)
        assert (transport.getTTL(), transport.getLoopbackMode()) == (4, 0)
        assert errors == []
        socket.close()
        board.run()

    def test_an_option_that_fails_later_is_an_error(self, board):
        socket = dgram.create_socket().bind()
        heard = record(socket, "error")
        socket.set_ttl(3)
        board.network.bindings[0].bind()
        board.run()

        assert [error.code for _, error in heard] == ["ENOTSUP"]
