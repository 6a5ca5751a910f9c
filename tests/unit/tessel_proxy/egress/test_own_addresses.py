"""What belongs to this machine."""

import errno
from ipaddress import ip_address

import pytest

from tessel_proxy.egress import own_addresses as module
from tessel_proxy.egress.own_addresses import OwnAddresses, is_local

MINE = ip_address("198.51.100.7")


@pytest.fixture
def own():
    return OwnAddresses(is_local=lambda address: address == MINE or address.is_loopback)


def test_a_listener_at_one_address_is_there_alone(own):
    own.add_listener("127.0.0.1", 5005)
    assert own.listens_at(ip_address("127.0.0.1"), 5005)
    assert own.listens_at(ip_address("::ffff:127.0.0.1"), 5005)
    assert not own.listens_at(ip_address("127.0.0.1"), 5006)
    assert not own.listens_at(ip_address("127.0.0.2"), 5005)


@pytest.mark.parametrize("everywhere", ["0.0.0.0", "::"])
def test_a_listener_everywhere_is_at_all_addresses_of_the_machine(own, everywhere):
    own.add_listener(everywhere, 5005)
    for address in ("127.0.0.1", "::1", str(MINE), f"::ffff:{MINE}", f"64:ff9b::{MINE}"):
        assert own.listens_at(ip_address(address), 5005)
    assert not own.listens_at(ip_address("198.51.100.8"), 5005)


def test_the_machines_addresses_are_its_own_however_they_are_written(own):
    assert own.has(MINE)
    assert own.has(ip_address("2002:c633:6407::1"))
    assert not own.has(ip_address("198.51.100.8"))


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "0.0.0.0"])
def test_the_system_knows_its_own_addresses(address):
    assert is_local(ip_address(address))


@pytest.mark.parametrize("address", ["192.0.2.1", "255.255.255.255", "2001:db8::1"])
def test_what_leads_elsewhere_or_nowhere_is_not_its_own(address):
    assert not is_local(ip_address(address))


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
def test_what_cannot_be_asked_for_want_of_sockets_may_be_its_own(monkeypatch, number):
    def no_socket(*_args):
        raise OSError(number, "none left")

    monkeypatch.setattr(module.socket, "SocketType", no_socket)
    assert is_local(ip_address("192.0.2.1"))
