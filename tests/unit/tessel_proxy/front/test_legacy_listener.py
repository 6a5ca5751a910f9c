"""Both listeners on the running reactor: who is served where, and what a board gets to read."""

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import deferLater
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.protocols.tls import TLSMemoryBIOFactory

from streamplex import Side
from streamplex.tx import TunnelProtocol
from support.certificate_authorities import files_of_both_ports
from support.memory_tunnels import Aware
from support.memory_tunnels import Listener as TunnelListener
from support.proxy_in_memory import TOKEN, LoggedEvents
from support.tls_handshakes import NOW, at, axtls
from tessel_proxy.auth import HardcodedAuthenticator
from tessel_proxy.egress.rules import EgressMode
from tessel_proxy.front.tls import server_tls
from tessel_proxy.front.tls_tessel_1 import tessel_1_tls
from tessel_proxy.monitoring.ledger import Ledger
from tessel_proxy.records.accounting import Listener, SubstreamRecord, TunnelRecord
from tessel_proxy.records.ends import Outcome
from tessel_proxy.startup.composition import ProxyService
from tessel_proxy.startup.config import Config

APPLICATION_DATA = 23


@pytest.fixture(autouse=True)
def logged():
    with LoggedEvents() as logged:
        yield logged


@pytest.fixture
def config(tmp_path):
    files = files_of_both_ports(tmp_path)
    return Config(host="127.0.0.1", port=0, egress_mode=EgressMode.OPEN, **files)


@pytest.fixture
def proxy(config):
    proxy = ProxyService(
        config,
        reactor,
        HardcodedAuthenticator(TOKEN),
        server_tls(config, at(NOW)),
        legacy_tls=tessel_1_tls(config, at(NOW)),
    )
    proxy.startService()
    yield proxy
    pytest_twisted.blockon(proxy.stopService())


def port_of(proxy, listener):
    (port,) = [each.port for each in proxy.addresses if each.listener is listener]
    return port


class Board(TunnelListener):
    """A Tessel 1's end of a tunnel: it knows of no features, and can be waited for."""

    def __init__(self):
        super().__init__()
        self.answered, self.gone = Deferred(), Deferred()

    def messageReceived(self, value):
        super().messageReceived(value)
        if not self.answered.called:
            self.answered.callback(value)

    def tunnelLost(self, reason):
        super().tunnelLost(reason)
        self.gone.callback(None)


class Tap(ProtocolWrapper):
    """Below TLS: what comes, as it is on the wire."""

    def dataReceived(self, data):
        self.factory.heard += data
        super().dataReceived(data)


async def a_board(port, tls):
    board = Board()
    tunnel = Factory.forProtocol(lambda: TunnelProtocol(Side.B, board, reactor))
    tunnel.noisy = False
    tap = WrappingFactory(TLSMemoryBIOFactory(tls, True, tunnel, reactor))
    tap.protocol, tap.heard, tap.noisy = Tap, bytearray(), False
    await TCP4ClientEndpoint(reactor, "127.0.0.1", port).connect(tap)
    return board, tap


def data_records(data):
    """The lengths of those TLS records that carry data."""
    found, start = [], 0
    while start < len(data):
        length = int.from_bytes(data[start + 3 : start + 5], "big")
        if data[start] == APPLICATION_DATA:
            found.append(length)
        start += 5 + length
    return found


class Awaited(Aware):
    def __init__(self, nbytes=0):
        super().__init__()
        self.closed, self.full = Deferred(), Deferred()
        self._nbytes = nbytes

    def dataReceived(self, data):
        super().dataReceived(data)
        if len(self.data) >= self._nbytes and not self.full.called:
            self.full.callback(None)

    def customReceived(self, name, args):
        super().customReceived(name, args)
        if name == "close":
            self.closed.callback(None)


class Echo(Protocol):
    def dataReceived(self, data):
        self.transport.write(data)


@pytest.fixture
def echo():
    factory = Factory.forProtocol(Echo)
    factory.noisy = False
    port = reactor.listenTCP(0, factory, interface="127.0.0.1")
    yield port.getHost().port
    pytest_twisted.blockon(port.stopListening())


@pytest_twisted.ensureDeferred
async def test_a_board_has_its_whole_conversation_at_the_legacy_listener(
    proxy, config, echo, logged
):
    board, _tap = await a_board(port_of(proxy, Listener.LEGACY), axtls(config))
    board.tunnel.message({"token": "wrong"})
    assert await board.answered == {"authed": False}
    board.answered = Deferred()
    board.tunnel.message({"token": TOKEN})
    assert await board.answered == {"authed": True}
    substream = Awaited(70_000)
    board.tunnel.open("net").attach(substream)
    substream.transport.emit("_pls_connect", echo, "127.0.0.1")
    substream.transport.write(b"x" * 70_000)
    await substream.full
    substream.transport.loseWriteConnection()
    await substream.closed
    board.tunnel.loseConnection()
    await board.gone
    while not logged.named("tunnel_closed"):
        await deferLater(reactor, 0.01)
    (authenticated,) = logged.named("tunnel_authenticated")
    (closed,) = logged.named("tunnel_closed")
    assert authenticated["listener"] == closed["listener"] == "legacy"
    assert (closed["bytes_from_device"], closed["bytes_from_target"]) == (70_000, 70_000)


@pytest_twisted.ensureDeferred
async def test_a_board_is_refused_at_the_main_listener(proxy, logged):
    board, _tap = await a_board(port_of(proxy, Listener.MAIN), axtls())
    await board.gone
    while not logged.named("tunnel_closed"):
        await deferLater(reactor, 0.01)
    (closed,) = logged.named("tunnel_closed")
    assert (closed["listener"], closed["outcome"]) == ("main", "handshake_failed")
    assert "unsupported protocol" in closed["why"]


@pytest_twisted.ensureDeferred
async def test_frames_of_one_turn_come_to_a_board_in_one_record(proxy, config):
    board, tap = await a_board(port_of(proxy, Listener.LEGACY), axtls(config))
    board.tunnel.message({"token": TOKEN})
    await board.answered
    before = len(data_records(tap.heard))
    (session,) = proxy._shared.tunnels.all
    for number in range(100):
        session._tunnel.message(number)
    while len(board.messages) < 101:
        await deferLater(reactor, 0.01)
    assert board.messages[1:] == list(range(100))
    assert len(data_records(tap.heard)) - before == 1
    board.tunnel.loseConnection()
    await board.gone


def test_what_boards_move_is_counted_apart():
    ledger = Ledger()
    for listener, nbytes in ((Listener.MAIN, 1), (Listener.LEGACY, 10)):
        tunnel = TunnelRecord(tunnel=1, peer="", started_at=0, listener=listener, witness=ledger)
        for closed in (True, False):
            substream = SubstreamRecord(of=tunnel, substream=2, kind="net", started_at=0)
            substream.bytes_from_device, substream.bytes_from_target = nbytes, 2 * nbytes
            if closed:
                substream.close(1, Outcome.ENDED)
    assert ledger.tunnels_accepted == {Listener.MAIN: 1, Listener.LEGACY: 1}
    assert [ledger.bytes_from_device(each) for each in Listener] == [2, 20]
    assert [ledger.bytes_from_target(each) for each in Listener] == [4, 40]


def test_the_operator_is_told_of_both_listeners_and_warned_of_one(proxy, logged):
    listening = logged.named("listening")
    assert [each["listener"] for each in listening] == ["main", "legacy"]
    (warning,) = logged.named("legacy_listening")
    assert warning["port"] == port_of(proxy, Listener.LEGACY)
    assert warning["log_level"].name == "warn"
