"""The port that devices connect to."""

import socket

from twisted.internet.protocol import Factory, Protocol
from twisted.internet.tcp import Port
from twisted.internet.testing import MemoryReactorClock

from tessel_proxy.front import take_devices


def accepted(*, from_devices):
    """Return the transport of a connection that a port of Twisted's has accepted."""
    made = []
    factory = Factory.forProtocol(Protocol)
    factory.buildProtocol = lambda _addr: made.append(Protocol()) or made[-1]
    port = Port(0, factory, interface="127.0.0.1", reactor=MemoryReactorClock())
    if from_devices:
        take_devices(port)
    port.startListening()
    with socket.create_connection(port.socket.getsockname()):
        port.doRead()
    port.socket.close()
    made[0].transport.socket.close()
    return made[0].transport


def test_a_connection_of_a_device_keeps_no_names_for_twisteds_log():
    kept = set(vars(accepted(from_devices=False))) - set(vars(accepted(from_devices=True)))
    assert kept == {"logstr", "repstr"}


def test_it_has_a_name_if_somebody_asks():
    connection = accepted(from_devices=True)
    assert (repr(connection), connection.logPrefix()) == ("device", "device")
