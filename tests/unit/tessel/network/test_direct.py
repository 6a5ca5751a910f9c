"""Direct connections: names, Node's words, TLS; and which way the routed network sends what."""

from contextlib import suppress

import pytest
import trustme
from OpenSSL import SSL
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock
from zope.interface import implementer

from support.fake_proxy import ENVIRON, FakeProxy, Watch
from support.memory_tunnels import HalfCloseable, MemoryTransport, Plain
from support.tls_in_memory import AUTHORITY, Serving, issued
from tessel.board import Board, power_on
from tessel.errors import BoardError, NodeError
from tessel.network.direct import DirectNetwork
from tessel.network.interface import INetwork, Target, TlsOptions
from tessel.network.limits import CONNECT_TIMEOUT_S
from tessel.network.routed import JoinedNetworks, NoWatcher, RoutedNetwork
from tessel.network.tunneled import TunneledNetwork
from tessel.node.base import runtime
from tessel.radio import interface as radio
from tessel.radio.interface import IRadio
from tessel.settings import Settings


@implementer(IRadio)
class FakeRadio:
    """Answers as a test says."""

    ipv6 = True
    connections_opened = 0

    def __init__(self):
        self.names = {}
        self.dials = []
        self.refusal = None
        self.hangs = False
        self.transports = []
        self.listening = []

    def power_on(self):
        return succeed(None)

    def lookup(self, name):
        found = self.names.get(name, radio.NameNotFoundError("no such name"))
        return fail(found) if isinstance(found, Exception) else succeed(found)

    def connect(self, addresses, port, factory):
        self.dials.append((tuple(addresses), port))
        if self.hangs:
            return Deferred()
        if self.refusal is not None:
            return fail(self.refusal)
        protocol = factory()
        transport = MemoryTransport(protocol)
        self.transports.append(transport)
        protocol.makeConnection(transport)
        return succeed(protocol)

    def bind_udp(self, port, protocol, *, address):
        self.listening.append((port, address))
        return succeed("port")

    def listen(self, port, factory, *, address, backlog):
        if self.refusal is not None:
            return fail(self.refusal)
        self.listening.append((port, address, backlog))
        return succeed("port")


class Direct:
    def __init__(self):
        self.radio = FakeRadio()
        self.clock = Clock()
        self.network = DirectNetwork(self.radio, self.clock)
        self.watch = Watch()

    def connect(self, host, make=Plain):
        return outcome(self.network.connect(Target(host, 80), make, self.watch))

    def connect_tls(self, host):
        tls = TlsOptions()
        return outcome(self.network.connect_tls(Target(host, 443), Plain, tls, self.watch))

    def lookup(self, name, family=0):
        return outcome(Deferred.fromCoroutine(self.network.lookup(name, family)))

    def listen(self, host):
        return outcome(Deferred.fromCoroutine(self.network.listen(80, Plain, host, 5)))


def outcome(deferred):
    """A list that gets the result, or the error."""
    results = []
    deferred.addCallbacks(results.append, lambda failure: results.append(failure.value))
    return results


@pytest.fixture
def direct():
    return Direct()


def test_a_name_is_looked_up_and_all_its_addresses_are_dialled(direct):
    direct.radio.names["example.com"] = ["2001:db8::1", "192.0.2.1"]
    (protocol,) = direct.connect("example.com")
    assert protocol.calls == ["made"]
    assert direct.radio.dials == [(("2001:db8::1", "192.0.2.1"), 80)]
    assert direct.watch.told == ["looked up", "connected"]


@pytest.mark.parametrize(("host", "dialled"), [("192.0.2.1", "192.0.2.1"), ("[::1]", "::1")])
def test_an_address_is_dialled_as_it_is(direct, host, dialled):
    direct.connect(host)
    assert direct.radio.dials == [((dialled,), 80)]
    assert direct.watch.told == ["connected"]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (radio.NameNotFoundError(""), "ENOTFOUND"),
        (radio.NameUnansweredError(""), "EAI_AGAIN"),
        (radio.NetworkUnreachableError(""), "ENETUNREACH"),
    ],
)
def test_a_failed_look_up_is_reported_in_nodes_words(direct, error, code):
    direct.radio.names["example.com"] = error
    (told,) = direct.connect("example.com")
    assert (str(told), told.code) == (f"getaddrinfo {code} example.com", code)
    assert direct.watch.told == ["looked up"]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (radio.RadioRefusedError(""), "ECONNREFUSED"),
        (radio.RadioTimedOutError(""), "ETIMEDOUT"),
        (radio.HostUnreachableError(""), "EHOSTUNREACH"),
        (radio.NoSocketError(""), "EMFILE"),
        (radio.ResetError(""), "ECONNRESET"),
        (radio.RadioError(""), "EIO"),
    ],
)
def test_a_failed_dial_is_reported_in_nodes_words(direct, error, code):
    direct.radio.refusal = error
    (told,) = direct.connect("192.0.2.1")
    assert (str(told), told.code) == (f"connect {code} 192.0.2.1:80", code)


