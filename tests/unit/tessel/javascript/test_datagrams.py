"""UDP ports of a JavaScript program, on the device's end of the channel."""

import errno

import pytest
from twisted.internet.defer import Deferred, fail
from twisted.internet.error import MessageLengthError
from zope.interface import implementer

from support.fake_board import Binding
from tessel.errors import NodeError
from tessel.javascript.datagrams import DATAGRAM_BYTES, MAX_UNREAD_BYTES
from tessel.radio.interface import IDatagramOptions, ILosablePort, RadioTimedOutError

PEER = ("192.0.2.9", 9000)
TO_PEER = {"host": PEER[0], "port": PEER[1]}


@pytest.fixture
def port(board, child):
    """A bound port, number 1 on the channel."""
    child.call(1, "bind", host="0.0.0.0", port=5000)
    binding = board.network.bindings[-1]
    binding.bind()
    child.take()
    return binding


def event(name, **fields):
    return 1, {"event": name, **fields}


def test_a_bound_port_is_reported_with_its_address(board, child):
    child.call(1, "bind", host="192.0.2.5", port=0)
    binding = board.network.bindings[-1]
    assert (binding.port, binding.host) == (0, "192.0.2.5")
    binding.bind()
    address = {"address": "192.0.2.5", "port": 50_000, "family": "IPv4"}
    assert child.take() == [event("bound", address=address, options=False, host_ignored=False)]


def test_a_port_that_cannot_be_bound_is_reported_with_the_error(board, child):
    child.call(1, "bind", host="0.0.0.0", port=5000)
    error = NodeError("bind EADDRINUSE 0.0.0.0:5000", "EADDRINUSE")
    board.network.bindings[-1].answer.errback(error)
    assert child.take() == [event("failed", error={"message": str(error), "code": "EADDRINUSE"})]
    assert not len(child.bridge.channel)


def test_a_datagram_is_sent_and_its_sending_is_reported(child, port):
    child.call(1, "send", b"hello", **TO_PEER)
    child.call(1, "send", **TO_PEER)
    assert port.sent == [(b"hello", PEER), (b"", PEER)]
    assert child.take() == [(1, 1), (1, 1)]


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (MessageLengthError("long"), "EMSGSIZE"),
        (OSError(errno.EAGAIN, "full"), "ENOBUFS"),
        (OSError(errno.EACCES, "no"), "EACCES"),
    ],
)
def test_a_datagram_that_was_not_sent_is_reported_with_the_code(child, port, fault, code):
    port.fault = fault
    child.call(1, "send", b"hello", **TO_PEER)
    assert child.take() == [event("unsent", code=code)]


def test_a_bug_of_the_radio_ends_the_program(board, child, port):
    port.fault = RuntimeError("a bug")
    child.call(1, "send", b"hello", **TO_PEER)
    assert board.uncaught == [port.fault]
    board.uncaught.clear()


def test_a_received_datagram_is_passed_on_with_its_sender(child, port):
    port.protocol.datagramReceived(b"hello", PEER)
    port.protocol.datagramReceived(b"", PEER)
    sender = {"event": "message", "address": PEER[0], "port": PEER[1]}
    assert child.take() == [(1, sender, b"hello"), (1, sender)]


def test_datagrams_are_dropped_while_the_program_does_not_take_note_of_them(child, port):
    nbytes = 1000 + DATAGRAM_BYTES
    most = MAX_UNREAD_BYTES // nbytes
    for _ in range(most + 50):
        port.protocol.datagramReceived(b"x" * 1000, PEER)
    assert len(child.take()) == most
    child.credit(1, 2 * nbytes)
    for _ in range(5):
        port.protocol.datagramReceived(b"x" * 1000, PEER)
    assert len(child.take()) == 2


