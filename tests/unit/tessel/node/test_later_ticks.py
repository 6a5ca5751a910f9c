"""No callback of a program runs inside the call that asked for it, and each comes exactly once.

The network of these tests answers within the call: the worst case for whoever asks.
"""

import errno

import pytest
from twisted.internet.defer import Deferred, fail, succeed

from support.fake_board import Binding, FakeNetwork, Listening, powered_board
from tessel.errors import NodeError
from tessel.node import dgram, dns, net, timers, tls
from tessel.node._dgram import outbox
from tessel.node.stream import Readable

LONG_CHAIN = 3_000  # beyond what Python's stack takes, a few frames for each


class AtOnce(FakeNetwork):
    """Answers within the call; `error` is the answer to all, if it is set."""

    def __init__(self, board, error=None):
        super().__init__(board)
        self.error = error

    def _outcome(self, value):
        return succeed(value) if self.error is None else fail(self.error)

    def lookup(self, name, family=0):
        return self._outcome(["192.0.2.1"])

    def connect(self, target, factory, *, proxy=True, watcher=None):
        watcher.looked_up(self.error, "192.0.2.1", 4)
        if self.error is not None:
            return fail(self.error)
        answer = super().connect(target, factory, proxy=proxy)
        self.attempts[-1].watcher = watcher
        watcher.connected()
        made = self.attempts[-1]
        protocol = made.wire.protocol = factory()
        protocol.makeConnection(made.wire)
        protocol.dataReceived(b"hello")
        protocol.readConnectionLost()
        answer.callback(protocol)
        return answer

    def connect_tls(self, target, factory, tls, *, proxy=True, watcher=None):
        return self.connect(target, factory, proxy=proxy, watcher=watcher)

    def listen(self, port, factory, *, host="", backlog=511):
        self.listening = Listening(factory)
        return self._outcome(self.listening)

    def bind_udp(self, port, protocol, *, host=""):
        if self.error is not None:
            return fail(self.error)
        binding = Binding(port, protocol, host)
        self.bindings.append(binding)
        binding.bind()
        return binding.answer


ERROR = NodeError("x EFAIL", "EFAIL")


@pytest.fixture(params=[None, ERROR], ids=["works", "fails"])
def board(request):
    with powered_board() as on:
        on.network = on.runtime.network = AtOnce(on, request.param)
        yield on


def every(emitter, told):
    for event in (
        "lookup",
        "connect",
        "secureConnect",
        "ready",
        "data",
        "end",
        "error",
        "close",
        "listening",
        "message",
        "finish",
        "drain",
        "resume",
    ):
        emitter.on(event, lambda *args, event=event: told.append(event))
    return emitter


ASKS = {
    "dns.lookup": lambda tell: dns.lookup("192.0.2.1", tell),
    "dns.lookup all": lambda tell: dns.lookup("h", {"all": True}, tell),
    "dns.resolve4": lambda tell: dns.resolve4("h", tell),
    "dns.resolve6": lambda tell: dns.resolve6("h", tell),
    "timers": lambda tell: timers.set_timeout(tell, 0),
    "immediate": timers.set_immediate,
    "next_tick": timers.next_tick,
}


@pytest.mark.parametrize("ask", ASKS)
def test_a_callback_comes_later_and_once(board, ask):
    told = []
    ASKS[ask](lambda *args: told.append(args))
    assert told == []
    board.pass_time(0.002)

    assert len(told) == 1
    assert not board.handles


def test_a_datagrams_callback_comes_later_and_once(board):
    told = []
    for address in ("192.0.2.1", "example.com"):
        socket = dgram.create_socket().on("error", lambda _: None)
        socket.send("x", 53, address, lambda *args: told.append(args))
        assert told == []
        board.run()
        assert len(told) == 1
        told.clear()
        socket.close()
        board.run()
    assert not board.handles


@pytest.mark.parametrize("kind", [net.Socket, tls.TLSSocket])
def test_nothing_of_a_socket_comes_within_its_calls(board, kind):
    told = []
    socket = every(kind(), told)
    for call in (
        lambda: socket.connect(80, "example.com", lambda: told.append("called")),
        lambda: socket.write("x", lambda *_: told.append("written")),
        lambda: socket.end("y", lambda *_: told.append("ended")),
        socket.resume,
        socket.destroy,
    ):
        call()
        assert told == []
    board.run()

    assert told.count("close") == 1
    assert told.count("written") == told.count("ended") == 1
    assert not board.handles


