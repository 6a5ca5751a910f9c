"""Bytes are written at once while the system has room; what it does not take follows in order."""

import socket

import pytest
from twisted.internet.tcp import Connection
from twisted.internet.testing import StringTransport

from tessel.network.immediate_writes import write_now


class Queue:
    """A TCP transport of Twisted without a reactor: it queues what is written to it."""

    def __new__(cls, handle):
        queue = Connection.__new__(Connection)
        queue.dataBuffer, queue.offset = b"", 0
        queue._tempDataBuffer, queue.disconnecting = [], False
        queue.getHandle = lambda: handle
        queue.write = queue._tempDataBuffer.append
        return queue


@pytest.fixture
def ends():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        yield ours, theirs


def test_pieces_are_sent_at_once_and_in_order(ends):
    queue = Queue(ends[0])
    write_now(queue, (b"one ", b"", b"two"))
    assert ends[1].recv(100) == b"one two"
    assert queue._tempDataBuffer == []


def test_what_the_system_does_not_take_is_queued(ends):
    queue = Queue(ends[0])
    write_now(queue, (b"a" * 1000, b"b" * 10_000_000, b"c"))
    (rest,) = queue._tempDataBuffer
    sent = 10_001_001 - len(rest)
    assert 0 < sent < 10_001_001
    assert rest.endswith(b"bc")
    assert ends[1].recv(1000, socket.MSG_WAITALL) == b"a" * 1000


def test_nothing_overtakes_queued_bytes(ends):
    queue = Queue(ends[0])
    queue._tempDataBuffer.append(b"first")
    write_now(queue, (b"second",))
    assert queue._tempDataBuffer == [b"first", b"second"]


def test_an_error_is_left_to_the_transport(ends):
    ends[1].close()
    queue = Queue(ends[0])
    write_now(queue, (b"lost",))
    assert queue._tempDataBuffer == [b"lost"]


def test_another_transport_gets_an_ordinary_write():
    wire = StringTransport()
    write_now(wire, (b"one ", b"two"))
    assert wire.value() == b"one two"
