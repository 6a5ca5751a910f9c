"""TLS options against TLS servers on loopback: what connections tell, and Node's error codes."""

import datetime as dt

import pytest
import pytest_twisted
import trustme
from OpenSSL import SSL, crypto
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory

from support.memory_tunnels import Plain
from support.tls_servers import AUTHORITY, Echo, Greeting, TlsServer, der, speaks
from tessel.errors import NodeError
from tessel.network.direct import DirectNetwork
from tessel.network.interface import Cipher, EphemeralKey, Target, TlsOptions
from tessel.network.routed import NoWatcher
from tessel.radio.host import HostRadio

CA = (AUTHORITY.cert_pem.bytes(),)
DEVICE = AUTHORITY.issue_cert("device.example")
CERT, KEY = (DEVICE.cert_chain_pems[0].bytes(),), (DEVICE.private_key_pem.bytes(),)
VERSION_3, VERSION_5 = b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x04"  # of a certificate
TLS_1_2, TLS_1_3 = SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION


class Client(Plain):
    """A protocol whose Deferreds fire with the first bytes and with the loss."""

    def __init__(self):
        super().__init__()
        self.heard, self.ended = Deferred(), Deferred()

    def dataReceived(self, data):
        super().dataReceived(data)
        if not self.heard.called:
            self.heard.callback(None)

    def connectionLost(self, reason):
        super().connectionLost(reason)
        self.ended.callback(None)


@pytest.fixture
def connected():
    """A function that connects to a server with TLS options, and returns the client."""
    ports, clients, radio = [], [], HostRadio(reactor)
    pytest_twisted.blockon(radio.power_on())

    async def connect(server, host="localhost", **options):
        factory = Factory.forProtocol(Greeting)
        if isinstance(server, TlsServer):
            port = reactor.listenSSL(0, factory, server, interface="127.0.0.1")
        else:
            port = reactor.listenTCP(0, Factory.forProtocol(server), interface="127.0.0.1")
        ports.append(port)
        target = Target(host, port.getHost().port, 4)
        network = DirectNetwork(radio, reactor)
        tls = TlsOptions(**{"ca": CA, **options})
        client = await network.connect_tls(target, Client, tls, NoWatcher())
        clients.append(client)
        return client

    yield connect
    for client in clients:
        if client.lost is None:
            client.transport.abortConnection()
            pytest_twisted.blockon(client.ended)
    for port in ports:
        pytest_twisted.blockon(port.stopListening())


async def refusal(connecting):
    with pytest.raises(NodeError) as raised:
        await connecting
    return raised.value


@pytest_twisted.ensureDeferred
async def test_a_connection_reports_its_version_cipher_and_certificates(connected):
    server = TlsServer().versions(TLS_1_2, TLS_1_2).with_ciphers(b"ECDHE-ECDSA-AES128-GCM-SHA256")
    secured = (await connected(server)).transport
    assert secured.protocol_version() == "TLSv1.2"
    assert secured.cipher() == Cipher(
        "ECDHE-ECDSA-AES128-GCM-SHA256", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "TLSv1.2"
    )
    assert secured.ephemeral_key() == EphemeralKey("ECDH", "X25519", 253)
    own = der(server.issued.cert_chain_pems[0].bytes())
    assert secured.peer_certificate_chain()[0] == secured.peer_certificate() == own
    assert secured.own_certificate() is None
    assert secured.alpn_protocol() is None
    assert not secured.session_reused()


@pytest_twisted.ensureDeferred
async def test_a_chain_is_reported_as_it_was_received(connected):
    server = TlsServer(issuer=AUTHORITY.create_child_ca())
    chain = (await connected(server)).transport.peer_certificate_chain()
    assert chain == [der(pem.bytes()) for pem in server.issued.cert_chain_pems]
    assert len(chain) == 2


@pytest_twisted.ensureDeferred
async def test_a_chain_may_have_a_certificate_that_only_openssl_can_read(connected):
    """A server may send anything besides its own certificate; it must not end the program."""
    odd = der(AUTHORITY.cert_pem.bytes()).replace(VERSION_3, VERSION_5)
    server = TlsServer()
    with pytest.deprecated_call():  # cryptography has no object for it
        server.context.add_extra_chain_cert(crypto.load_certificate(crypto.FILETYPE_ASN1, odd))
    secured = (await connected(server)).transport
    own = der(server.issued.cert_chain_pems[0].bytes())
    assert secured.peer_certificate_chain() == [own, odd]
    assert secured.verified_certificate_chain() == [own, der(AUTHORITY.cert_pem.bytes())]


