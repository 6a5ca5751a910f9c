"""The port that devices connect to."""

import socket

from twisted.internet.address import IPv4Address
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.tcp import Port
from twisted.internet.testing import MemoryReactorClock

from tessel_proxy.front import take_devices


def accepted(*, from_devices):
    """Yield a connection that a port of Twisted's has accepted, and its client's socket."""
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
        yield made[0].transport, client
        made[0].transport.socket.close()


def test_a_connection_of_a_device_keeps_no_names_of_its_peer():
    (plain, _), (ours, _) = (next(accepted(from_devices=each)) for each in (False, True))
    assert set(vars(plain)) - set(vars(ours)) == {
        "client",
        "hostname",
        "logstr",
        "repstr",
        "sessionno",
    }


def test_it_has_names_if_somebody_asks():
    for connection, client in accepted(from_devices=True):
        assert (repr(connection), connection.logPrefix()) == ("device", "device")
        assert connection.getPeer() == IPv4Address("TCP", *client.getsockname())
        assert connection.getHost() == IPv4Address("TCP", *client.getpeername())
