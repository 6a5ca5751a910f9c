"""TLS between two ends in memory, for tests of the proxy's side."""

from datetime import UTC, datetime

from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.ssl import Certificate, optionsForClientTLS
from twisted.internet.task import Clock
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.test.iosim import connectedServerAndClient
from zope.interface import implementer

NOW = datetime.now(UTC)  # OpenSSL always uses the real clock


def at(now):
    """A wall clock with a fixed time."""
    return now.timestamp


class End(Protocol):
    """One end of a TLS connection, which records received bytes."""

    def __init__(self):
        self.received = b""
        self.lost = None

    def dataReceived(self, data):
        self.received += data

    def connectionLost(self, reason):
        self.lost = reason.value


@implementer(IOpenSSLClientConnectionCreator)
class Client:
    """A client with a TLS context that does not check certificates."""

    def __init__(self, context):
        self._context = context

    def clientConnectionForTLS(self, protocol):
        return SSL.Connection(self._context, None)


def trusting(config, name="proxy.example", acceptableProtocols=None, **more):
    authority = config.cert_file.with_name("authority-cert.pem").read_bytes()
    return optionsForClientTLS(
        name,
        trustRoot=Certificate.loadPEM(authority),
        acceptableProtocols=acceptableProtocols,
        extraCertificateOptions=more,
    )


def shake_hands(server_options, client_options):
    server, client, clock = End(), End(), Clock()
    server_factory = Factory.forProtocol(lambda: server)
    client_factory = Factory.forProtocol(lambda: client)
    tls_server = TLSMemoryBIOFactory(server_options, False, server_factory, clock)
    tls_client = TLSMemoryBIOFactory(client_options, True, client_factory, clock)
    _, _, pump = connectedServerAndClient(
        lambda: tls_server.buildProtocol(None), lambda: tls_client.buildProtocol(None)
    )

    def flush():
        clock.advance(0)  # TLS collects the writes of one turn
        pump.flush()

    flush()
    return server, client, flush


def shown_to(client):
    """Return the certificate that the client received."""
    return client.transport.getPeerCertificate().to_cryptography()


def axtls(config=None):
    """A client like a Tessel 1: its TLS version, ciphers and trusted authority."""
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_cipher_list(b"AES128-SHA:AES256-SHA:@SECLEVEL=0")
    context.set_max_proto_version(SSL.TLS1_1_VERSION)
    if config is not None:
        authority = config.legacy_cert_file.with_name("tessel-1-authority-cert.pem")
        context.load_verify_locations(str(authority))
        context.set_verify(SSL.VERIFY_PEER)
    return Client(context)
