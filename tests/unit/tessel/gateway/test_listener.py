"""The port of the gateway: how many clients it accepts, and how it resets them."""

import pytest
from twisted.internet.address import IPv4Address
from twisted.logger import globalLogPublisher

from support.fake_board import Board, Wire
from tessel.gateway.client import Means
from tessel.gateway.listener import Listener
from tessel.gateway.opening import Credentials

ADDRESS = IPv4Address("TCP", "127.0.0.1", 4321)


@pytest.fixture
def board():
    return Board()


@pytest.fixture
def warnings():
    seen = []
    globalLogPublisher.addObserver(seen.append)
    yield lambda: [event for event in seen if event["log_level"].name == "warn"]
    globalLogPublisher.removeObserver(seen.append)


def connected(listener):
    protocol = listener.buildProtocol(ADDRESS)
    if protocol is None:
        return None
    wire = Wire()
    wire.protocol = protocol
    protocol.makeConnection(wire)
    return wire


def test_it_accepts_as_many_clients_as_allowed_and_warns_once(board, warnings):
    listener = Listener(Means(board.network, board.clock, 10), None, max_clients=2)
    first, second = connected(listener), connected(listener)
    assert connected(listener) is None
    assert connected(listener) is None
    assert listener.count == 2
    assert len(warnings()) == 1

    first.abortConnection()

    assert listener.count == 1
    assert connected(listener) is not None
    assert second.no_delay
    assert second.keep_alive


def test_it_resets_all_clients(board):
    listener = Listener(Means(board.network, board.clock, 10), None, max_clients=2)
    wires = [connected(listener), connected(listener)]

    listener.abort_all()

    assert [wire.aborted for wire in wires] == [True, True]
    assert listener.count == 0


def test_its_clients_need_the_password(board):
    credentials = Credentials("me", "secret")
    listener = Listener(Means(board.network, board.clock, 10), credentials, max_clients=2)
    wire = connected(listener)

    wire.protocol.dataReceived(b"\x05\x01\x02")

    assert wire.value() == b"\x05\x02"
