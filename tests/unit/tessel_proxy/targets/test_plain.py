"""A target that is a TCP connection: with a socket that tests play."""

import errno
import gc
import socket
import weakref
from functools import partial

import pytest
from twisted.internet import error
from twisted.internet.main import CONNECTION_DONE, CONNECTION_LOST
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure

from streamplex.spaced import SpacedData
from streamplex.tx.bulk import MAX_PIECES, READ_BYTES
from support.target_sockets import Socket
from tessel_proxy.targets.plain import BULK_BYTES, PlainTarget
from tessel_proxy.targets.target import LINGER_LOOK_S, TargetLoss


class Owner:
    def __init__(self):
        self.events = []
        self.at_end = lambda: None

    def target_received(self, data):
        self.events.append(b"".join(data.parts()) if isinstance(data, SpacedData) else bytes(data))

    def target_ended(self):
        self.events.append("ended")
        self.at_end()

    def target_lost(self, loss):
        self.events.append(loss)

    def target_is_full(self):
        self.events.append("full")

    def target_has_room(self):
        self.events.append("room")


class Scene:
    def __init__(self):
        self.reactor = MemoryReactorClock()
        self.socket = Socket()
        self.owner = Owner()
        self.sockets = set()
        self.target = PlainTarget(self.socket, self.reactor, self.owner, self.reactor, self.sockets)

    @property
    def events(self):
        return self.owner.events

    @property
    def reads(self):
        return self.target in self.reactor.readers

    @property
    def writes(self):
        return self.target in self.reactor.writers

    def comes(self, data):
        """Let data come, or b"" for the end; return why the reactor has to close."""
        self.socket.incoming.append(data)
        return self.target.doRead()

    def has_room(self, nbytes=1 << 20):
        self.socket.room = nbytes
        why = self.target.doWrite()
        if why is not None:
            self.target.connectionLost(Failure(why))


@pytest.fixture
def scene():
    return Scene()


def fill(scene):
    scene.socket.room = 3
    scene.target.write_pieces([b"abc", b"def"])


def test_it_is_open_and_reads_from_the_beginning(scene):
    assert scene.target.is_open
    assert scene.sockets == {scene.target}
    assert scene.reads
    assert scene.comes(b"hello") is None
    assert scene.events == [b"hello"]


def test_pieces_are_sent_in_one_call_and_nothing_is_polled(scene):
    scene.target.write_pieces([b"one, ", b"two"])
    assert scene.socket.sent == [b"one, two"]
    assert not scene.writes
    assert scene.events == []


def test_very_many_pieces_are_sent_as_well(scene):
    scene.target.write_pieces([b"x"] * (MAX_PIECES + 1))
    assert scene.socket.sent == [b"x" * (MAX_PIECES + 1)]


def test_what_the_system_does_not_take_is_sent_in_order_when_there_is_room(scene):
    fill(scene)
    assert scene.events == ["full"]
    assert scene.target.unsent_bytes == 3
    scene.target.write_pieces([b"ghi"])
    scene.has_room(4)
    assert scene.target.unsent_bytes == 2
    assert scene.events == ["full", "full"]
    scene.has_room()
    assert b"".join(scene.socket.sent) == b"abcdefghi"
    assert scene.events[-1] == "room"
    assert not scene.writes
    scene.target.write_pieces([b"j"])
    assert scene.socket.sent[-1] == b"j"


def test_a_half_close_is_sent_at_once_or_behind_what_waits(scene):
    scene.target.half_close()
    assert scene.socket.shut
    slow = Scene()
    fill(slow)
    slow.target.half_close()
    assert not slow.socket.shut
    slow.has_room()
    assert b"".join(slow.socket.sent) == b"abcdef"
    assert slow.socket.shut
    assert slow.target.is_open


def test_a_half_close_of_what_the_target_has_reset_does_nothing(scene):
    scene.socket.fault = errno.ENOTCONN
    scene.target.half_close()
    assert scene.events == []


@pytest.mark.parametrize("half", [True, False])
def test_a_close_is_done_at_once_if_nothing_waits(scene, half):
    if half:
        scene.target.half_close()
    scene.target.close()
    assert scene.socket.closed
    assert not scene.target.is_open
    assert (scene.reads, scene.writes, scene.sockets, scene.events) == (False, False, set(), [])
    assert not scene.socket.options  # no reset