def test_a_dial_without_an_answer_is_given_up(direct):
    direct.radio.hangs = True
    results = direct.connect("192.0.2.1")
    direct.clock.advance(CONNECT_TIMEOUT_S)
    assert results[0].code == "ETIMEDOUT"


def test_families_can_be_chosen(direct):
    direct.radio.names["h"] = ["2001:db8::1", "192.0.2.1"]
    assert direct.lookup("h") == [["2001:db8::1", "192.0.2.1"]]
    assert direct.lookup("h", 4) == [["192.0.2.1"]]
    assert direct.lookup("h", 6) == [["2001:db8::1"]]
    assert direct.lookup("127.0.0.1") == [["127.0.0.1"]]


def test_a_radio_without_ipv6_is_given_no_such_address(direct):
    direct.radio.ipv6 = False
    direct.radio.names["h"] = ["2001:db8::1", "192.0.2.1"]
    assert direct.lookup("h") == [["192.0.2.1"]]
    direct.radio.names["six"] = ["2001:db8::1"]
    assert direct.lookup("six")[0].code == "ENOTFOUND"


def test_a_udp_socket_has_an_ipv4_address(direct):
    def bound(host):
        return outcome(Deferred.fromCoroutine(direct.network.bind_udp(80, Plain(), host)))

    direct.radio.names["both"] = ["::1", "127.0.0.1"]
    assert [*bound(""), *bound("192.0.2.1"), *bound("both")] == ["port"] * 3
    assert direct.radio.listening == [(80, ""), (80, "192.0.2.1"), (80, "127.0.0.1")]

    for host in ("::1", "::", "[::1]"):
        (error,) = bound(host)
        assert (str(error), error.code) == (f"bind EINVAL {host}", "EINVAL")


def test_listening_is_the_radios(direct):
    direct.radio.names["localhost"] = ["127.0.0.1"]
    assert direct.listen("") == ["port"]
    assert direct.listen("localhost") == ["port"]
    assert direct.radio.listening == [(80, "", 5), (80, "127.0.0.1", 5)]
    direct.radio.refusal = radio.AddressInUseError("")
    (error,) = direct.listen("")
    assert (str(error), error.code) == ("listen EADDRINUSE: [::]:80", "EADDRINUSE")


def test_tls_is_started_when_tcp_stands(direct):
    results = direct.connect_tls("192.0.2.1")
    (transport,) = direct.radio.transports
    assert transport.sent[:2] == b"\x16\x03"
    assert direct.watch.told == ["connected"]
    assert results == []
    transport.lose(ConnectionDone())
    assert results[0].code == "ECONNRESET"


class Routed:
    """A routed network over a fake radio and a fake proxy."""

    def __init__(self, **environ):
        self.clock = Clock()
        self.radio = FakeRadio()
        self.radio.names["example.com"] = ["192.0.2.1"]
        self.proxy = FakeProxy(self.clock)
        self.environ = ENVIRON | environ
        self.joins = 0
        self.join_waits = None
        self.network = RoutedNetwork(self.join)

    async def join(self):
        self.joins += 1
        if self.join_waits is not None:
            await self.join_waits
        settings = Settings.from_env(self.environ)
        direct = DirectNetwork(self.radio, self.clock)
        tunneled = TunneledNetwork(settings, self.proxy.dial, self.clock, lambda: 1.0)
        return JoinedNetworks(settings, direct, tunneled if settings.token else None)

    def connect(self, make=HalfCloseable, **options):
        results = outcome(self.network.connect(Target("example.com", 80), make, **options))
        self.proxy.pump()
        return results

    def connect_tls(self, tls=None, **options):
        target = Target("example.com", 443)
        deferred = self.network.connect_tls(target, Plain, tls or TlsOptions(), **options)
        results = outcome(deferred)
        self.proxy.pump()
        return results


def test_with_a_token_a_plain_connection_is_a_net_substream():
    routed = Routed()
    routed.connect()
    assert [served.name for served in routed.proxy.served] == ["net"]
    assert routed.radio.dials == []
    assert INetwork.providedBy(routed.network)


