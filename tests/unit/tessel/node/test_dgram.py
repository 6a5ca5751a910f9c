"""`dgram`, over a network that a test plays."""

import pytest
from twisted.internet.defer import CancelledError, fail, succeed
from twisted.internet.error import MessageLengthError
from twisted.python.failure import Failure
from zope.interface import directlyProvides

from support.fake_board import record
from tessel import dgram
from tessel.errors import NodeError
from tessel.network.interface import IHostIgnored
from tessel.node._dgram import outbox


def bound(board, *args):
    socket = dgram.create_socket("udp4").bind(*args)
    board.network.bindings[-1].bind()
    board.run()
    return socket, board.network.bindings[-1]


def test_a_bound_socket_listens_and_hears(board):
    socket = dgram.create_socket("udp4")
    heard = record(socket, "listening", "message")
    socket.bind(4000, "192.0.2.1", lambda: heard.append("called"))
    (port,) = board.network.bindings
    assert (port.port, port.host) == (4000, "192.0.2.1")
    port.bind()
    board.run()
    port.protocol.datagramReceived(b"hi", ("192.0.2.9", 5))

    sender = {"address": "192.0.2.9", "port": 5, "family": "IPv4", "size": 2}
    assert heard == [("listening",), "called", ("message", b"hi", sender)]
    assert socket.address() == {"address": "192.0.2.1", "port": 4000, "family": "IPv4"}


@pytest.mark.parametrize("args", [({"port": 7, "address": "192.0.2.1"},), (7, "192.0.2.1")])
def test_options_may_come_as_a_mapping(board, args):
    _, port = bound(board, *args)

    assert (port.port, port.host) == (7, "192.0.2.1")


def test_the_callback_may_stand_where_the_port_is_left_out(board):
    called = []
    bound(board, lambda: called.append("listening"))

    assert called == ["listening"]


def test_the_listener_of_create_socket_is_for_messages(board):
    heard = []
    socket = dgram.create_socket({"type": "udp4"}, lambda data, _: heard.append(data))
    socket.bind()
    board.network.bindings[0].bind()
    board.network.bindings[0].protocol.datagramReceived(b"hi", ("192.0.2.9", 5))

    assert heard == [b"hi"]


def test_udp6_is_not_the_radios(board):
    with pytest.raises(NodeError, match="udp4 alone"):
        dgram.create_socket("udp6")


def test_bound_twice_is_an_error(board):
    socket, _ = bound(board)

    with pytest.raises(NodeError, match="already bound"):
        socket.bind()


def test_sending_binds_first_and_reports_when_it_is_the_radios(board):
    socket = dgram.create_socket()
    told = []
    socket.send("hello", 53, "192.0.2.9", lambda *args: told.append(args))
    (port,) = board.network.bindings
    assert not port.sent
    port.bind()
    assert told == []
    board.run()

    assert port.sent == [(b"hello", ("192.0.2.9", 53))]
    assert told == [(None, 5)]


def test_a_piece_may_be_sent_to_this_machine(board):
    socket, port = bound(board)
    socket.send(b"0123456789", 2, 3, 53)
    socket.send(b"0123456789", 0, 1, 53, "192.0.2.9")

    assert port.sent == [(b"234", ("127.0.0.1", 53)), (b"0", ("192.0.2.9", 53))]


@pytest.mark.parametrize("places", [(8, 3), (-1, 2), ("a", 1)])
def test_a_piece_beyond_the_message_is_an_error(board, places):
    socket, _ = bound(board)

    with pytest.raises(NodeError, match="must be"):
        socket.send(b"0123456789", *places, 53, "192.0.2.9")


def test_a_name_is_looked_up(board):
    board.network.names["example.com"] = succeed(["192.0.2.7"])
    socket, port = bound(board)
    socket.send("hi", 53, "example.com")

    assert port.sent == [(b"hi", ("192.0.2.7", 53))]