@pytest_twisted.ensureDeferred
async def test_the_verified_chain_ends_with_the_authority_as_far_as_it_is_known(connected):
    server = TlsServer(issuer=AUTHORITY.create_child_ca())
    received = [der(pem.bytes()) for pem in server.issued.cert_chain_pems]
    chain = (await connected(server)).transport.verified_certificate_chain()
    assert chain == [*received, der(AUTHORITY.cert_pem.bytes())]
    unknown = await connected(server, ca=(), reject_unauthorized=False)
    assert unknown.transport.verified_certificate_chain() == received


@pytest.mark.parametrize(
    ("options", "version"),
    [
        ({}, "TLSv1.3"),
        ({"max_version": "TLSv1.2"}, "TLSv1.2"),
        ({"min_version": "TLSv1.3"}, "TLSv1.3"),
        ({"ciphers": "ECDHE-ECDSA-AES128-GCM-SHA256"}, "TLSv1.3"),
        ({"ciphers": "TLS_AES_128_GCM_SHA256"}, "TLSv1.3"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_versions_and_ciphers_limit_the_connection(connected, options, version):
    secured = (await connected(TlsServer(), **options)).transport
    assert secured.protocol_version() == version
    wanted = options.get("ciphers", "")
    assert secured.cipher().name == wanted or not wanted.startswith("TLS_")


@pytest_twisted.ensureDeferred
async def test_versions_before_1_2_need_to_be_named_as_in_node(connected):
    old = (
        TlsServer().versions(SSL.TLS1_VERSION, SSL.TLS1_1_VERSION).with_ciphers(b"ALL:@SECLEVEL=0")
    )
    error = await refusal(connected(old))
    assert error.code == "ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION"
    client = await connected(old, min_version="TLSv1", ciphers="ALL:@SECLEVEL=0")
    assert client.transport.protocol_version() == "TLSv1.1"
    assert client.transport.cipher().version == "TLSv1.0"


@pytest.mark.parametrize(
    ("chosen", "told"), [(b"http/1.1", b"http/1.1"), (b"h2", b"h2"), (b"h3", None)]
)
@pytest_twisted.ensureDeferred
async def test_the_server_chooses_of_the_offered_protocols(connected, chosen, told):
    server = TlsServer().choosing(chosen)
    client = await connected(server, alpn_protocols=(b"h2", b"http/1.1"))
    assert client.transport.alpn_protocol() == told
    assert server.asked == [[b"h2", b"http/1.1"]]


@pytest.mark.parametrize(
    "protocols", [(b"",), (b"h2", b"x" * 256), tuple(b"%0255d" % n for n in range(256))]
)
@pytest_twisted.ensureDeferred
async def test_protocols_that_alpn_cannot_carry_are_an_error(connected, protocols):
    error = await refusal(connected(TlsServer(), alpn_protocols=protocols))
    assert error.code == "ERR_OUT_OF_RANGE"
    assert "'alpn_protocols'" in str(error)


@pytest.mark.parametrize("version", [TLS_1_2, TLS_1_3])
@pytest_twisted.ensureDeferred
async def test_a_server_that_asks_gets_the_clients_certificate(connected, version):
    client = await connected(TlsServer().asking().versions(version, version), cert=CERT, key=KEY)
    await client.heard
    assert bytes(client.data) == b"welcome"
    assert client.transport.own_certificate() == der(CERT[0])


@pytest_twisted.ensureDeferred
async def test_without_a_certificate_a_server_that_requires_one_ends_tls_1_2_handshakes(connected):
    server = TlsServer().asking().versions(TLS_1_2, TLS_1_2)
    error = await refusal(connected(server))
    assert error.code == "ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE"


@pytest_twisted.ensureDeferred
async def test_without_a_certificate_a_server_that_requires_one_ends_tls_1_3_later(connected):
    client = await connected(TlsServer().asking())
    await client.ended
    error = client.lost.value
    assert isinstance(error, NodeError)
    assert error.code == "ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED"
    assert str(error) == "TLS failed: tlsv13 alert certificate required"


@pytest.mark.parametrize(
    ("version", "options"),
    [(TLS_1_2, {"min_version": "TLSv1.3"}), (TLS_1_3, {"max_version": "TLSv1.2"})],
)
@pytest_twisted.ensureDeferred
async def test_no_common_version_is_reported_by_the_servers_alert(connected, version, options):
    error = await refusal(connected(TlsServer().versions(version, version), **options))
    assert error.code == "ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION"
    assert error.details["library"] == "SSL routines"


@pytest_twisted.ensureDeferred
async def test_no_common_cipher_is_reported_by_the_servers_alert(connected):
    server = TlsServer().versions(TLS_1_2, TLS_1_2).with_ciphers(b"ECDHE-ECDSA-AES128-GCM-SHA256")
    error = await refusal(connected(server, ciphers="ECDHE-ECDSA-AES256-GCM-SHA384"))
    assert error.code == "ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE"


@pytest.mark.parametrize(
    ("server", "code"),
    [
        (speaks(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "ERR_SSL_WRONG_VERSION_NUMBER"),
        (speaks(b"SSH-2.0-OpenSSH_9.6\r\n"), "ERR_SSL_WRONG_VERSION_NUMBER"),
        (Echo, "ERR_SSL_UNEXPECTED_MESSAGE"),
        (speaks(bytes.fromhex("15030300020231")), "ERR_SSL_TLSV1_ALERT_ACCESS_DENIED"),
        (speaks(bytes.fromhex("15030300020270")), "ERR_SSL_TLSV1_UNRECOGNIZED_NAME"),
        (speaks(bytes.fromhex("15030300020278")), "ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL"),
        (speaks(bytes.fromhex("15030300020228")), "ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_a_peer_that_speaks_no_tls_or_refuses_it_has_nodes_code(connected, server, code):
    error = await refusal(connected(server))
    assert error.code == code
    assert str(error) == f"TLS handshake failed: {error.details['reason']}"


EXPIRED = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda: TlsServer(issuer=trustme.CA()), "UNABLE_TO_VERIFY_LEAF_SIGNATURE"),
        (lambda: TlsServer("localhost", not_after=EXPIRED), "CERT_HAS_EXPIRED"),
        (lambda: TlsServer("other.example"), "ERR_TLS_CERT_ALTNAME_INVALID"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_a_certificate_that_is_not_accepted_is_an_error_or_reported_if_overlooked(
    connected, make, code
):
    server = make()
    assert (await refusal(connected(server))).code == code
    secured = (await connected(server, reject_unauthorized=False)).transport
    assert not secured.authorized
    assert secured.authorization_error.code == code


@pytest.mark.parametrize(
    ("names", "host", "reason"),
    [
        (
            ("a.example", "192.0.2.1"),
            "localhost",
            "Host: localhost. is not in the cert's altnames: DNS:a.example, IP Address:192.0.2.1",
        ),
        (
            ("a.example", "192.0.2.1"),
            "127.0.0.1",
            "IP: 127.0.0.1 is not in the cert's list: 192.0.2.1",
        ),
        (("192.0.2.1",), "localhost", "Cert does not contain a DNS name"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_a_wrong_name_has_nodes_properties(connected, names, host, reason):
    server = TlsServer(*names)
    error = await refusal(connected(server, host))
    assert str(error) == f"Hostname/IP does not match certificate's altnames: {reason}"
    own = der(server.issued.cert_chain_pems[0].bytes())
    assert error.details == {"reason": reason, "host": host, "cert": own}


@pytest_twisted.ensureDeferred
async def test_without_a_check_of_the_name_only_the_chain_decides(connected):
    secured = (await connected(TlsServer("other.example"), check_name=False)).transport
    assert secured.authorized
    error = await refusal(connected(TlsServer("localhost", issuer=trustme.CA()), check_name=False))
    assert error.code == "UNABLE_TO_VERIFY_LEAF_SIGNATURE"


@pytest_twisted.ensureDeferred
async def test_a_target_without_a_certificate_is_not_accepted(connected):
    anonymous = TlsServer().versions(TLS_1_2, TLS_1_2).with_ciphers(b"AECDH-AES128-SHA:@SECLEVEL=0")
    options = {"ciphers": "AECDH-AES128-SHA:@SECLEVEL=0", "max_version": "TLSv1.2"}
    for check_name in (True, False):
        error = await refusal(connected(anonymous, check_name=check_name, **options))
        assert error.code == "UNSPECIFIED"
    client = await connected(anonymous, reject_unauthorized=False, **options)
    assert client.transport.peer_certificate_chain() == []
    assert not client.transport.authorized


@pytest_twisted.ensureDeferred
async def test_extra_authorities_are_trusted_besides_the_systems(connected):
    secured = (await connected(TlsServer(), ca=None, extra_ca=CA)).transport
    assert secured.authorized
    other = (trustme.CA().cert_pem.bytes(),)
    error = await refusal(connected(TlsServer(), ca=other, extra_ca=CA))  # as in Node
    assert error.code == "UNABLE_TO_VERIFY_LEAF_SIGNATURE"