def test_more_credit_than_was_used_does_not_raise_the_limit(child, port):
    child.credit(1, 10 * MAX_UNREAD_BYTES)
    for _ in range(2 * MAX_UNREAD_BYTES // 1000):
        port.protocol.datagramReceived(b"x" * 1000, PEER)
    assert len(child.take()) == MAX_UNREAD_BYTES // (1000 + DATAGRAM_BYTES)


def test_a_closed_port_is_reported_and_receives_nothing(child, port):
    child.call(1, "close")
    assert port.stopped
    assert child.take() == [event("closed")]
    port.protocol.datagramReceived(b"late", PEER)
    child.call(1, "send", b"late", **TO_PEER)
    child.call(1, "option", name="setBroadcast", value=True)
    child.call(1, "close")
    assert (child.take(), port.sent, child.broken) == ([], [], [])


def test_a_port_that_is_closed_while_it_is_bound_is_closed(board, child):
    child.call(1, "bind", host="0.0.0.0", port=5000)
    child.call(1, "close")
    assert child.take() == [event("closed")]
    assert not len(child.bridge.channel)


def test_a_new_port_waits_until_the_old_one_is_closed(board, child, port):
    stopping = Deferred()
    port.stop = lambda: stopping
    child.call(1, "close")
    child.call(3, "bind", host="0.0.0.0", port=5000)
    child.call(5, "bind", host="0.0.0.0", port=5001)
    child.call(5, "close")
    assert len(board.network.bindings) == 1
    stopping.callback(None)
    assert [each.port for each in board.network.bindings] == [5000, 5000]


def test_the_ports_of_a_program_that_ends_are_closed(child, port):
    child.end()
    assert port.stopped
    assert not len(child.bridge.channel)


@implementer(ILosablePort)
class Losable(Binding):
    def watch_loss(self, lost):
        self.lose = lost


def test_a_lost_port_is_reported_with_the_error(board, child):
    child.call(1, "bind", host="0.0.0.0", port=5000)
    binding = board.network.bindings[-1]
    binding.__class__ = Losable
    binding.bind()
    child.take()
    binding.lose(RadioTimedOutError("late"))
    text = "bind ETIMEDOUT: the port was lost: late"
    error = {"message": text, "code": "ETIMEDOUT"}
    assert child.take() == [event("lost", error=error), event("closed")]


@implementer(IDatagramOptions)
class Optional(Binding):
    """A port that has all options, and records what was set."""

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)

        def record(*args):
            self.__dict__.setdefault("options", []).append((name, *args))
            return Deferred()

        return record


@pytest.fixture
def able(port):
    port.__class__ = Optional
    return port


def test_options_are_set(child, able):
    group = {"value": "239.1.2.3"}
    child.call(1, "option", name="setBroadcast", value=True)
    child.call(1, "option", name="setTTL", value=5)
    child.call(1, "option", name="setMulticastTTL", value=0)
    child.call(1, "option", name="setMulticastLoopback", value=False)
    child.call(1, "option", name="setMulticastInterface", value="192.0.2.5")
    child.call(1, "option", name="addMembership", **group)
    child.call(1, "option", name="dropMembership", interface="192.0.2.5", **group)
    assert able.broadcast
    assert able.options == [
        ("set_ttl", 5),
        ("setTTL", 0),
        ("setLoopbackMode", False),
        ("set_interface", "192.0.2.5"),
        ("joinGroup", "239.1.2.3", ""),
        ("leaveGroup", "239.1.2.3", "192.0.2.5"),
    ]
    assert child.take() == []


def test_an_option_that_the_system_refuses_is_reported(child, able):
    able.joinGroup = lambda *_: fail(OSError(errno.ENODEV, "No such device"))
    child.call(1, "option", name="addMembership", value="239.1.2.3")
    error = {"message": "addMembership No such device", "code": "EINVAL"}
    assert child.take() == [event("refused", option="addMembership", error=error)]


def test_an_option_that_the_radio_does_not_have_is_reported(child, port):
    child.call(1, "option", name="setTTL", value=5)
    ((_, fields),) = child.take()
    assert (fields["event"], fields["option"]) == ("refused", "setTTL")
    assert fields["error"]["code"] == "ENOTSUP"


@pytest.mark.parametrize(
    ("op", "fields"),
    [
        ("bind", {"host": "0.0.0.0", "port": 1}),
        ("fly", {}),
        ("send", {}),
        ("send", {"host": "::1", "port": 5}),
        ("send", {"host": "192.0.2.9", "port": 65_536}),
        ("send", {"host": "192.0.2.9", "port": "5"}),
        ("option", {}),
        ("option", {"name": "fly"}),
        ("option", {"name": "setTTL", "value": -1}),
        ("option", {"name": "setTTL", "value": 256}),
        ("option", {"name": "setBroadcast", "value": 1}),
        ("option", {"name": "setMulticastLoopback", "value": None}),
        ("option", {"name": "setMulticastInterface", "value": "x"}),
        ("option", {"name": "addMembership", "value": "239.1.2.3", "interface": "x"}),
        ("option", {"name": "dropMembership", "value": None}),
    ],
)
def test_a_call_that_is_not_allowed_ends_the_program(child, port, op, fields):
    child.call(1, op, **fields)
    assert len(child.broken) == 1


@pytest.mark.parametrize("fields", [{}, {"host": "x", "port": 5}, {"host": "0.0.0.0", "port": -1}])
def test_a_wrong_bind_ends_the_program(child, fields):
    child.call(1, "bind", **fields)
    assert len(child.broken) == 1


def test_bytes_without_a_destination_end_the_program(child, port):
    child.data(1, b"bytes")
    assert child.broken == ["5 bytes without a destination for a UDP port"]