@pytest.mark.parametrize(
    ("environ", "substreams"),
    [({}, []), ({"PROXY_TRUSTED": "1"}, ["net"]), ({"PROXY_TLS": "end-to-end"}, ["net"])],
)
def test_a_connection_that_the_program_encrypts_has_the_route_of_tls(environ, substreams):
    routed = Routed(**environ)
    routed.connect(encrypted=True)
    assert [served.name for served in routed.proxy.served] == substreams
    assert len(routed.radio.dials) == 1 - len(substreams)


@pytest.mark.parametrize("environ", [{"PROXY_TOKEN": ""}, {"PROXY_LOCAL": "example.com"}])
def test_without_one_or_to_a_local_target_it_is_direct(environ):
    routed = Routed(**environ)
    (protocol,) = routed.connect()
    assert protocol.calls == ["made"]
    assert routed.proxy.dials == []


def test_with_proxy_false_it_is_direct():
    routed = Routed()
    routed.connect(proxy=False)
    routed.connect_tls(proxy=False)
    assert routed.proxy.dials == []
    assert len(routed.radio.dials) == 2


def test_tls_is_direct_by_default():
    routed = Routed()
    watch = Watch()
    routed.connect_tls(watcher=watch)
    assert routed.radio.dials == [(("192.0.2.1",), 443)]
    assert watch.told == ["looked up", "connected"]


def test_with_proxy_trusted_tls_is_a_tls_substream():
    routed = Routed(PROXY_TRUSTED="1")
    results = routed.connect_tls()
    served = routed.proxy.served[0]
    assert served.name == "tls"
    served.says("connect")
    served.says("secureConnect")
    routed.proxy.pump()
    assert results[0].calls == ["made"]


def end_to_end(routed, certificate):
    """The target, reached through a net substream by a device that does TLS itself."""
    ca = TlsOptions(ca=(AUTHORITY.cert_pem.bytes(),))
    watch = Watch()
    results = routed.connect_tls(ca, watcher=watch)
    return results, watch, TlsTarget(routed, certificate)


class TlsTarget:
    """A TLS server behind the fake proxy."""

    def __init__(self, routed, certificate):
        self.routed = routed
        self.served = routed.proxy.served[-1]
        self.tls = SSL.Connection(Serving(certificate).context, None)
        self.tls.set_accept_state()
        self.heard = b""

    def exchange(self):
        """Carry bytes until nothing moves."""
        for _ in range(10):
            self.routed.clock.advance(0)
            self.routed.proxy.pump()
            data, self.served.data = self.served.data, b""
            if data:
                self.tls.bio_write(data)
            with suppress(SSL.WantReadError):
                self.heard += self.tls.recv(1000)
            with suppress(SSL.WantReadError):
                self.served.sends(self.tls.bio_read(65536))


def test_end_to_end_the_device_does_tls_over_a_net_substream():
    routed = Routed(PROXY_TLS="end-to-end")
    results, watch, target = end_to_end(routed, issued("example.com"))
    assert target.served.name == "net"
    assert target.served.data[:2] == b"\x16\x03"  # it did not wait for `connect`
    target.served.says("lookup")
    target.served.says("connect")
    target.exchange()
    assert watch.told == ["looked up", "connected"]
    (protocol,) = results
    assert protocol.transport.authorized
    protocol.transport.write(b"secret")
    target.exchange()
    assert target.heard == b"secret"
    protocol.transport.watch_idle(500, lambda: None)
    routed.proxy.pump()
    assert target.served.events[-1] == ("_pls_timeout", 500)
    protocol.transport.discard()
    routed.clock.advance(0)
    routed.proxy.pump()
    assert protocol.lost is not None
    assert target.served.calls[-1] == "read lost"


def test_end_to_end_the_device_checks_the_target_itself():
    routed = Routed(PROXY_TLS="end-to-end")
    results, _, target = end_to_end(routed, issued("other.example"))
    target.served.says("connect")
    target.exchange()
    assert results[0].code == "ERR_TLS_CERT_ALTNAME_INVALID"
    assert target.heard == b""


def test_end_to_end_a_target_that_cannot_be_reached_is_an_error():
    routed = Routed(PROXY_TLS="end-to-end")
    results, _, target = end_to_end(routed, issued("example.com"))
    target.served.fails("connect ECONNREFUSED 192.0.2.1:443")
    routed.proxy.pump()
    assert results[0].code == "ECONNREFUSED"


