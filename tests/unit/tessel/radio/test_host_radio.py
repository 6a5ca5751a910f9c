"""RADIO=host: over a reactor in memory for what goes wrong, over the real one for what works."""

import errno

import pytest
import pytest_twisted
from twisted.internet import error
from twisted.internet._resolver import HostResolution
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IHostnameResolver
from twisted.internet.protocol import DatagramProtocol
from twisted.internet.task import deferLater
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.internet.udp import MulticastPort
from twisted.python.failure import Failure
from zope.interface import implementer

from support.memory_tunnels import Plain
from tessel.emulator.air import Air
from tessel.radio import interface as radio
from tessel.radio.host import HostRadio
from tessel.radio.interface import LinkState
from tessel.radio.resolver_names import LOOKUP_TIMEOUT_S


@implementer(IHostnameResolver)
class Names:
    """A resolver that answers as a test says, or later. As Twisted's it cannot be stopped."""

    def __init__(self):
        self.addresses = []
        self.receiver = None
        self.silent = False

    def resolveHostName(self, receiver, name, portNumber=0, addressTypes=None, transport="TCP"):
        self.receiver = receiver
        resolution = HostResolution(name)
        receiver.resolutionBegan(resolution)
        if not self.silent:
            self.answer()
        return resolution

    def answer(self):
        for address in self.addresses:
            self.receiver.addressResolved(address)
        self.receiver.resolutionComplete()


class Host:
    def __init__(self):
        self.reactor = MemoryReactorClock()
        self.names = Names()
        self.reactor.nameResolver = self.names
        self.radio = HostRadio(self.reactor)
        self.radio.power_on()

    def connect(self, *addresses):
        results = []
        deferred = self.radio.connect(addresses, 80, Plain)
        deferred.addCallbacks(results.append, lambda failure: results.append(failure.value))
        return deferred, results

    def stand(self, number=0):
        transport = StringTransport()
        factory = self.reactor.tcpClients[number][2]
        factory.buildProtocol(None).makeConnection(transport)
        return transport

    def refuse(self, reason, number=0):
        connector = self.reactor.connectors[number]
        self.reactor.tcpClients[number][2].clientConnectionFailed(connector, Failure(reason))


@pytest.fixture
def host():
    return Host()


def told(deferred):
    results = []
    deferred.addCallbacks(results.append, lambda failure: results.append(failure.value))
    return results


def test_a_connection_that_stands_gives_its_transport_to_the_real_protocol(host):
    _, results = host.connect("192.0.2.1")
    transport = host.stand()
    (protocol,) = results
    assert transport.protocol is protocol
    assert protocol.transport is transport
    assert host.radio.connections_opened == 1


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (error.ConnectionRefusedError(errno.ECONNREFUSED), "Connection refused"),
        (error.TCPTimedOutError(errno.ETIMEDOUT), "Connection timed out"),
        (error.TimeoutError(), "no answer"),
    ],
)
def test_a_failed_dial_is_reported_in_the_systems_words(host, reason, words):
    _, results = host.connect("192.0.2.1")
    host.refuse(reason)
    assert str(results[0]) == words


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        (error.ConnectionRefusedError(errno.ECONNREFUSED, "x"), radio.RadioRefusedError),
        (error.TCPTimedOutError(errno.ETIMEDOUT, "x"), radio.RadioTimedOutError),
        (error.TimeoutError(), radio.RadioTimedOutError),
        (error.NoRouteError(errno.ENETUNREACH, "x"), radio.NetworkUnreachableError),
        (error.ConnectError(errno.EHOSTUNREACH, "x"), radio.HostUnreachableError),
        (error.ConnectError(errno.EMFILE, "x"), radio.NoSocketError),
        (error.ConnectError(errno.EPERM, "x"), radio.PermissionDeniedError),
        (error.ConnectError(12345, "x"), radio.RadioError),
        (error.ConnectError(), radio.RadioError),
    ],
)
def test_a_failed_dial_is_a_typed_error(host, reason, kind):
    _, results = host.connect("192.0.2.1")
    host.refuse(reason)
    assert type(results[0]) is kind


def test_giving_up_stops_the_dial(host):
    deferred, results = host.connect("192.0.2.1")
    connector = host.reactor.connectors[0]
    factory = host.reactor.tcpClients[0][2]
    factory.startedConnecting(connector)
    stopped = []
    connector.stopConnecting = lambda: (stopped.append(1), host.refuse(error.UserError()))
    deferred.cancel()
    assert stopped == [1]
    assert isinstance(results[0], CancelledError)


