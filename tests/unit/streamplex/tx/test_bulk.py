"""A TCP connection driven for bulk. The connection is Twisted's own, its socket is not."""

import socket
from errno import EAGAIN, EPIPE
from socket import IPPROTO_TCP, TCP_NOTSENT_LOWAT
from struct import pack

import pytest
from twisted.internet import error
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.tcp import Connection
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.python.failure import Failure

from streamplex.tx.bulk import (
    SEALED_READ_BYTES,
    UNSENT_BYTES,
    keep_queue_short,
    read_views_in_bulk,
    write_at_once,
)

IOV_MAX = 1024


class Socket:
    """The kernel's side: takes what it has room for."""

    def __init__(self):
        self.room = 1_000_000
        self.broken = self.ended = False
        self.taken = bytearray()
        self.coming = None
        self.options = {}

    def setblocking(self, flag):
        pass

    def fileno(self):
        return 7

    def send(self, data):
        if self.broken:
            raise OSError(EPIPE, "broken pipe")
        if not self.room:
            raise OSError(EAGAIN, "no room")
        now = min(len(data), self.room)
        self.room -= now
        self.taken += data[:now]
        return now

    def recv_into(self, room, most):
        room = room[:most]
        if self.broken:
            raise OSError(EPIPE, "broken pipe")
        if self.coming is None:
            raise BlockingIOError(EAGAIN, "nothing there")
        now = min(len(self.coming), len(room))
        room[:now] = self.coming[:now]
        self.coming = self.coming[now:]
        return now

    def setsockopt(self, level, name, value):
        self.options[level, name] = value

    def shutdown(self, how):
        self.ended = True

    def close(self):
        pass


class Producer:
    def __init__(self):
        self.calls = []

    def pauseProducing(self):
        self.calls.append("pause")

    def resumeProducing(self):
        self.calls.append("resume")

    def stopProducing(self):
        self.calls.append("stop")


class Tcp:
    """A connection of Twisted's over the socket above."""

    def __init__(self):
        self.socket, self.reactor = Socket(), MemoryReactorClock()
        self.transport = Connection(self.socket, Protocol(), self.reactor)
        self.transport.connected = 1
        self.producer = Producer()

    def writable(self):
        """The reactor's poll says that there is room."""
        assert self.transport in self.reactor.writers
        return self.transport.doWrite()


@pytest.fixture
def tcp():
    return Tcp()


def test_what_the_kernel_has_room_for_it_gets_at_once(tcp):
    write_at_once(tcp.transport, memoryview(b"now"))
    assert tcp.socket.taken == b"now"
    assert not tcp.reactor.writers


def test_what_it_has_no_room_for_waits_for_its_poll(tcp):
    tcp.socket.room = 3
    write_at_once(tcp.transport, memoryview(b"now later"))
    assert tcp.socket.taken == b"now"
    tcp.socket.room = 100
    tcp.writable()
    assert tcp.socket.taken == b"now later"


@pytest.mark.parametrize("write", [write_at_once, Connection.write])
def test_nothing_overtakes_what_waits(tcp, write):
    tcp.socket.room = 0
    write(tcp.transport, b"first ")
    tcp.socket.room = 100
    write_at_once(tcp.transport, memoryview(b"second"))
    assert tcp.socket.taken == b""
    tcp.writable()
    assert tcp.socket.taken == b"first second"


def test_nothing_overtakes_what_has_left_in_part(tcp):
    tcp.transport.write(b"first ")
    tcp.socket.room = 3
    tcp.writable()
    tcp.socket.room = 100
    write_at_once(tcp.transport, memoryview(b"second"))
    tcp.writable()
    assert tcp.socket.taken == b"first second"


def test_what_waits_is_a_copy(tcp):
    data = bytearray(b"now later")
    tcp.socket.room = 3
    write_at_once(tcp.transport, memoryview(data))
    data[:] = b"?" * 9
    tcp.socket.room = 100
    tcp.writable()
    assert tcp.socket.taken == b"now later"


def test_a_streaming_producer_is_paused_as_soon_as_anything_waits(tcp):
    tcp.transport.registerProducer(tcp.producer, True)
    tcp.socket.room = 3
    write_at_once(tcp.transport, memoryview(b"now later"))
    write_at_once(tcp.transport, memoryview(b" still"))
    assert tcp.producer.calls == ["pause"]
    tcp.socket.room = 100
    tcp.writable()
    assert tcp.producer.calls == ["pause", "resume"]


def test_a_producer_that_has_been_paused_is_not_paused_again(tcp):
    tcp.transport.bufferSize = 2
    tcp.transport.registerProducer(tcp.producer, True)
    tcp.socket.room = 0
    write_at_once(tcp.transport, memoryview(b"more than two"))
    assert tcp.producer.calls == ["pause"]


def test_a_producer_that_is_asked_for_each_piece_is_not_paused(tcp):
    tcp.transport.registerProducer(tcp.producer, False)
    tcp.socket.room = 0
    write_at_once(tcp.transport, memoryview(b"later"))
    assert tcp.producer.calls == ["resume"]


