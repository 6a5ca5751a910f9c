"""Addresses that the operator refuses are turned away before TLS, also behind a load balancer."""

import pytest
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.protocol import Protocol, ServerFactory
from twisted.internet.testing import StringTransport

from support.proxy_in_memory import LoggedEvents, Stage
from tessel_proxy.front.balancers import ProxyProtocolFactory
from tessel_proxy.front.networks import networks
from tessel_proxy.limits.memory import MemoryWatch
from tessel_proxy.monitoring.ledger import Ledger
from tessel_proxy.operations import Refusing, Rule
from tessel_proxy.records.ends import Refusal
from tessel_proxy.startup.listeners import AdmissionFactory

NOW = 1_800_000_000.0
BALANCER = IPv4Address("TCP", "10.0.0.7", 50000)


class Handshakes(ServerFactory):
    """Stands for TLS: counts the handshakes that begin."""

    begun = 0

    def buildProtocol(self, addr):
        self.begun += 1
        return Protocol()


class Transport(StringTransport):
    aborted = False
    protocol = None

    def abortConnection(self):
        self.aborted = True


@pytest.fixture
def scene():
    stage = Stage()
    stage.ledger = Ledger()
    for name, value in {
        "refusals": Refusing(stage.shared.tunnels, lambda: NOW),
        "witness": stage.ledger,
    }.items():
        object.__setattr__(stage.shared, name, value)
    stage.tls = Handshakes()
    memory = MemoryWatch(stage.clock, 0, list)
    stage.admission = AdmissionFactory(stage.shared, memory, stage.tls)
    for each in ("192.0.2.0/24", "2001:db8::/32"):
        rule = Rule.made(address=each, reason="flood", by="token", now=NOW)
        stage.shared.refusals.add(rule)
    return stage


@pytest.mark.parametrize(
    "address",
    [
        IPv4Address("TCP", "192.0.2.9", 4711),
        IPv6Address("TCP", "::ffff:192.0.2.9", 4711),
        IPv6Address("TCP", "2001:db8::9", 4711),
    ],
)
def test_a_refused_address_costs_no_handshake_and_is_counted_and_logged(scene, address):
    with LoggedEvents() as logged:
        assert scene.admission.buildProtocol(address) is None
    assert scene.tls.begun == 0
    assert scene.ledger.refusals == {Refusal.REFUSED_BY_OPERATOR: 1}
    (line,) = logged.named("tunnel_refused")
    assert line["error"] == "TP2033"


@pytest.mark.parametrize(
    "address", [IPv4Address("TCP", "198.51.100.9", 4711), IPv6Address("TCP", "2001:db9::9", 1)]
)
def test_other_addresses_begin_their_handshake(scene, address):
    assert scene.admission.buildProtocol(address) is not None
    assert scene.tls.begun == 1


@pytest.mark.parametrize(("source", "begun"), [("192.0.2.9", 0), ("198.51.100.9", 1)])
def test_behind_a_load_balancer_the_address_of_the_device_counts(scene, source, begun):
    front = ProxyProtocolFactory(
        scene.admission,
        networks("10.0.0.0/8"),
        scene.clock,
        2,
        scene.ledger,
        lines=scene.shared.lines,
    )
    protocol, transport = front.buildProtocol(BALANCER), Transport()
    transport.protocol = protocol
    protocol.makeConnection(transport)
    protocol.dataReceived(f"PROXY TCP4 {source} 198.51.100.1 4711 443\r\n".encode())
    assert (scene.tls.begun, transport.aborted) == (begun, not begun)
