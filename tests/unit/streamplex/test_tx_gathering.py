"""Reads of bulk that wait until there is enough for them."""

import socket
from contextlib import suppress
from select import POLLIN, poll
from socket import SO_RCVLOWAT, SOL_SOCKET

import pytest
from twisted.internet import error
from twisted.internet.task import Clock

from streamplex.credit import SPARING_OCTETS
from streamplex.tx.bulk import READ_OCTETS, write_at_once
from streamplex.tx.gathering import BULK_OCTETS, GATHER_S, Reads
from unit.streamplex.tcp import Real, Tcp

MUCH = bytes(BULK_OCTETS)


class Reading:
    """A connection of which nothing has come yet."""

    def __init__(self, tcp):
        self.tcp, self.clock, self.heard = tcp, Clock(), bytearray()
        self.reads = Reads(tcp.transport, self.heard.extend, self.clock)

    def comes(self, octets):
        self.tcp.socket.coming = octets
        assert self.tcp.transport.doRead() is None

    @property
    def told_of(self):
        return self.tcp.socket.options.get((SOL_SOCKET, SO_RCVLOWAT), 1)


@pytest.fixture
def reading():
    return Reading(Tcp())


def test_of_what_is_no_bulk_every_octet_is_told(reading):
    reading.comes(MUCH[1:])
    assert reading.told_of == 1
    assert not reading.clock.getDelayedCalls()


def test_of_bulk_a_whole_read_is(reading):
    reading.comes(MUCH)
    assert reading.told_of == READ_OCTETS
    assert reading.heard == MUCH


def test_when_no_more_of_it_comes_every_octet_is_again(reading):
    reading.comes(MUCH)
    reading.clock.pump([GATHER_S] * 2)
    assert reading.told_of == 1
    assert not reading.clock.getDelayedCalls()


def test_while_it_comes_it_is_gathered(reading):
    for _ in range(10):
        reading.comes(MUCH)
        reading.clock.advance(GATHER_S)
        assert reading.told_of == READ_OCTETS


def test_small_reads_do_not_keep_it_so(reading):
    reading.comes(MUCH)
    for _ in range(2):
        reading.clock.advance(GATHER_S)
        reading.comes(MUCH[1:])
    assert reading.told_of == 1


def test_it_begins_anew(reading):
    reading.comes(MUCH)
    reading.clock.pump([GATHER_S] * 2)
    reading.comes(MUCH)
    assert reading.told_of == READ_OCTETS


def test_nothing_is_looked_at_when_the_connection_is_gone(reading):
    reading.comes(MUCH)
    reading.reads.stop()
    assert not reading.clock.getDelayedCalls()


def test_it_may_be_gone_before_bulk_came(reading):
    reading.reads.stop()


def test_who_may_send_little_for_the_messages_beside_it_sends_no_bulk():
    assert SPARING_OCTETS < BULK_OCTETS


# --- the system's own kernel


@pytest.fixture
def real():
    real = Real()
    yield real
    real.ours.close()
    real.peer.close()


def is_told(real, wait_s):
    watch = poll()
    watch.register(real.ours, POLLIN)
    return bool(watch.poll(wait_s * 1000))


@pytest.fixture
def gathered(real):
    """Bulk came, all of it was read, and the clock stands still."""
    reading, sent = Reading(real), 0
    real.peer.setblocking(False)
    while real.ours.getsockopt(SOL_SOCKET, SO_RCVLOWAT) == 1:
        with suppress(BlockingIOError):  # the kernel takes more each time
            while True:
                sent += real.peer.send(MUCH)
        while len(reading.heard) < sent:
            assert real.transport.doRead() is None
    real.peer.setblocking(True)
    return reading


def test_the_kernel_lets_little_wait(gathered):
    gathered.tcp.peer.sendall(b"the last of it")
    assert not is_told(gathered.tcp, 0.05)


def test_but_not_for_long(gathered):
    before = len(gathered.heard)
    gathered.tcp.peer.sendall(b"the last of it")
    gathered.clock.pump([GATHER_S] * 2)
    assert is_told(gathered.tcp, 5)
    assert gathered.tcp.transport.doRead() is None
    assert gathered.heard[before:] == b"the last of it"


def test_it_tells_of_a_whole_read(gathered):
    gathered.tcp.peer.sendall(bytes(READ_OCTETS))
    assert is_told(gathered.tcp, 5)


def test_the_end_waits_for_nothing(gathered):
    gathered.tcp.peer.sendall(b"the last of it")
    gathered.tcp.peer.shutdown(socket.SHUT_WR)
    assert is_told(gathered.tcp, 5)
    assert gathered.tcp.transport.doRead() is None
    assert isinstance(gathered.tcp.transport.doRead(), error.ConnectionDone)


def test_nor_does_a_reset(gathered):
    gathered.tcp.reset()
    assert is_told(gathered.tcp, 5)
    assert isinstance(gathered.tcp.transport.doRead(), error.ConnectionLost)


def test_a_reset_that_the_writer_meets_first_is_not_read_as_an_end(real):
    reading = Reading(real)
    real.reset()
    write_at_once(real.transport, (b"hi",))
    assert isinstance(real.transport.doRead(), error.ConnectionLost)
    assert not reading.heard
