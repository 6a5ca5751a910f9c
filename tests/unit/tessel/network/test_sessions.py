"""A device that returns resumes its TLS session with the proxy, unless it would not accept it."""

import datetime as dt

import pytest
import trustme
from OpenSSL import SSL
from OpenSSL._util import lib
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.protocols.tls import TLSMemoryBIOFactory
from zope.interface import implementer

from support.fake_proxy import Device
from support.memory_tunnels import Connection, Plain
from tessel.network.interface import Target, TlsOptions
from tessel.network.secure import Handshake
from tessel.network.sessions import Sessions

AUTHORITY = trustme.CA()
CA = (AUTHORITY.cert_pem.bytes(),)
VERSIONS = [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION]
NOW = dt.datetime.now(dt.UTC)
HOUR = dt.timedelta(hours=1)


class WallClock:
    def __init__(self):
        self.now = NOW

    def __call__(self):
        return self.now.timestamp()


class Talks(Protocol):
    """A server that says something, so that the tickets behind the handshake are read, too."""

    def connectionMade(self):
        self.transport.write(b"welcome")


@implementer(IOpenSSLServerConnectionCreator)
class Proxy:
    """A server that gives out tickets; `kinds` says of each handshake what it was."""

    def __init__(self, version=SSL.TLS1_3_VERSION, authority=AUTHORITY, **issued):
        self.context = SSL.Context(SSL.TLS_SERVER_METHOD)
        self.context.set_min_proto_version(version)
        self.context.set_max_proto_version(version)
        authority.issue_cert("proxy.example", **issued).configure_cert(self.context)
        self.kinds = []

    def serverConnectionForTLS(self, protocol):
        return SSL.Connection(self.context, None)


def meet(proxy, sessions, *, host="proxy.example", cut=False, **options):
    """One connection from its handshake to its end; the error, if it was refused."""
    clock, outcome = Clock(), []
    tls = TlsOptions(**{"ca": CA, **options}, sessions=sessions)
    handshake = Handshake(Target(host, 443), tls, Plain, clock)
    server = TLSMemoryBIOFactory(proxy, False, Factory.forProtocol(Talks), clock)
    server = server.buildProtocol(None)
    handshake.done.addCallbacks(lambda _: outcome.append(None), lambda f: outcome.append(f.value))
    connection = Connection(handshake.transport, server, clock)
    if outcome == [None]:
        reused = lib.SSL_session_reused(server.getHandle()._ssl)
        proxy.kinds.append("resumed" if reused else "full")
        if cut:
            handshake.transport.abortConnection()
        else:
            handshake.transport.loseConnection()
        connection.pump()
    return outcome[0]


@pytest.fixture
def wall():
    return WallClock()


@pytest.fixture
def sessions(wall):
    return Sessions(wall)


@pytest.mark.parametrize("cut", [False, True])
@pytest.mark.parametrize("version", VERSIONS)
def test_a_device_resumes_whether_its_connection_was_closed_or_cut(sessions, version, cut):
    proxy = Proxy(version)
    for _ in range(4):
        assert meet(proxy, sessions, cut=cut) is None
    assert proxy.kinds == ["full", "resumed", "resumed", "resumed"]


@pytest.mark.parametrize("version", VERSIONS)
def test_without_a_place_for_sessions_every_handshake_is_full(version):
    proxy = Proxy(version)
    for _ in range(2):
        meet(proxy, None)
    assert proxy.kinds == ["full", "full"]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_proxy_that_was_restarted_is_met_with_a_full_handshake(sessions, version):
    meet(Proxy(version), sessions)
    restarted = Proxy(version)
    for _ in range(2):
        assert meet(restarted, sessions) is None
    assert restarted.kinds == ["full", "resumed"]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_session_is_not_used_longer_than_the_certificate(sessions, wall, version):
    proxy = Proxy(version, not_after=NOW + HOUR)
    for _ in range(2):
        meet(proxy, sessions)
    wall.now += HOUR
    meet(proxy, sessions)
    assert proxy.kinds == ["full", "resumed", "full"]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_session_with_a_server_that_was_not_accepted_is_not_kept(sessions, version):
    unknown = Proxy(version, trustme.CA())
    assert meet(unknown, sessions, reject_unauthorized=False) is None  # the program overlooks it
    error = meet(unknown, sessions)
    assert error.code == "UNABLE_TO_VERIFY_LEAF_SIGNATURE"
    assert unknown.kinds == ["full"]


@pytest.mark.parametrize("version", VERSIONS)
def test_the_name_is_checked_of_a_resumed_session_as_well(sessions, version):
    proxy = Proxy(version)
    meet(proxy, sessions)
    error = meet(proxy, sessions, host="other.example")
    assert error.code == "ERR_TLS_CERT_ALTNAME_INVALID"
    meet(proxy, sessions)
    assert proxy.kinds == ["full", "full"]


@pytest.mark.parametrize("version", VERSIONS)
def test_with_other_authorities_a_session_is_not_resumed(sessions, version):
    proxy = Proxy(version)
    meet(proxy, sessions)
    error = meet(proxy, sessions, ca=(trustme.CA().cert_pem.bytes(),))
    assert error.code == "UNABLE_TO_VERIFY_LEAF_SIGNATURE"


def test_a_handshake_that_tls_ends_is_followed_by_a_full_one(sessions):
    proxy = Proxy(SSL.TLS1_2_VERSION)
    meet(proxy, sessions)
    picky = Proxy(SSL.TLS1_3_VERSION)
    picky.context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT)
    picky.context.set_max_proto_version(SSL.TLS1_2_VERSION)
    picky.context.set_min_proto_version(SSL.TLS1_2_VERSION)
    assert meet(picky, sessions) is not None
    meet(proxy, sessions)
    assert proxy.kinds == ["full", "full"]


def test_all_tunnels_of_a_device_share_one_place_for_sessions():
    device = Device()
    for _ in range(2):
        device.stand(Plain)
        device.proxy.tunnels[-1].abortConnection()
        device.pump()
    places = [tls.sessions for _target, tls in device.proxy.dials]
    assert len(places) == 2
    assert isinstance(places[0], Sessions)
    assert places[0] is places[1]
