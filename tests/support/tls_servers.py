"""TLS servers on loopback whose versions, ciphers and certificates a test chooses."""

import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL, crypto
from twisted.internet.interfaces import IOpenSSLContextFactory
from twisted.internet.protocol import Protocol
from zope.interface import implementer

AUTHORITY = trustme.CA()
REQUIRED = SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT


def der(pem):
    return x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)


class Greeting(Protocol):
    """A server that writes at once."""

    def connectionMade(self):
        self.transport.write(b"welcome")


@implementer(IOpenSSLContextFactory)
class TlsServer:
    """A TLS server with a certificate of the authority, which a test may change."""

    def __init__(self, *names, issuer=AUTHORITY, **issued):
        self.context = SSL.Context(SSL.TLS_SERVER_METHOD)
        self.issued = issuer.issue_cert(*(names or ("localhost", "127.0.0.1")), **issued)
        self.issued.configure_cert(self.context)
        self.asked = []

    def getContext(self):
        return self.context

    def versions(self, lowest, highest):
        self.context.set_min_proto_version(lowest)
        self.context.set_max_proto_version(highest)
        return self

    def with_ciphers(self, names):
        self.context.set_cipher_list(names)
        return self

    def choosing(self, protocol):
        """Choose this protocol (ALPN), if it is offered; `asked` has all offers."""
        self.context.set_alpn_select_callback(lambda _, offered: self._choose(offered, protocol))
        return self

    def _choose(self, offered, protocol):
        self.asked.append(offered)
        return protocol if protocol in offered else SSL.NO_OVERLAPPING_PROTOCOLS

    def asking(self):
        """Require a client certificate of the authority."""
        authority = x509.load_pem_x509_certificate(AUTHORITY.cert_pem.bytes())
        self.context.get_cert_store().add_cert(crypto.X509.from_cryptography(authority))
        self.context.set_verify(REQUIRED)
        return self


def speaks(data):
    """A server that writes these bytes and speaks no TLS."""

    class Speaking(Protocol):
        def connectionMade(self):
            self.transport.write(data)

    return Speaking


class Echo(Protocol):
    def dataReceived(self, data):
        self.transport.write(data)
