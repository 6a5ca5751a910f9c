"""The device's own TLS with a target, over a substream: the proxy's fake only carries bytes."""

import pytest
import pytest_twisted
import trustme
from OpenSSL import SSL
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.interfaces import IOpenSSLContextFactory
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import StringTransport
from twisted.protocols.tls import TLSMemoryBIOFactory
from zope.interface import implementer

from streamplex import Side
from streamplex.tx import ITunnelListener, TunnelProtocol
from support.fake_proxy import ENVIRON, OURS, Device
from support.memory_tunnels import Aware, HalfCloseable, Plain
from tessel.board import Board
from tessel.network.interface import Target, TlsOptions
from tessel.network.routed import JoinedNetworks, NoWatcher
from tessel.network.tunneled import TunneledNetwork
from tessel.node import https
from tessel.settings import Settings

AUTHORITY = trustme.CA()
BODY = b"all of it " * 5000
ANSWER = b"HTTP/1.0 200 OK\r\nContent-Length: 50000\r\n\r\n" + BODY
REPEATS = 20


@implementer(IOpenSSLContextFactory)
class Presented:
    """A certificate for localhost and example.com."""

    def __init__(self):
        self._context = SSL.Context(SSL.TLS_METHOD)
        AUTHORITY.issue_cert("localhost", "example.com").configure_cert(self._context)

    def getContext(self):
        return self._context


class Closing(Protocol):
    """An HTTP/1.0 site: it answers, and closes at once."""

    def dataReceived(self, data):
        self.transport.write(ANSWER)
        self.transport.loseConnection()


class Careless(Protocol):
    """One that closes TCP without TLS's own end, as many do."""

    def dataReceived(self, data):
        self.transport.write(ANSWER)
        reactor.callLater(0, self.transport.transport.loseConnection)


class TlsTarget(StringTransport):
    """A TLS target behind the proxy's end of a substream."""

    def __init__(self, device, make):
        super().__init__()
        self.device = device
        self.served = device.proxy.served[-1]
        layer = TLSMemoryBIOFactory(Presented(), False, Factory.forProtocol(make), device.clock)
        self.tls = layer.buildProtocol(None)
        self.tls.makeConnection(self)
        self.taken = 0

    def abortConnection(self):
        self.loseConnection()

    def take(self):
        """What the device says; what the target has to say to it is kept."""
        self.device.pump()
        fresh = bytes(self.served.data[self.taken :])
        self.taken += len(fresh)
        if fresh:
            self.tls.dataReceived(fresh)

    def give(self):
        said = self.value()
        self.clear()
        self.served.sends(said)

    def handshake(self):
        for _ in range(3):
            self.take()
            self.give()
        self.device.pump()


def connected(make, serve=Closing):
    """A device's protocol over TLS with a target, both in memory."""
    device = Device()
    tls = TlsOptions(ca=(AUTHORITY.cert_pem.bytes(),))
    running = Deferred.fromCoroutine(
        device.network.connect_end_to_end(
            Target("example.com", 443), make, tls, NoWatcher(), "a test"
        )
    )
    device.pump()
    target = TlsTarget(device, serve)
    target.served.says("connect")
    target.handshake()
    assert running.called
    return device, running.result, target


@pytest.mark.parametrize("make", [Plain, HalfCloseable])
def test_a_target_that_closes_first_is_heard_to_its_end(make):
    device, above, target = connected(make)
    above.transport.write(b"GET / HTTP/1.0\r\n\r\n")
    target.take()
    target.give()
    target.served.ends()
    target.served.closes()
    device.pump()
    assert bytes(above.data) == ANSWER
    assert above.lost is not None


def test_a_target_that_speaks_no_tls_is_reported_by_nodes_code_through_the_tunnel_too():
    device = Device()
    errors = []
    running = Deferred.fromCoroutine(
        device.network.connect_end_to_end(
            Target("example.com", 443), Plain, TlsOptions(), NoWatcher(), "a test"
        )
    )
    running.addErrback(lambda failure: errors.append(failure.value))
    device.pump()
    served = device.proxy.served[-1]
    served.says("connect")
    served.sends(b"220 mail.example ESMTP\r\n")
    device.pump()
    assert [error.code for error in errors] == ["ERR_SSL_WRONG_VERSION_NUMBER"]


def test_a_token_that_is_no_longer_valid_is_named_above_tls_too():
    device, above, _target = connected(Plain)
    device.proxy.tunnels[0].message({"authed": False, "retry": False, "reason": "revoked"})
    device.pump()
    assert above.lost.value.code == "ERR_PROXY_AUTHORIZATION"
    assert "no longer valid" in str(above.lost.value)


