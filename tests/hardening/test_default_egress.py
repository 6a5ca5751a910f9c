"""The whole process with default rules: no spelling of this machine's address is dialled.

The truth table (docs/egress.md) tests each rule; here the path from the wire to the dial is tested.
"""

import socket
from contextlib import ExitStack
from ipaddress import IPv4Address, ip_address

import pytest

from lab.waiting import eventually
from support.hardening.device import connecting
from support.hardening.proxy import TOKEN

LOOPBACK = [
    *("127.0.0.1", "127.1", "127.0.0.1.", "2130706433", "0x7f000001", "0177.0.0.1", "0x7f.1"),
    *("127.255.255.254", "0.0.0.0", "0", "localhost", "LOCALHOST.", "１２７.0.0.1", "127。0。0。1"),  # noqa: RUF001 -- what IDNA makes digits and dots of
    *("::1", "[::1]", "::", "0:0:0:0:0:0:0:1", "::1%lo", "[::1%25lo]"),
    *("::ffff:127.0.0.1", "::ffff:7f00:1", "[::ffff:127.0.0.1]", "::127.0.0.1"),
    *("64:ff9b::7f00:1", "64:ff9b:1::7f00:1", "2002:7f00:1::", "2001:0:7f00:1::80ff:fffe"),
    *("", " ", "localhost\0.example.com", "127.0.0.1/8"),
]


def own_addresses():
    """The addresses of this machine besides loopback, if it has any."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing
        except OSError:
            return []
        own = ip_address(probe.getsockname()[0])
    assert isinstance(own, IPv4Address)
    return [str(own), str(int(own)), f"::ffff:{own}"]


@pytest.fixture
def visits():
    """A port on all addresses of this machine, which counts its connections."""
    with ExitStack() as stack:
        listeners = [stack.enter_context(socket.create_server(("0.0.0.0", 0)))]
        port = listeners[0].getsockname()[1]
        if socket.has_dualstack_ipv6():
            address = ("::", port)
            listeners.append(
                stack.enter_context(socket.create_server(address, family=socket.AF_INET6))
            )
        for listener in listeners:
            listener.setblocking(False)
        yield port, lambda: sum(accepted(listener) for listener in listeners)


def accepted(listener):
    try:
        listener.accept()[0].close()
    except BlockingIOError:
        return 0
    return 1


def test_no_spelling_of_this_machines_addresses_is_dialled(proxy_with, device_of, visits):
    port, count = visits
    proxy = proxy_with(EGRESS_ALLOW=None)
    device = device_of(proxy, TOKEN)
    for number, host in enumerate([*LOOPBACK, *own_addresses()]):
        channel = 2 + 2 * number
        device.send(connecting(channel, port, host))
        told = device.events(channel)
        assert "connect" not in told, host
        assert told[-1] == "close", host
    assert not count()

    def refused():
        return proxy.log.events("substream_closed", outcome="refused_by_policy")

    # Some names fail before the rules are asked.
    eventually(lambda: len(refused()) > len(LOOPBACK) / 2)


@pytest.mark.parametrize("kind", ["net", "tls"])
def test_the_proxys_own_ports_are_refused_even_if_loopback_is_allowed(proxy_with, device_of, kind):
    proxy = proxy_with(ADMIN_PORT=0)
    device = device_of(proxy, TOKEN)
    admin = proxy.log.events("admin_listening")[0]["port"]
    for channel, port in ((2, proxy.port), (4, admin)):
        device.send(connecting(channel, port, "127.0.0.1", kind))
        assert f"connect EACCES 127.0.0.1:{port}" in device.events(channel)