def test_a_name_that_there_is_not_is_reported_to_the_callback_or_as_an_error(board):
    error = NodeError("getaddrinfo ENOTFOUND x", "ENOTFOUND")
    socket, _ = bound(board)
    told = record(socket, "error")
    board.network.names["x"] = fail(error)
    socket.send("hi", 53, "x", lambda *args: told.append(args))
    board.network.names["x"] = fail(error)
    socket.send("hi", 53, "x")
    assert told == []
    board.run()

    assert told == [(error,), ("error", error)]


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (MessageLengthError("long"), "EMSGSIZE"),
        (OSError(101, "Network is unreachable"), "ENETUNREACH"),
        (OSError(13, "Permission denied"), "EACCES"),
    ],
)
def test_what_cannot_be_sent_is_reported(board, fault, code):
    socket, port = bound(board)
    port.fault = fault
    told = []
    socket.send("hi", 53, "192.0.2.9", told.append)
    board.run()

    assert [(error.code, str(error)) for error in told] == [(code, f"send {code} 192.0.2.9:53")]


@pytest.mark.parametrize("host", ["::1", "::", "::ffff:192.0.2.9"])
def test_an_ipv6_address_is_no_receiver(board, host):
    socket, port = bound(board)
    told = []
    socket.send("hi", 53, host, told.append)
    board.run()

    assert [(error.code, str(error)) for error in told] == [("EINVAL", f"send EINVAL {host}:53")]
    assert port.sent == []


def test_an_ipv6_address_is_no_peer(board):
    socket, _ = bound(board)
    told = record(socket, "connect", "error")
    socket.connect(53, "::1")
    board.run()

    ((event, error),) = told
    assert (event, error.code, str(error)) == ("error", "EINVAL", "connect EINVAL ::1:53")


def test_the_callback_of_a_connect_learns_why_it_failed(board):
    socket, _ = bound(board)
    told, events = [], record(socket, "connect", "error")
    socket.connect(53, "::1", lambda *args: told.extend(args))
    board.run()

    assert [error.code for error in told] == ["EINVAL"]
    assert (events, socket.listener_count("connect")) == ([], 1)  # the listener of `record`


def test_a_bug_below_ends_the_program(board):
    socket, port = bound(board)
    port.fault = KeyError("bug")
    socket.send("hi", 53, "192.0.2.9")
    board.run()

    assert isinstance(board.uncaught.pop(), KeyError)


def test_datagrams_that_wait_for_a_port_have_a_limit(board):
    socket = dgram.create_socket()
    for _ in range(outbox.MAX_UNBOUND_DATAGRAMS + 1):
        socket.send("hi", 53, "192.0.2.9")
    board.network.bindings[0].bind()

    assert len(board.network.bindings[0].sent) == outbox.MAX_UNBOUND_DATAGRAMS


def test_a_port_that_cannot_be_had_is_an_error_and_another_may_be_tried(board):
    socket = dgram.create_socket()
    heard = record(socket, "error")
    socket.bind(80)
    board.network.bindings[0].answer.errback(Failure(NodeError("bind EACCES", "EACCES")))
    board.run()

    assert [error.code for _, error in heard] == ["EACCES"]
    assert not board.handles
    socket.bind(8080)
    assert len(board.network.bindings) == 2


def test_the_callback_of_a_port_that_is_refused_at_once_is_not_called_for_a_later_one(board):
    called = []
    socket = dgram.create_socket()
    socket.on("error", lambda error: called.append(error.code))
    board.network.bind_udp = lambda *_, **__: fail(NodeError("bind EACCES", "EACCES"))
    socket.bind(80, lambda: called.append("bound"))
    del board.network.bind_udp
    socket.bind(8080)
    board.network.bindings[-1].bind()
    board.run()

    assert called == ["EACCES"]