def test_giving_up_before_it_began_is_no_fault(host):
    deferred, results = host.connect("192.0.2.1")
    deferred.cancel()
    assert isinstance(results[0], CancelledError)


def test_without_power_nothing_goes(host):
    host.radio.power_off()
    assert isinstance(host.connect("192.0.2.1")[1][0], radio.NetworkUnreachableError)
    assert isinstance(told(host.radio.lookup("h"))[0], radio.NetworkUnreachableError)


def test_who_watches_the_link_gets_its_changes(host):
    seen = []
    unwatch = host.radio.watch_link(seen.append)
    host.radio.power_on()
    host.radio.power_off()
    host.radio.power_on()
    unwatch()
    host.radio.power_off()
    assert seen == [LinkState.OFF, LinkState.UP]
    assert host.radio.link is LinkState.OFF


def test_switching_off_cuts_what_there_is(host):
    host.connect("192.0.2.1")
    cut = []
    host.reactor.connectors[0].disconnect = lambda: cut.append("connection")
    assert told(host.radio.listen(80, Plain, address="127.0.0.1", backlog=5))
    host.radio.power_off()
    assert cut == ["connection"]


def test_a_name_has_its_addresses_each_once(host):
    host.names.addresses = [
        IPv6Address("TCP", "2001:db8::1", 0),
        IPv4Address("TCP", "192.0.2.1", 0),
        IPv4Address("TCP", "192.0.2.1", 0),
        object(),
    ]
    assert told(host.radio.lookup("h")) == [["2001:db8::1", "192.0.2.1"]]


def test_a_name_without_addresses_is_not_found(host):
    assert isinstance(told(host.radio.lookup("h"))[0], radio.NameNotFoundError)


@pytest.mark.parametrize("name", ["a" * 64 + ".example", "a..b", "nul\0.example", "\udcff"])
def test_what_is_no_name_is_not_found_without_asking(host, name):
    assert isinstance(told(host.radio.lookup(name))[0], radio.NameNotFoundError)
    assert host.names.receiver is None


def test_a_look_up_without_an_answer_is_given_up_and_a_late_answer_passed_over(host):
    host.names.silent = True
    results = told(host.radio.lookup("h"))
    host.reactor.advance(LOOKUP_TIMEOUT_S)
    assert isinstance(results[0], radio.NameUnansweredError)
    host.names.addresses = [IPv4Address("TCP", "192.0.2.1", 0)]
    host.names.answer()
    assert len(results) == 1


def test_a_look_up_may_be_cancelled(host):
    host.names.silent = True
    deferred = host.radio.lookup("h")
    results = told(deferred)
    deferred.cancel()
    assert isinstance(results[0], CancelledError)
    host.names.answer()
    assert len(results) == 1


def test_without_ipv6_all_addresses_are_those_of_ipv4(host):
    ports = []
    plain = host.reactor.listenTCP

    def listen(port, factory, backlog=50, interface=""):
        ports.append(interface)
        if interface == "::":
            raise error.CannotListenError("::", port, OSError(errno.EAFNOSUPPORT, "x"))
        return plain(port, factory, backlog, interface)

    host.reactor.listenTCP = listen
    (port,) = told(host.radio.listen(80, Plain, address="", backlog=5))
    assert ports == ["::", "0.0.0.0"]
    assert port.getHost().port == 80
    transport = StringTransport()
    host.reactor.tcpServers[0][1].buildProtocol(None).makeConnection(transport)
    assert isinstance(transport.protocol, Plain)
    assert host.radio.owns(transport)
    host.radio.power_off()
    assert transport.disconnecting
    assert host.reactor.tcpServers[0][2] == 5


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.EADDRINUSE, radio.AddressInUseError),
        (errno.EACCES, radio.PermissionDeniedError),
        (errno.EADDRNOTAVAIL, radio.AddressNotAvailableError),
        (0, radio.RadioError),
    ],
)
def test_a_port_that_cannot_be_had_is_a_typed_error(host, monkeypatch, number, kind):
    def refuse(*args):
        raise error.CannotListenError("h", 80, OSError(number, "x"))

    host.reactor.listenTCP = refuse
    monkeypatch.setattr(MulticastPort, "startListening", refuse)
    tcp = host.radio.listen(80, Plain, address="127.0.0.1", backlog=5)
    udp = host.radio.bind_udp(80, DatagramProtocol(), address="127.0.0.1")
    assert [type(told(deferred)[0]) for deferred in (tcp, udp)] == [kind, kind]


# From here on the real reactor, on loopback.


@pytest.fixture
def real():
    from twisted.internet import reactor  # noqa: PLC0415 - installed when first imported

    host = HostRadio(reactor)
    host.power_on()
    yield host
    pytest_twisted.blockon(host.power_off())


