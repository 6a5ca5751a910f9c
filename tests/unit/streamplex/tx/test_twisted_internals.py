"""Private names of Twisted that we rely on, because it has no public ones for the same.

If a test fails after an update of Twisted, the code named in its docstring needs a change.
"""

import socket

import pytest
from twisted.internet.protocol import Protocol
from twisted.internet.tcp import Connection

from streamplex.tx.tcp import unsent_bytes

PIECE = b"x" * 100_000


class Reactor:
    """A reactor that polls nothing."""

    def addReader(self, reader):
        pass

    addWriter = removeReader = removeWriter = addReader


@pytest.fixture
def pair():
    """A connection of Twisted, and the socket of its peer."""
    ours, peer = socket.socketpair()
    ours.setblocking(False)
    connection = Connection(ours, Protocol(), Reactor())
    connection.connected = 1
    yield connection, peer
    ours.close()
    peer.close()


def received(peer, nbytes):
    got = 0
    while got < nbytes:
        got += len(peer.recv(nbytes - got))
    return got


def test_unsent_bytes_are_counted_where_twisted_keeps_them(pair):
    """`_tempDataLen`, `dataBuffer` and `offset`: streamplex.tx.tcp, streamplex.tx.bulk."""
    connection, peer = pair
    assert unsent_bytes(connection) == 0
    for _ in range(20):
        connection.write(PIECE)
    assert unsent_bytes(connection) == 20 * len(PIECE)
    connection.doWrite()
    left = unsent_bytes(connection)
    assert 0 < left < 20 * len(PIECE)  # the system takes a part at once
    assert received(peer, 20 * len(PIECE) - left) + left == 20 * len(PIECE)
    while unsent_bytes(connection):
        connection.doWrite()
        left -= received(peer, left - unsent_bytes(connection))
    assert left == 0


def test_the_write_side_is_closed_by_the_call_that_we_make(pair):
    """`_closeWriteConnection`: tessel_proxy.targets.plain.PlainTarget.half_close."""
    connection, peer = pair
    connection._closeWriteConnection()
    assert peer.recv(1) == b""
    peer.send(b"y")
    assert connection.getHandle().recv(1) == b"y"


@pytest.mark.parametrize("shuts_down", [True, False])
def test_a_connection_is_shut_down_only_where_its_class_says_so(shuts_down):
    """`_shouldShutdown`: tessel_proxy.targets.connecting.TargetConnection."""

    class Ours(Connection):
        _shouldShutdown = shuts_down

    ours, peer = socket.socketpair()
    other = ours.dup()  # while it is open, only `shutdown` ends the connection
    connection = Ours(ours, Protocol(), Reactor())
    connection.connected = 1
    connection._closeSocket(True)
    peer.setblocking(False)
    if shuts_down:
        assert peer.recv(1) == b""
    else:
        with pytest.raises(BlockingIOError):
            peer.recv(1)
    other.close()
    peer.close()
