"""The port that devices connect to."""

import socket
from contextlib import contextmanager

from twisted.internet.address import IPv4Address
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.tcp import Port
from twisted.internet.testing import MemoryReactorClock

from streamplex.tx.bulk import read_views_in_bulk
from tessel_proxy.front import take_devices


@contextmanager
def accepted(*, from_devices=True):
    """A connection that a port of Twisted's has accepted, and its client's socket."""
    made = []
    factory = Factory.forProtocol(Protocol)
    factory.buildProtocol = lambda _addr: made.append(Protocol()) or made[-1]
    port = Port(0, factory, interface="127.0.0.1", reactor=MemoryReactorClock())
    if from_devices:
        take_devices(port)
    port.startListening()
    with socket.create_connection(port.socket.getsockname()) as client:
        port.doRead()
        port.socket.close()
        with made[0].transport.socket:
            yield made[0].transport, client


def test_a_connection_of_a_device_keeps_no_names_of_its_peer():
    with accepted(from_devices=False) as (plain, _), accepted() as (ours, _):
        less = set(vars(plain)) - set(vars(ours))
    assert less == {"client", "hostname", "logstr", "repstr", "sessionno"}


def test_it_has_names_if_somebody_asks():
    with accepted() as (connection, client):
        assert (repr(connection), connection.logPrefix()) == ("device", "device")
        assert connection.getPeer() == IPv4Address("TCP", *client.getsockname())
        assert connection.getHost() == IPv4Address("TCP", *client.getpeername())


def test_it_reads_views_without_a_method_of_its_own():
    came = []
    with accepted() as (connection, client):
        connection.protocol.dataReceived = lambda view: came.append((type(view), bytes(view)))
        read_views_in_bulk(connection)
        client.send(b"hello")
        assert connection.doRead() is None
        assert "doRead" not in vars(connection)
    assert came == [(memoryview, b"hello")]
