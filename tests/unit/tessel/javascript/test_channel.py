"""Frames that a program's process may send; a broken or hostile process harms only itself."""

import struct

import pytest

from support.javascript.played_child import PlayedChild
from tessel.javascript import channel as module
from tessel.javascript.flow import CREDIT_STEP_BYTES, WINDOW_BYTES
from tessel.javascript.frames import encode_message

TARGET = {"host": "192.0.2.7", "port": 80, "family": 0, "proxy": True}


@pytest.fixture
def attempt(board, child):
    """The attempt of socket 1, which is established."""
    child.call(1, "connect", **TARGET)
    (attempt,) = board.attempts
    attempt.stand()
    child.take()
    return attempt


def names(events):
    return [event[1]["event"] for event in events if isinstance(event[1], dict)]


def test_a_socket_reports_its_steps_in_order(board, child):
    child.call(1, "connect", **TARGET)
    board.attempts[0].stand()
    board.attempts[0].send(b"hello")
    child.call(1, "destroy")
    board.attempts[0].lose()
    sent = child.take()
    assert [step for step in names(sent) if step in ("opened", "connected", "closed")] == [
        "opened",
        "connected",
        "closed",
    ]
    assert (1, b"hello") in sent
    assert child.broken == []


@pytest.mark.parametrize(
    ("op", "fields", "why"),
    [
        ("dance", {}, "the device has no call 'dance'"),
        ("connect", {}, "connect: host is None; allowed: text"),
        ("connect", {**TARGET, "host": 5}, "connect: host is 5; allowed: text"),
        ("connect", {**TARGET, "port": 65536}, "connect: port is 65536; allowed: 0 to 65535"),
        ("connect", {**TARGET, "port": True}, "connect: port is True; allowed: 0 to 65535"),
        ("connect", {**TARGET, "family": 5}, "connect: family is 5; allowed: 0, 4, 6"),
        ("connect", {**TARGET, "proxy": "no"}, "connect: proxy is 'no'; allowed: true, false"),
        ("connect", {**TARGET, "tls": []}, "connect: tls is list; allowed: an object"),
        ("listen", {"port": -1, "backlog": 0}, "listen: port is -1; allowed: 0 to 65535"),
        ("env", {"changes": []}, "env: changes is []; allowed: an object"),
    ],
)
def test_a_wrong_call_ends_the_channel_and_says_what_was_seen(child, op, fields, why):
    child.call(1, op, **fields)
    assert child.broken == [why]


@pytest.mark.parametrize(
    ("op", "fields", "why"),
    [
        ("dance", {}, "a socket has no call 'dance'"),
        ("connect", TARGET, "a socket has no call 'connect'"),
        ("nodelay", {"on": 1}, "nodelay: on is 1; allowed: true, false"),
        ("timeout", {"ms": -1}, "timeout: ms is -1; allowed: 0 to 2147483647"),
    ],
)
def test_a_wrong_call_of_a_socket_ends_the_channel(child, attempt, op, fields, why):
    child.call(1, op, **fields)
    assert child.broken == [why]


@pytest.mark.usefixtures("attempt")
def test_a_second_end_and_bytes_after_the_end_end_the_channel(board):
    for then, why in (
        (lambda child: child.call(1, "end"), "a second end of a socket"),
        (lambda child: child.data(1, b"late"), "4 bytes of a socket after its end"),
    ):
        child = PlayedChild(board.runtime)
        child.call(1, "connect", **TARGET)
        board.attempts[-1].stand()
        child.call(1, "end")
        then(child)
        assert child.broken == [why]


def test_bytes_beyond_the_credit_end_the_channel_before_there_is_a_connection(board, child):
    child.call(1, "connect", **TARGET)
    child.data(1, bytes(WINDOW_BYTES))
    assert child.broken == []
    child.data(1, b"x")
    assert child.broken == ["1 bytes of a socket with credit for 0"]