def test_a_close_waits_for_what_was_written_and_the_owner_hears_no_more(scene):
    gone = []
    fill(scene)
    scene.target.close()
    scene.target.when_gone(lambda: gone.append(True))
    assert (scene.target.is_open, scene.reads, gone) == (True, False, [])
    scene.has_room()
    assert b"".join(scene.socket.sent) == b"abcdef"
    assert scene.socket.closed
    assert (scene.sockets, gone, scene.events) == (set(), [True], ["full"])
    assert not scene.reactor.getDelayedCalls()


def test_a_closed_one_that_takes_nothing_is_reset(scene):
    fill(scene)
    scene.target.close()
    scene.reactor.advance(LINGER_LOOK_S)
    scene.reactor.advance(0)
    assert scene.socket.closed
    assert scene.socket.options == [(socket.SOL_SOCKET, socket.SO_LINGER)]
    assert not scene.sockets


def test_an_abort_is_a_reset_that_the_owner_is_not_notified_of(scene):
    scene.target.abort()
    scene.reactor.advance(0)
    assert scene.socket.options == [(socket.SOL_SOCKET, socket.SO_LINGER)]
    assert (scene.socket.closed, scene.events) == (True, [])


def test_its_end_is_reported_and_not_polled_any_more(scene):
    assert scene.comes(b"") is None
    assert scene.events == ["ended"]
    assert not scene.reads
    assert scene.target.is_open


def test_the_owner_may_close_it_at_its_end(scene):
    scene.owner.at_end = scene.target.close
    assert scene.comes(b"") is None
    assert scene.socket.closed


def test_an_end_that_the_poll_reports_alone_is_one_as_well(scene):
    scene.target.readConnectionLost(Failure(CONNECTION_DONE))
    assert scene.events == ["ended"]


def test_a_reset_is_a_loss(scene):
    why = scene.comes(ConnectionResetError())
    scene.target.connectionLost(Failure(why))
    scene.target.connectionLost(Failure(why))  # as after an abort inside a call that fails
    assert scene.events == [TargetLoss.RESET]
    assert scene.socket.closed


def test_an_end_behind_a_reset_that_a_write_has_met_is_a_loss(scene):
    scene.socket.fault = errno.ECONNRESET
    scene.target.write_pieces([b"x"])
    assert scene.comes(b"") is CONNECTION_LOST
    assert "ended" not in scene.events


def test_an_end_behind_a_broken_pipe_is_an_end(scene):
    scene.socket.fault = errno.EPIPE
    scene.target.write_pieces([b"x"])
    assert scene.comes(b"") is None
    assert scene.events == ["full", "ended"]


def test_a_loss_in_order_is_an_end(scene):
    scene.target.connectionLost(Failure(error.ConnectionDone()))
    assert scene.events == [TargetLoss.ENDED]


def test_it_is_paused_and_resumed_and_its_reads_are_limited(scene):
    scene.target.pause()
    assert not scene.reads
    scene.target.resume()
    assert scene.reads
    assert scene.target.bufferSize == READ_BYTES
    scene.target.read_at_most(1)
    assert scene.target.bufferSize == 1


def test_behind_much_data_it_reads_with_room_for_headers_until_little_comes(scene):
    kinds = []
    receive = scene.owner.target_received
    scene.owner.target_received = lambda data: (kinds.append(type(data)), receive(data))
    pieces = [b"a" * BULK_BYTES, b"b" * 200_000, b"c" * 10, b"d"]
    for piece in pieces:
        assert scene.comes(piece) is None
    assert scene.events == pieces
    assert kinds == [memoryview, SpacedData, SpacedData, memoryview]


def test_short_reads_are_without_room(scene):
    assert scene.comes(b"a" * BULK_BYTES) is None
    scene.target.read_at_most(10)
    scene.owner.target_received = lambda data: scene.events.append(type(data))
    assert scene.comes(b"b" * 10) is None
    assert scene.events[1:] == [memoryview]


def test_one_that_was_awaited_is_freed_at_once_and_not_by_a_collection(scene):
    target = scene.target
    target.when_gone(partial(scene.events.append, target))
    target.abort()
    scene.reactor.advance(0)
    scene.events.clear()
    gone = weakref.ref(target)
    gc.disable()
    try:
        del scene.target, target
        assert gone() is None
    finally:
        gc.enable()