def test_a_socket_reads_nothing_within_its_calls():
    with powered_board() as board:
        socket = net.connect(80)
        attempt = board.attempts[0].stand()
        told = []
        attempt.send(b"x" * (socket.readable_high_water_mark + 1))
        every(socket.pause(), told)
        board.run()
        told.clear()
        attempt.wire.resumeProducing = lambda: attempt.wire.protocol.dataReceived(b"more")
        socket.readable_flowing = True
        socket.read()
        assert told == []
        board.run()
        assert "data" in told
        socket.destroy()


def test_nothing_of_a_server_comes_within_its_calls(board):
    told = []
    server = every(net.create_server(), told)
    server.listen(80, lambda: told.append("called"))
    assert told == []
    server.get_connections(lambda *_: told.append("counted"))
    server.close(lambda *_: told.append("closed"))
    server.close(lambda *_: told.append("closed"))
    assert told == []
    board.run()

    assert told.count("closed") == 2
    assert told.count("counted") == 1
    assert not board.handles


def test_nothing_of_a_datagram_socket_comes_within_its_calls(board):
    told = []
    socket = every(dgram.create_socket(), told)
    for call in (
        lambda: socket.bind(0, lambda: told.append("called")),
        lambda: socket.connect(53, "192.0.2.1", lambda: told.append("connected")),
        lambda: socket.close(lambda: told.append("closed")),
    ):
        call()
        assert told == []
    board.run()

    assert told.count("close") == told.count("closed") == 1
    assert not board.handles


def test_a_stream_resumes_later(board):
    told = []
    stream = Readable()
    stream.push(b"x")
    stream.push(None)
    every(stream, told)
    assert told == []
    board.run()

    assert told == ["resume", "data", "end", "close"]


@pytest.mark.parametrize("name", ["192.0.2.1", "example.com"])
def test_thousands_of_look_ups_one_after_the_other(name):
    with powered_board() as board:
        board.runtime.network = AtOnce(board)
        left = [LONG_CHAIN]

        def again(*_):
            left[0] -= 1
            if left[0]:
                dns.lookup(name, again)

        dns.lookup(name, again)
        for _ in range(LONG_CHAIN + 1):
            board.clock.advance(0)

        assert left == [0]


@pytest.mark.parametrize("name", ["192.0.2.1", "example.com"])
def test_thousands_of_datagrams_one_after_the_other(name):
    with powered_board() as board:
        board.network = board.runtime.network = AtOnce(board)
        left = [LONG_CHAIN]
        socket = dgram.create_socket()

        def again(*_):
            left[0] -= 1
            if left[0]:
                socket.send("x", 53, name, again)
            else:
                socket.close()

        socket.send("x", 53, name, again)
        for _ in range(LONG_CHAIN + 5):
            board.clock.advance(0)

        assert left == [0]
        assert not board.handles
        assert len(board.network.bindings[0].sent) == LONG_CHAIN


def test_a_chain_leaves_the_reactor_its_turns():
    with powered_board() as board:
        board.runtime.network = AtOnce(board)
        turns = []

        def second(*_):
            turns.append("second")

        board.clock.callLater(0, turns.append, "reactor")
        dns.lookup("h", lambda *_: (turns.append("first"), dns.lookup("h", second)))
        board.clock.callLater(0, turns.append, "reactor")
        board.clock.advance(0)

        assert turns == ["reactor", "first", "reactor", "second"]


def test_what_the_network_reports_keeps_its_order():
    with powered_board() as board:
        told = []
        board.runtime.ask(board.runtime.call, told.append, "first")
        board.runtime.call(told.append, "second")
        assert told == []
        board.run()
        board.runtime.call(told.append, "third")

        assert told == ["first", "second", "third"]


# Datagrams that are dropped.