def test_bytes_beyond_the_credit_end_the_channel_while_the_target_does_not_read(child, attempt):
    attempt.wire.producer.pauseProducing()
    child.data(1, bytes(WINDOW_BYTES))
    assert child.take() == []  # no credit
    child.data(1, b"x")
    assert child.broken == ["1 bytes of a socket with credit for 0"]


def test_credit_comes_back_in_steps_and_all_of_it_when_the_target_reads_again(child, attempt):
    child.data(1, bytes(CREDIT_STEP_BYTES))
    assert child.take() == [(1, CREDIT_STEP_BYTES)]
    attempt.wire.producer.pauseProducing()
    child.data(1, b"abc")
    attempt.wire.producer.resumeProducing()
    assert child.take() == [(1, 3)]


def test_credit_for_bytes_that_were_not_sent_ends_the_channel(child, attempt):
    attempt.send(b"abc")
    child.credit(1, 4)
    assert child.broken == ["a credit for 4 bytes of a socket; allowed: up to 3"]


def test_a_program_that_does_not_read_gets_a_window_and_then_the_target_waits(child, attempt):
    for _ in range(3):
        attempt.send(bytes(65_536))
    sent = sum(len(data) for _, data in child.take())
    assert sent == WINDOW_BYTES
    assert attempt.wire.producerState == "paused"
    child.credit(1, WINDOW_BYTES)
    assert sum(len(data) for _, data in child.take()) == 65_536
    assert attempt.wire.producerState == "producing"


def test_the_end_comes_after_the_bytes_that_wait_for_credit(child, attempt):
    attempt.send(bytes(WINDOW_BYTES))
    attempt.send(b"last")
    attempt.end()
    child.take()
    child.credit(1, 10)
    assert child.take() == [(1, b"last"), (1, {"event": "end"})]


@pytest.mark.parametrize(
    ("send", "why"),
    [
        (lambda child: child.data(3, b"x"), "a frame (data) for object 3, which does not exist"),
        (lambda child: child.credit(3, 1), "a frame (credit) for object 3, which does not exist"),
        (lambda child: child.data(2, b"x"), "a frame (data) for object 2, which does not exist"),
        (
            lambda child: child.call(2, "connect", **TARGET),
            "a frame (message) for object 2, which does not exist",
        ),
    ],
)
def test_frames_for_objects_that_never_were_end_the_channel(child, attempt, send, why):
    send(child)
    assert child.broken == [why]


def test_frames_for_an_object_that_was_closed_meanwhile_are_ignored(child, attempt):
    child.call(1, "destroy")
    attempt.lose()
    child.data(1, b"late")
    child.credit(1, 5)
    for op in ("end", "destroy", "reset", "nodelay", "keepalive", "timeout"):
        child.call(1, op)
    assert child.broken == []


def test_too_many_objects_end_the_channel(child, monkeypatch):
    monkeypatch.setattr(module, "MAX_OBJECTS", 3)
    for number in (1, 3, 5):
        child.call(number, "connect", **TARGET)
    assert child.broken == []
    child.call(7, "connect", **TARGET)
    assert child.broken == ["more than 3 open sockets, servers and look-ups"]


def test_a_wrong_frame_ends_the_channel_and_nothing_after_it_is_read(board, child):
    channel = child.bridge.channel
    channel.dataReceived(struct.pack(">IBI", 5, 9, 1))
    channel.dataReceived(encode_message(1, {"op": "connect", **TARGET}))
    assert child.broken == ["a frame of kind 9; allowed: 1 to 4"]
    assert board.attempts == []


def test_calls_are_read_only_while_the_program_reads_its_answers(child):
    wire = child.bridge.channel.transport
    wire.producer.pauseProducing()
    assert wire.producerState == "paused"
    wire.producer.resumeProducing()
    assert wire.producerState == "producing"


def test_the_other_sockets_of_a_program_do_not_wait_for_one_that_stalls(board, child, attempt):
    attempt.send(bytes(2 * WINDOW_BYTES))
    child.call(3, "connect", **TARGET)
    board.attempts[-1].stand()
    child.take()
    board.attempts[-1].send(b"for the other")
    assert child.take() == [(3, b"for the other")]