class Echo(Plain):
    def dataReceived(self, data):
        super().dataReceived(data)
        self.transport.write(data.upper())


class Client(Plain):
    def __init__(self):
        super().__init__()
        self.answered = Deferred()
        self.gone = Deferred()

    def dataReceived(self, data):
        super().dataReceived(data)
        self.answered.callback(self.data)

    def connectionLost(self, reason):
        super().connectionLost(reason)
        self.gone.callback(None)


@pytest_twisted.ensureDeferred
async def test_bytes_go_over_loopback_by_name(real):
    made = []

    def serve():
        made.append(Echo())
        return made[-1]

    port = await real.listen(0, serve, address="", backlog=5)
    addresses = await real.lookup("localhost")
    client = await real.connect(addresses, port.getHost().port, Client)
    client.transport.write(b"hello")
    assert await client.answered == b"HELLO"
    assert real.owns(client.transport)
    assert real.owns(made[0].transport)
    assert not real.owns(object())
    client.transport.loseConnection()
    await client.gone
    await port.stop()
    assert real.connections_opened == 1


@pytest_twisted.ensureDeferred
async def test_a_refused_connection_is_a_typed_error(real):
    port = await real.listen(0, Plain, address="127.0.0.1", backlog=5)
    number = port.getHost().port
    await port.stop()
    with pytest.raises(radio.RadioRefusedError):
        await real.connect(["127.0.0.1"], number, Plain)


@pytest_twisted.ensureDeferred
async def test_the_address_that_answers_wins(real):
    port = await real.listen(0, Plain, address="127.0.0.1", backlog=5)
    number = port.getHost().port
    client = await real.connect(["::1", "127.0.0.1"], number, Client)
    assert client.transport.getPeer().host == "127.0.0.1"
    client.transport.abortConnection()
    await client.gone


@pytest_twisted.ensureDeferred
async def test_datagrams_go_over_loopback(real):
    class Heard(DatagramProtocol):
        def __init__(self):
            self.heard = Deferred()

        def datagramReceived(self, datagram, addr):
            self.heard.callback(datagram)

    one, other = Heard(), Heard()
    await real.bind_udp(0, one, address="127.0.0.1")
    port = await real.bind_udp(0, other, address="127.0.0.1")
    one.transport.write(b"hello", ("127.0.0.1", port.getHost().port))
    assert await other.heard == b"hello"


class SamePort:
    """The reactor, whose system happens to give a socket the very port that it is to reach."""

    def __init__(self, reactor):
        self._reactor = reactor

    def __getattr__(self, name):
        return getattr(self._reactor, name)

    def connectTCP(self, host, port, factory, timeout=30, bindAddress=None):
        return self._reactor.connectTCP(host, port, factory, timeout, (host, port))


@pytest.fixture
def same_port(real):
    host = HostRadio(SamePort(real._reactor))
    host.power_on()
    yield host
    pytest_twisted.blockon(host.power_off())


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
@pytest_twisted.ensureDeferred
async def test_a_connection_with_itself_is_refused(same_port, address):
    try:
        port = await same_port.listen(0, Plain, address=address, backlog=5)
    except radio.AddressNotAvailableError:
        pytest.skip("this machine has no such address")
    number = port.getHost().port
    await port.stop()
    for _ in range(2):  # nor is the port in use afterwards
        with pytest.raises(radio.RadioRefusedError):
            await same_port.connect([address], number, Plain)
        await deferLater(same_port._reactor, 0)  # Twisted resets it in the next turn
    assert same_port.connections_opened == 0


@pytest_twisted.ensureDeferred
async def test_a_chip_is_not_connected_with_itself_either(same_port):
    port = await same_port.listen(0, Plain, address="127.0.0.1", backlog=5)
    number = port.getHost().port
    await port.stop()
    protocol = Plain()
    with pytest.raises(error.ConnectionRefusedError):
        await Air(same_port._reactor, None).dial(
            "127.0.0.1", number, protocol, from_port=number, timeout_s=5
        )
    while protocol.lost is None:
        await deferLater(same_port._reactor, 0.01)


@pytest_twisted.ensureDeferred
async def test_a_port_may_be_stopped_again_while_it_stops(real):
    port = await real.listen(0, Plain, address="127.0.0.1", backlog=5)
    bound = await real.bind_udp(0, DatagramProtocol(), address="127.0.0.1")
    first = [port.stop(), bound.stop()]
    await real.power_off()
    for stopped in [*first, port.stop(), bound.stop()]:
        await stopped
