"""TLS servers in memory, with certificates of an authority that tests may trust."""

from dataclasses import dataclass

import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from zope.interface import implementer

AUTHORITY = trustme.CA()


@dataclass(frozen=True)
class Identity:
    """A server's key and certificate."""

    key: object
    certificate: x509.Certificate


def private(certificate):
    return Identity(
        load_pem_private_key(certificate.private_key_pem.bytes(), None),
        x509.load_pem_x509_certificate(certificate.cert_chain_pems[0].bytes()),
    )


@implementer(IOpenSSLServerConnectionCreator)
class Serving:
    """TLS as a server; `names` are those that clients asked for."""

    def __init__(self, identity):
        self.names = []
        self.context = SSL.Context(SSL.TLS_SERVER_METHOD)
        self.context.use_privatekey(identity.key)
        self.context.use_certificate(identity.certificate)
        self.context.set_tlsext_servername_callback(
            lambda connection: self.names.append(connection.get_servername())
        )

    def serverConnectionForTLS(self, protocol):
        return SSL.Connection(self.context, None)


def issued(*names, **options):
    return private(AUTHORITY.issue_cert(*names, **options))
