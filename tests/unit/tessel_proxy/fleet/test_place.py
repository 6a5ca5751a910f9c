"""The seats of workers, and what a worker learns from its arguments."""

import os
import socket

import pytest
from twisted.internet.error import CannotListenError

from tessel_proxy.fleet.place import FIRST_SOCKET, open_seats, place_of, ports_in_text
from tessel_proxy.records.accounting import Listener

PORTS = {Listener.MAIN: 0, Listener.LEGACY: 0}


@pytest.fixture
def seats():
    opened = open_seats(3, "127.0.0.1", PORTS)
    yield opened
    for each in opened:
        each.close()


def test_all_seats_share_the_ports_with_sockets_of_their_own(seats):
    for listener in PORTS:
        assert len({each.sockets[listener].getsockname() for each in seats}) == 1
        assert len({each.sockets[listener].fileno() for each in seats}) == 3
    assert [each.number for each in seats] == [1, 2, 3]


def test_the_arguments_name_the_descriptors_in_their_order(seats):
    assert ports_in_text(seats[0]) == f"main={FIRST_SOCKET},legacy={FIRST_SOCKET + 1}"


def test_a_port_in_use_leaves_no_socket_open():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CannotListenError):
            open_seats(2, "127.0.0.1", {Listener.MAIN: port})


def test_a_worker_finds_its_sockets_and_the_supervisors_addresses(seats):
    sockets = seats[0].sockets
    text = ",".join(f"{name.value}={os.dup(each.fileno())}" for name, each in sockets.items())
    place = place_of(2, text, ["127.0.0.1:9105", ":::9106"], lambda: 7)
    assert place.listening == (("127.0.0.1", 9105), ("::", 9106))
    assert {name: each.getsockname() for name, each in place.sockets.items()} == {
        name: each.getsockname() for name, each in sockets.items()
    }
    for each in place.sockets.values():
        each.close()


def test_an_unknown_listener_is_an_error():
    with pytest.raises(ValueError, match="other"):
        place_of(1, "other=5", [], lambda: 1)
