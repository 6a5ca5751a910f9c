"""The door before the door: who is behind a load balancer."""

import pytest
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.protocol import Protocol, ServerFactory
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport

from support.proxy_in_memory import LoggedEvents
from tessel_proxy.front.balancers import HEADER_S, ProxyProtocolFactory
from tessel_proxy.front.networks import networks
from tessel_proxy.monitoring.ledger import Ledger
from tessel_proxy.records.repeated_lines import EachLine

BALANCER = IPv4Address("TCP", "10.0.0.7", 50000)
HEADER = b"PROXY TCP4 192.0.2.9 198.51.100.1 4711 443\r\n"


class Transport(StringTransport):
    aborted = False
    protocol = None

    def abortConnection(self):
        self.aborted = True


class Noting(Protocol):
    def __init__(self, addr):
        self.addr = addr
        self.data = b""

    def dataReceived(self, data):
        self.data += data


class Behind(ServerFactory):
    full = False

    def buildProtocol(self, addr):
        return None if self.full else Noting(addr)


class Scene:
    def __init__(self, max_waiting=2):
        self.clock = Clock()
        self.behind = Behind()
        self.ledger = Ledger()
        self.front = ProxyProtocolFactory(
            self.behind,
            networks("10.0.0.0/8 fd00::/8"),
            self.clock,
            max_waiting,
            self.ledger,
            lines=EachLine(),
        )

    def comes(self, addr=BALANCER):
        protocol = self.front.buildProtocol(addr)
        if protocol is None:
            return None
        transport = Transport()
        transport.protocol = protocol
        protocol.makeConnection(transport)
        return transport


@pytest.fixture
def scene():
    return Scene()


@pytest.fixture(autouse=True)
def logged():
    with LoggedEvents() as logged:
        yield logged


def refusals(logged):
    return [each["why"] for each in logged.named("proxy_header_refused")]


@pytest.mark.parametrize(
    "addr",
    [
        IPv4Address("TCP", "192.0.2.1", 9),
        IPv6Address("TCP", "2001:db8::1", 9),
        UNIXAddress("/tmp/x"),
        None,
    ],
)
def test_who_is_no_named_balancer_is_handed_on_as_he_is(scene, addr):
    transport = scene.comes(addr)
    transport.protocol.dataReceived(HEADER)
    assert (transport.protocol.addr, transport.protocol.data) == (addr, HEADER)


@pytest.mark.parametrize("host", ["10.0.0.7", "::ffff:10.0.0.7", "fd00::1"])
def test_a_balancers_connection_is_that_of_the_address_in_its_header(scene, host):
    kind = IPv6Address if ":" in host else IPv4Address
    transport = scene.comes(kind("TCP", host, 1))
    transport.protocol.dataReceived(HEADER + b"hello")
    assert transport.protocol.addr == IPv4Address("TCP", "192.0.2.9", 4711)
    transport.protocol.dataReceived(b" you")
    assert transport.protocol.data == b"hello you"
    assert scene.clock.getDelayedCalls() == []
    assert not scene.front.waiting


def test_a_header_may_come_byte_by_byte(scene):
    transport = scene.comes()
    for byte in HEADER:
        assert not isinstance(transport.protocol, Noting)
        transport.protocol.dataReceived(bytes([byte]))
    assert transport.protocol.data == b""


def test_a_balancer_that_speaks_for_itself_keeps_its_address(scene):
    transport = scene.comes()
    transport.protocol.dataReceived(b"PROXY UNKNOWN \r\n")
    assert transport.protocol.addr == BALANCER


def test_a_missing_header_costs_the_connection(scene, logged):
    transport = scene.comes()
    transport.protocol.dataReceived(b"\x16\x03\x01")
    transport.protocol.dataReceived(b"more")
    assert transport.aborted
    assert refusals(logged) == ["no header of the PROXY protocol"]
    assert logged.named("proxy_header_refused")[0]["error"] == "TP3005"
    assert scene.ledger.refusals.total() == 1
    assert not scene.front.waiting


def test_a_header_that_does_not_come_is_not_awaited_for_long(scene, logged):
    transport = scene.comes()
    transport.protocol.dataReceived(HEADER[:-1])
    scene.clock.advance(HEADER_S)
    assert transport.aborted
    assert refusals(logged) == ["no header in time"]


def test_not_too_many_headers_are_awaited_at_a_time(scene, logged):
    first, _second = scene.comes(), scene.comes()
    assert scene.comes() is None
    assert refusals(logged) == ["too many connections without a header"]
    first.protocol.connectionLost()
    assert scene.comes() is not None


def test_a_connection_that_ends_without_a_word_is_a_look_at_the_port(scene, logged):
    scene.comes().protocol.connectionLost()
    assert refusals(logged) == []
    assert scene.clock.getDelayedCalls() == []


def test_whom_the_door_behind_refuses_is_cut(scene):
    transport = scene.comes()
    scene.behind.full = True
    transport.protocol.dataReceived(HEADER)
    assert transport.aborted


def test_when_the_proxy_stops_nobody_is_awaited(scene):
    transport = scene.comes()
    scene.front.abort()
    assert transport.aborted
    assert scene.clock.getDelayedCalls() == []


def test_networks_are_read_as_they_are_written():
    named = networks("10.0.0.0/8, fd00::1")
    assert str(named) == "10.0.0.0/8 fd00::1/128"
    assert "fd00::1%eth0" in named
    assert not networks("")
    assert named


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("10.0.0.1/8", "10.0.0.0/8 rather than 10.0.0.1/8"),
        ("balancer", "'balancer' is not a network"),
    ],
)
def test_what_is_no_network_is_named(text, meant):
    with pytest.raises(ValueError, match=meant):
        networks(text)


def test_a_look_at_the_port_is_counted_but_not_one_of_whom_half_a_header_came():
    scene = Scene()
    scene.comes().protocol.connectionLost()
    half = scene.comes()
    half.protocol.dataReceived(HEADER[:5])
    half.protocol.connectionLost()
    assert scene.ledger.tcp_checks == 1
