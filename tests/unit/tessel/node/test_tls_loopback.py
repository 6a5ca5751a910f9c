"""`tls.connect` and `https` with TLS options against servers on loopback."""

import random

import pytest
import pytest_twisted
from cryptography import x509
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory
from twisted.internet.task import deferLater
from twisted.web.resource import Resource
from twisted.web.server import Site

from support.tls_servers import AUTHORITY, Greeting, TlsServer
from tessel.board import Board
from tessel.node import https, tls

CA = AUTHORITY.cert_pem.bytes().decode()
DEVICE = AUTHORITY.issue_cert("device.example")
CERT, KEY = (
    DEVICE.cert_chain_pems[0].bytes().decode(),
    DEVICE.private_key_pem.bytes().decode(),
)


@pytest.fixture
def board():
    uncaught = []
    board = Board(reactor, {"RADIO": "host"}, random.random, uncaught=uncaught.append)
    board.power_on()
    yield board
    https.global_agent.destroy()
    pytest_twisted.blockon(deferLater(reactor, 0.05, lambda: None))  # for what is closing to close
    pytest_twisted.blockon(Deferred.fromCoroutine(board.power_off()))
    assert uncaught == []


@pytest.fixture
def serving(board):
    """A function that opens a TLS server and returns its port."""
    ports = []

    def serve(server, factory=None):
        factory = factory or Factory.forProtocol(Greeting)
        ports.append(reactor.listenSSL(0, factory, server, interface="127.0.0.1"))
        return ports[-1].getHost().port

    yield serve
    for port in ports:
        pytest_twisted.blockon(port.stopListening())


def events(socket):
    """A Deferred that fires at `secureConnect` or with the code of `error`."""
    done = Deferred()
    socket.once("secureConnect", lambda: done.callback("secureConnect"))
    socket.on("error", lambda error: done.called or done.callback(error))
    return done


@pytest_twisted.ensureDeferred
async def test_a_program_chooses_its_certificate_protocols_and_ciphers(serving):
    port = serving(TlsServer().asking().choosing(b"mqtt"))
    socket = tls.connect(
        {"host": "localhost", "port": port, "ca": CA, "cert": CERT, "key": [KEY]},
        alpn_protocols=["mqtt", b"x"],
        max_version="TLSv1.2",
        ciphers="ECDHE-ECDSA-AES256-GCM-SHA384",
    )
    assert await events(socket) == "secureConnect"
    assert socket.get_protocol() == "TLSv1.2"
    assert socket.get_cipher() == {
        "name": "ECDHE-ECDSA-AES256-GCM-SHA384",
        "standard_name": "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        "version": "TLSv1.2",
    }
    assert socket.alpn_protocol == "mqtt"
    assert socket.get_certificate()["subjectaltname"] == "DNS:device.example"
    assert socket.get_ephemeral_key_info() == {"type": "ECDH", "name": "X25519", "size": 253}
    assert not socket.is_session_reused()
    closed = Deferred()
    socket.on("close", closed.callback)
    socket.destroy()
    await closed
    assert socket.get_certificate() == socket.get_ephemeral_key_info() == {}
    assert socket.alpn_protocol is False


@pytest_twisted.ensureDeferred
async def test_a_detailed_certificate_has_its_issuer(serving):
    server = TlsServer(issuer=AUTHORITY.create_child_ca())
    socket = tls.connect({"host": "localhost", "port": serving(server), "ca": CA})
    assert await events(socket) == "secureConnect"
    plain = socket.get_peer_certificate()
    detailed = socket.get_peer_certificate(True)
    issuer = detailed.pop("issuer_certificate")
    assert detailed == plain
    assert issuer["subject"] == plain["issuer"]
    assert "issuer_certificate" not in issuer
    socket.destroy()


@pytest_twisted.ensureDeferred
async def test_a_wrong_option_is_the_sockets_error(serving):
    socket = tls.connect({"host": "localhost", "port": serving(TlsServer()), "key": "key.pem"})
    error = await events(socket)
    assert error.code == "ERR_OSSL_UNSUPPORTED"


@pytest_twisted.ensureDeferred
async def test_a_wrong_name_has_details(serving):
    port = serving(TlsServer("other.example"))
    error = await events(tls.connect({"host": "localhost", "port": port, "ca": CA}))
    assert error.code == "ERR_TLS_CERT_ALTNAME_INVALID"
    assert error.details["host"] == "localhost"


class Page(Resource):
    isLeaf = True

    def render_GET(self, request):
        shown = request.transport.getPeerCertificate()
        names = shown.to_cryptography().extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        )
        return names.value.get_values_for_type(x509.DNSName)[0].encode()


@pytest.mark.parametrize("by_agent", [False, True])
@pytest_twisted.ensureDeferred
async def test_a_request_shows_the_certificate_of_its_options_or_of_its_agent(serving, by_agent):
    port = serving(TlsServer().asking(), Site(Page()))
    own = {"ca": CA, "cert": CERT, "key": KEY}
    options = {"agent": https.Agent(**own)} if by_agent else own
    answer = Deferred()

    def read(response):
        response.set_encoding("utf8")
        response.on("data", answer.callback)

    request = https.get({"host": "localhost", "port": port, **options}, read)
    request.on("error", answer.errback)
    assert await answer == "device.example"