@pytest.mark.parametrize("number", [errno.ENOBUFS, errno.EAGAIN])
def test_a_datagram_that_the_radio_has_no_room_for_is_reported_to_its_callback_alone(number):
    with powered_board() as board:
        told = []
        socket = dgram.create_socket().bind().on("error", told.append)
        (port,) = board.network.bindings
        port.bind()
        port.fault = OSError(number, "no room")
        socket.send("x", 53, "192.0.2.1")
        socket.send("x", 53, "192.0.2.1", lambda error: told.append(error.code))
        board.run()

        assert told == ["ENOBUFS"]
        socket.close()


@pytest.mark.parametrize("how", ["bound", "fails", "closed", "closed when bound too late"])
def test_the_fate_of_each_of_many_datagrams_is_reported(how):
    with powered_board() as board:
        told, closed = [], []
        socket = dgram.create_socket().on("error", lambda _: None)
        for number in range(200):
            socket.send("x", 53, "192.0.2.1", lambda *args, n=number: told.append((n, args)))
        (port,) = board.network.bindings
        if how == "bound":
            port.bind()
        elif how == "fails":
            port.answer.errback(NodeError("bind EACCES", "EACCES"))
        elif how == "closed":
            port.answer.addErrback(lambda failure: failure)
        else:
            port.answer._canceller = lambda _: port.bind()
        socket.close(lambda: closed.append(True))
        board.run()

        assert sorted(number for number, _ in told) == list(range(200))
        sent = [number for number, args in told if args == (None, 1)]
        assert sent == (list(range(outbox.MAX_UNBOUND_DATAGRAMS)) if how == "bound" else [])
        assert all(isinstance(args[0], NodeError) for n, args in told if n not in sent)
        assert closed == [True]
        assert not board.handles


def test_a_datagram_whose_name_is_looked_up_when_it_closes_is_reported():
    with powered_board() as board:
        told = []
        board.network.names["x"] = Deferred()
        socket = dgram.create_socket().bind()
        board.network.bindings[0].bind()
        socket.send("hi", 53, "x", lambda *args: told.append(args[0].code))
        socket.on("close", lambda: told.append("close"))
        socket.close()
        board.run()
        board.network.names["x"].callback(["192.0.2.1"])
        board.run()

        assert told == ["ERR_SOCKET_DGRAM_NOT_RUNNING", "close"]
        assert board.network.bindings[0].sent == []


def test_a_callback_of_a_bind_that_failed_is_not_called_by_the_next():
    with powered_board() as board:
        told = []
        socket = dgram.create_socket().on("error", lambda _: None)
        socket.bind(80, lambda: told.append("first"))
        board.network.bindings[0].answer.errback(NodeError("bind EACCES", "EACCES"))
        board.run()
        socket.bind(81, lambda: told.append("second"))
        board.network.bindings[1].bind()
        board.run()

        assert told == ["second"]


# Writes that are dropped.


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ("idle", "ERR_STREAM_DESTROYED"),
        ("connecting", "ERR_SOCKET_CLOSED_BEFORE_CONNECTION"),
        ("refused", "ECONNREFUSED"),
        ("connected", "ERR_STREAM_DESTROYED"),
        ("with an error", "EMINE"),
    ],
)
def test_writes_and_ends_of_a_socket_that_is_destroyed_are_reported_once(how, code):
    with powered_board() as board:
        told = []
        socket = net.Socket().on("error", lambda _: None)
        if how != "idle":
            socket.connect(80)
        if how == "connected":
            board.attempts[0].stand().wire.producer.pauseProducing()
        for name in ("first", "second"):
            socket.write("x", lambda error=None, name=name: told.append((name, error.code)))
        socket.end(lambda error=None: told.append(("end", error.code)))
        if how == "refused":
            board.attempts[0].fail(NodeError("connect ECONNREFUSED", "ECONNREFUSED"))
        else:
            socket.destroy(NodeError("mine", "EMINE") if how == "with an error" else None)
        board.run()
        socket.write("late", lambda error: told.append(("late", error.code)))
        socket.end(lambda error: told.append(("late end", error.code)))
        board.run()

        assert told == [
            ("first", code),
            ("second", code),
            ("end", code),
            ("late", "ERR_STREAM_WRITE_AFTER_END"),
            ("late end", "ERR_STREAM_DESTROYED"),
        ]
        assert not board.handles