@pytest.mark.parametrize("host", ["", "nul\0.example", "\udcff", "a." * 128])
def test_what_is_no_host_is_not_found_whichever_way_it_would_go(host):
    routed = Routed()
    plain = outcome(routed.network.connect(Target(host, 80), Plain))
    tls = outcome(routed.network.connect_tls(Target(host, 443), Plain, TlsOptions()))
    assert [plain[0].code, tls[0].code] == ["ENOTFOUND", "ENOTFOUND"]
    assert routed.proxy.dials == routed.radio.dials == []


def test_the_longest_name_there_can_be_is_passed_on():
    routed = Routed()
    name = "a." * 127
    routed.network.connect(Target(name, 80), Plain)
    routed.proxy.pump()
    assert routed.proxy.served[0].events == [("_pls_connect", 80, name)]


def test_look_ups_and_listening_are_direct():
    routed = Routed()
    assert outcome(routed.network.lookup("example.com")) == [["192.0.2.1"]]
    assert outcome(routed.network.listen(0, Plain)) == ["port"]
    assert routed.proxy.dials == []


def test_the_ways_are_joined_once_by_who_comes_first():
    routed = Routed(PROXY_TOKEN="")
    routed.join_waits = Deferred()
    first, second = routed.connect(), routed.connect()
    assert routed.joins == 1
    routed.join_waits.callback(None)
    assert len(first) == len(second) == 1
    routed.connect()
    assert routed.joins == 1


def test_one_may_give_up_waiting_for_it():
    routed = Routed(PROXY_TOKEN="")
    routed.join_waits = Deferred()
    results = []
    attempt = routed.network.connect(Target("example.com", 80), Plain)
    attempt.addErrback(results.append)
    attempt.cancel()
    routed.join_waits.callback(None)
    assert len(results) == 1
    assert routed.radio.dials == []


def test_faulty_settings_are_every_connections_error_until_they_are_mended():
    routed = Routed(PROXY_PORT="x")
    assert routed.connect()[0].code == "ERR_SETTINGS"
    del routed.environ["PROXY_PORT"]
    routed.connect()
    assert len(routed.proxy.served) == 1


def test_closing_ends_the_tunnel_if_there_is_one():
    assert outcome(Routed().network.close()) == [None]
    without = Routed(PROXY_TOKEN="")
    without.connect()
    assert outcome(without.network.close()) == [None]
    routed = Routed()
    routed.connect()
    closed = outcome(routed.network.close())
    routed.proxy.pump()
    assert closed == [None]


def test_nobody_needs_to_watch():
    nobody = NoWatcher()
    assert [nobody.opened(None), nobody.looked_up(None, None, None), nobody.connected()] == [
        None
    ] * 3


class TestBoard:
    def board(self, reactor, environ=None):
        return Board(reactor, environ or {}, lambda: 1.0, uncaught=[].append)

    def test_a_program_has_one(self):
        board = self.board(Clock())
        board.power_on()
        try:
            with pytest.raises(BoardError, match="another"):
                self.board(Clock()).power_on()
        finally:
            assert outcome(Deferred.fromCoroutine(board.power_off())) == [None]
        assert not runtime.is_on()

    def test_switching_off_one_that_is_not_on_leaves_the_other_alone(self):
        with_power = power_on(Clock(), {}, lambda: 1.0, uncaught=[].append)
        outcome(Deferred.fromCoroutine(self.board(Clock()).power_off()))
        assert runtime.current() is with_power.runtime
        outcome(Deferred.fromCoroutine(with_power.power_off()))

    def test_before_the_first_use_there_is_no_radio(self):
        board = self.board(Clock())
        assert board.radio is None
        assert not board.owns(object())

    def test_it_joins_a_radio_and_a_tunnel_that_is_dialled_directly(self):
        reactor = MemoryReactorClock()
        pem = trustme.CA().cert_pem.bytes().decode()
        environ = ENVIRON | {"PROXY_HOST": "192.0.2.9", "PROXY_CERT": pem, "RADIO": "host"}
        board = self.board(reactor, environ)
        results = outcome(board.runtime.network.connect(Target("192.0.2.1", 80), Plain))
        assert [client[:2] for client in reactor.tcpClients] == [("192.0.2.9", 443)]
        assert board.radio is not None
        assert not board.owns(object())
        outcome(Deferred.fromCoroutine(board.power_off()))
        assert len(results) == 1

    def test_a_token_it_cannot_use_is_reported(self):
        board = self.board(Clock(), {"TM_API_KEY": "x"})
        (error,) = outcome(board.runtime.network.connect(Target("h", 1), Plain))
        assert isinstance(error, NodeError)
        assert "PROXY_HOST" in str(error)