def test_a_bug_while_binding_ends_the_program(board):
    dgram.create_socket().bind(80)
    board.network.bindings[0].answer.errback(Failure(KeyError("bug")))

    assert isinstance(board.uncaught.pop(), KeyError)


# The end.


def test_a_socket_keeps_the_program_alive_until_it_is_closed(board):
    socket, port = bound(board)
    heard = record(socket, "close", "message")
    assert len(board.handles) == 1
    socket.unref()
    assert not board.handles
    socket.ref()
    socket.close(lambda: heard.append("called"))
    port.protocol.datagramReceived(b"late", ("192.0.2.9", 5))
    board.run()

    assert port.stopped
    assert heard == [("close",), "called"]
    assert not board.handles


def test_one_that_was_never_bound_closes_too(board):
    socket = dgram.create_socket().unref().ref()
    heard = record(socket, "close")
    socket.close()
    board.run()

    assert heard == [("close",)]


def test_one_that_is_being_bound_is_given_up(board):
    socket = dgram.create_socket().unref()
    heard = record(socket, "close", "error", "listening")
    socket.bind(80)
    board.network.bindings[0].answer.addErrback(lambda failure: failure)
    socket.close()
    board.run()

    assert heard == [("close",)]


def test_one_that_is_bound_too_late_is_stopped(board):
    socket = dgram.create_socket()
    heard = record(socket, "close", "listening")
    socket.bind(80)
    (port,) = board.network.bindings
    port.answer._canceller = lambda _: port.bind()
    socket.close()
    board.run()

    assert port.stopped
    assert heard == [("close",)]


def test_closed_before_it_could_report_that_it_listens_it_does_not(board):
    socket = dgram.create_socket()
    heard = record(socket, "close", "listening")
    socket.bind(80)
    board.network.bindings[0].bind()
    socket.close()
    board.run()

    assert heard == [("close",)]


def test_a_closed_socket_can_do_nothing_more(board):
    socket, _ = bound(board)
    socket.close()
    for call in (
        socket.close,
        lambda: socket.send("hi", 53),
        lambda: socket.set_broadcast(True),
        socket.address,
    ):
        with pytest.raises(NodeError, match="Not running"):
            call()


def test_a_socket_that_is_not_bound_has_no_address(board):
    for call in (dgram.create_socket().address, lambda: dgram.create_socket().set_ttl(3)):
        with pytest.raises(NodeError, match="EBADF"):
            call()


def test_what_is_looked_up_when_it_closes_is_not_sent(board):
    socket, port = bound(board)
    late = board.network.names["x"] = succeed(["192.0.2.7"])
    late.pause()
    socket.send("hi", 53, "x")
    socket.close()
    late.unpause()

    assert not port.sent


def test_an_error_after_the_close_is_nobodys(board):
    socket, _ = bound(board)
    late = board.network.names["x"] = fail(CancelledError())
    late.addErrback(lambda _: Failure(NodeError("getaddrinfo ENOTFOUND x", "ENOTFOUND")))
    late.pause()
    socket.send("hi", 53, "x")
    socket.close()
    late.unpause()
    board.run()


def test_a_socket_whose_address_is_ignored_is_reported_at_its_line(board):
    socket = dgram.create_socket("udp4")
    socket.bind(0, "127.0.0.1")
    directlyProvides(board.network.bindings[-1], IHostIgnored)
    with pytest.warns(RuntimeWarning, match="host is ignored") as warned:
        board.network.bindings[-1].bind()
    assert warned[0].filename == __file__
    board.run()


def test_broadcast_is_the_transports(board):
    socket, port = bound(board)
    socket.set_broadcast(1)

    assert port.broadcast


def test_a_callback_with_a_size_gets_an_error_too(board):
    told = []
    socket = dgram.create_socket()
    socket.send("x", 53, "192.0.2.9", lambda error, size: told.append((error.code, size)))
    socket.close()
    board.run()

    assert told == [("ERR_SOCKET_DGRAM_NOT_RUNNING", None)]