@pytest.mark.parametrize("make", [Plain, HalfCloseable])
def test_a_target_that_ends_without_close_notify_ends_the_connection_once(make):
    device, above, target = connected(make)
    target.served.ends()
    device.pump()
    target.served.closes()
    device.pump()
    assert above.lost is not None
    assert above.calls.count("lost") == 1


def test_the_devices_own_end_goes_by_without_a_word_to_tls():
    device, above, target = connected(Plain)
    above.transport.transport.loseWriteConnection()
    device.pump()
    assert above.calls == ["made"]
    target.served.closes()
    device.pump()
    assert above.lost is not None


def test_at_the_programs_end_tls_is_ended_before_the_substream():
    device, above, target = connected(Plain, Plain)
    finished = Deferred.fromCoroutine(device.network.finish())
    target.take()
    target.give()
    assert target.disconnecting  # as TLS does after close_notify
    assert target.served.calls[-1] == "read lost"
    target.served.ends()
    target.served.closes()
    device.pump()
    assert finished.called
    assert above.lost is not None


# Over real sockets.


class Carried(Aware):
    """The proxy's end of a substream, joined to a TCP connection."""

    def customReceived(self, name, args):
        if name == "_pls_connect":
            point = TCP4ClientEndpoint(reactor, "127.0.0.1", args[0])
            connectProtocol(point, Beyond(self)).addCallback(self._joined)

    def _joined(self, beyond):
        self.transport.emit("connect")
        beyond.transport.write(bytes(self.data))
        self.beyond = beyond

    def dataReceived(self, data):
        super().dataReceived(data)
        if beyond := getattr(self, "beyond", None):
            beyond.transport.write(data)

    def readConnectionLost(self):
        self.beyond.transport.loseConnection()


class Beyond(Protocol):
    """The proxy's connection to the target."""

    def __init__(self, carried):
        self.substream = carried.transport

    def dataReceived(self, data):
        self.substream.write(data)

    def connectionLost(self, reason):
        self.substream.loseWriteConnection()
        self.substream.emit("close")
        self.substream.release()


@implementer(ITunnelListener)
class Proxy:
    """A proxy without TLS of its own and without rules."""

    def tunnelMade(self, tunnel):
        self.tunnel = tunnel

    def messageReceived(self, value):
        self.tunnel.message(OURS)

    def substreamOpened(self, substream):
        substream.attach(Carried())

    def tunnelLost(self, reason):
        pass


@pytest.fixture
def proxy():
    factory = Factory()
    factory.buildProtocol = lambda addr: TunnelProtocol(Side.A, Proxy(), reactor)
    port = reactor.listenTCP(0, factory, interface="127.0.0.1")
    yield port.getHost().port
    pytest_twisted.blockon(port.stopListening())


@pytest.fixture(params=[Closing, Careless])
def site(request):
    factory = Factory.forProtocol(request.param)
    port = reactor.listenSSL(0, factory, Presented(), interface="127.0.0.1")
    yield port.getHost().port
    pytest_twisted.blockon(port.stopListening())


@pytest.fixture
def uncaught(proxy, monkeypatch):
    """A board whose network is a tunnel to that proxy; what its programs raised."""
    environ = ENVIRON | {"PROXY_TLS": "end-to-end", "PROXY_LOCAL": "elsewhere.example"}
    settings = Settings.from_env(environ)
    raised = []
    board = Board(reactor, environ, lambda: 1.0, uncaught=raised.append)

    def dial(target, factory, tls):
        point = TCP4ClientEndpoint(reactor, "127.0.0.1", proxy)
        return point.connect(Factory.forProtocol(factory))

    network = TunneledNetwork(settings, dial, reactor, lambda: 1.0)
    monkeypatch.setattr(board._network, "_joined", JoinedNetworks(settings, None, network))
    board.power_on()
    yield raised
    pytest_twisted.blockon(Deferred.fromCoroutine(board.finish()))


def page(url):
    read, done = [], Deferred()

    def answered(response):
        response.on("data", read.append)
        response.on("end", lambda: done.callback(b"".join(read)))

    request = https.get(url, {"ca": AUTHORITY.cert_pem.bytes()}, answered)
    request.on("error", lambda error: done.called or done.errback(error))
    return done


@pytest_twisted.ensureDeferred
async def test_pages_of_a_site_that_closes_first_come_whole_each_time(uncaught, site):
    for _ in range(REPEATS):
        assert await page(f"https://localhost:{site}/") == BODY
    assert uncaught == []