def test_a_broken_connection_is_found_in_a_turn_of_its_own(tcp):
    tcp.socket.broken = True
    write_at_once(tcp.transport, memoryview(b"in vain"))
    assert isinstance(tcp.writable(), error.ConnectionLost)


@pytest.mark.parametrize(
    "end",
    [
        Connection.abortConnection,
        Connection.loseWriteConnection,
        lambda transport: transport.connectionLost(Failure(error.ConnectionDone())),
    ],
)
def test_nothing_leaves_after_the_end(tcp, end):
    end(tcp.transport)
    write_at_once(tcp.transport, memoryview(b"too late"))
    assert tcp.socket.taken == b""


def test_what_is_no_tcp_is_written_to_as_ever():
    transport = StringTransport()
    write_at_once(transport, memoryview(b"bytes"))
    assert transport.value() == b"bytes"


def test_the_kernels_queue_is_short_however_many_layers_are_above_it(tcp):
    layer = ProtocolWrapper(WrappingFactory(Factory()), Protocol())
    layer.transport = tcp.transport
    keep_queue_short(layer)
    assert tcp.socket.options[IPPROTO_TCP, TCP_NOTSENT_LOWAT] == UNSENT_BYTES


def test_a_transport_in_memory_has_no_kernel_to_be_told():
    transport = StringTransport()
    keep_queue_short(transport)


def test_tcp_reads_much_at_once_into_one_buffer(tcp):
    heard = []
    read_views_in_bulk(tcp.transport)
    tcp.transport.protocol.dataReceived = lambda view: heard.append((type(view), bytes(view)))
    tcp.socket.coming = bytes(SEALED_READ_BYTES) + b"rest"
    assert tcp.transport.doRead() is None
    assert tcp.transport.doRead() is None
    assert heard == [(memoryview, bytes(SEALED_READ_BYTES)), (memoryview, b"rest")]


@pytest.mark.parametrize("size", [1, 100, SEALED_READ_BYTES, 2 * SEALED_READ_BYTES])
def test_it_reads_as_much_as_its_buffer_size_says_and_no_more_than_there_is_room_for(tcp, size):
    heard = []
    read_views_in_bulk(tcp.transport)
    tcp.transport.protocol.dataReceived = lambda view: heard.append(len(view))
    tcp.transport.bufferSize = size
    tcp.socket.coming = bytes(3 * SEALED_READ_BYTES)
    tcp.transport.doRead()
    assert heard == [min(size, SEALED_READ_BYTES)]


def test_nothing_to_read_is_told_to_nobody(tcp):
    read_views_in_bulk(tcp.transport)
    tcp.transport.protocol.dataReceived = pytest.fail
    assert tcp.transport.doRead() is None


def test_the_end_is_told_as_twisted_tells_it(tcp):
    read_views_in_bulk(tcp.transport)
    tcp.transport.protocol.dataReceived = pytest.fail
    tcp.socket.coming = b""
    assert isinstance(tcp.transport.doRead(), error.ConnectionDone)
    tcp.socket.broken = True
    assert isinstance(tcp.transport.doRead(), error.ConnectionLost)


def test_a_transport_in_memory_is_read_as_ever():
    transport = StringTransport()
    read_views_in_bulk(transport)
    assert not hasattr(transport, "doRead")
    assert not hasattr(transport, "bufferSize")


class Real:
    """A connection of Twisted's over a socket of the system's, and its peer."""

    def __init__(self):
        with socket.create_server(("127.0.0.1", 0)) as port:
            self.ours = socket.create_connection(port.getsockname())
            self.peer, _ = port.accept()
        self.came = []
        protocol = Protocol()
        protocol.dataReceived = self.came.append
        self.transport = Connection(self.ours, protocol, MemoryReactorClock())
        self.transport.connected = 1

    def reset(self):
        self.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, pack("ii", 1, 0))
        self.peer.close()


@pytest.fixture
def real():
    real = Real()
    yield real
    real.ours.close()
    real.peer.close()


def test_a_reset_that_the_writer_meets_first_is_not_read_as_an_end(real):
    real.peer.send(b"the beginning of something")
    real.reset()
    write_at_once(real.transport, memoryview(b"hi"))
    assert real.transport.doRead() is None
    assert real.came == [b"the beginning of something"]
    assert isinstance(real.transport.doRead(), error.ConnectionLost)
    assert isinstance(real.transport.doWrite(), error.ConnectionLost)


def test_nor_where_views_are_read(real):
    read_views_in_bulk(real.transport)
    real.reset()
    write_at_once(real.transport, memoryview(b"hi"))
    assert isinstance(real.transport.doRead(), error.ConnectionLost)
    assert not real.came


def test_an_end_that_came_before_the_reset_is_one(real):
    real.peer.shutdown(socket.SHUT_WR)
    real.reset()
    write_at_once(real.transport, memoryview(b"hi"))
    assert isinstance(real.transport.doRead(), error.ConnectionDone)
    assert isinstance(real.transport.doWrite(), error.ConnectionLost)
