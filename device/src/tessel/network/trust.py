"""Checks a target's certificate chain and name, and reports faults as Node does.

As in Node, the handshake itself accepts any certificate. The check follows before the first byte of
the program is sent. So the error can name the fault, and `reject_unauthorized=False` can ignore it.
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import cast

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from OpenSSL import SSL, crypto
from OpenSSL.crypto import X509Store
from service_identity import CertificateError, VerificationError
from service_identity.hazmat import DNS_ID, DNSPattern
from service_identity.pyopenssl import verify_hostname, verify_ip_address
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.protocols.tls import TLSMemoryBIOProtocol
from zope.interface import implementer

from streamplex.conversation import WRONG_NAME, verify_error
from streamplex.tx.tls import write_whole_pieces
from tessel.addresses import literal
from tessel.errors import NodeError
from tessel.network.interface import TlsOptions

LONGEST_NAME = 255  # bytes; OpenSSL rejects longer names
CONTEXTS_KEPT = 8  # loading the system's authorities takes tens of ms; programs use few sets

# X509_V_ERR_* of OpenSSL for certificates of an unknown issuer
UNKNOWN_AUTHORITY = frozenset(verify_error(number).code for number in (2, 18, 19, 20, 21))


@implementer(IOpenSSLClientConnectionCreator)
class Verification:
    """Checks the certificate chain and the name of the target of one connection.

    `rejects` is False if the program accepts any certificate. The constructor raises NodeError if
    the name is not a valid host name, or if `ca` is not PEM.
    """

    def __init__(self, host: str, tls: TlsOptions) -> None:
        self._name = tls.servername or host  # Node checks the name that SNI asked for
        self._ascii = _idna(self._name)
        self._sends_name = tls.servername != "" and literal(self._name) is None
        self._context = _context(tls.ca)
        self._chain_fault: int | None = None
        self._sessions = tls.sessions
        self._ends: datetime | None = None  # the earliest expiry in the chain
        self.rejects = tls.reject_unauthorized is not False

    def clientConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """Return a new TLS connection for Twisted, with SNI and a session to resume."""
        del tlsProtocol
        connection = SSL.Connection(self._context, None)
        connection.set_verify(SSL.VERIFY_PEER, self._let_through)
        if self._sends_name:
            connection.set_tlsext_host_name(self._ascii)
        if self._sessions is not None:
            self._ends = self._sessions.resume(connection)
        return connection

    def keep_session(self, connection: SSL.Connection) -> None:
        """Keep the TLS session of an accepted connection, for the next connection to the target."""
        if self._sessions is not None and self._ends is not None:
            self._sessions.keep(connection, self._ends)

    def forget_session(self) -> None:
        """Drop the kept TLS session, because the target was not accepted or TLS failed."""
        if self._sessions is not None:
            self._sessions.forget()

    def verdict(self, connection: SSL.Connection) -> NodeError | None:
        """Return the fault of the target's certificate chain or name; None: accepted.

        Call it after the handshake. The fault has the code that Node reports.
        """
        if self._chain_fault is not None:
            return _chain_error(self._chain_fault)
        try:
            self._check_name(connection)
        except (VerificationError, CertificateError, ValueError):  # ValueError: not a host name
            if self._is_common_name(connection):
                return None
            return NodeError(
                f"{WRONG_NAME.text}: {self._name} is not in the certificate", WRONG_NAME.code
            )
        return None

    def _is_common_name(self, connection: SSL.Connection) -> bool:
        """Return whether the common name is the host's, as in Node without alternative DNS names.

        Public authorities issue no such certificates any more; private ones do.
        """
        certificate = connection.get_peer_certificate(as_cryptography=True)
        if certificate is None or literal(self._name) is not None or _dns_names(certificate):
            return False
        return any(_fits(name, self._ascii) for name in _common_names(certificate))

    def _let_through(
        self,
        connection: SSL.Connection,
        certificate: crypto.X509,
        fault: int,
        depth: int,
        fine: int,
    ) -> bool:
        del connection, depth
        if self._sessions is not None:
            ends = certificate.to_cryptography().not_valid_after_utc
            self._ends = ends if self._ends is None else min(self._ends, ends)
        if not fine:
            self._chain_fault = fault  # the last fault is the one that Node reports
        return True

    def _check_name(self, connection: SSL.Connection) -> None:
        address = literal(self._name)
        if address is None:
            verify_hostname(connection, self._ascii.decode())
        else:
            verify_ip_address(connection, str(address))


def _dns_names(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    except ValueError:  # unreadable names count as alternative names
        return [""]
    return names.get_values_for_type(x509.DNSName)


def _common_names(certificate: x509.Certificate) -> list[str]:
    parts = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return [part.value for part in parts if isinstance(part.value, str)]


def _fits(common_name: str, host: bytes) -> bool:
    """Return whether a common name matches the host. A common name may be any text."""
    try:
        return DNS_ID(host.decode()).verify(DNSPattern.from_bytes(common_name.encode("ascii")))
    except (CertificateError, ValueError):
        return False


def peer_der(connection: SSL.Connection) -> bytes | None:
    """Return the peer's certificate in DER; None if it sent none."""
    certificate = connection.get_peer_certificate(as_cryptography=True)
    return None if certificate is None else certificate.public_bytes(Encoding.DER)


def _idna(name: str) -> bytes:
    """Return a host name in the form of the ClientHello and of certificates."""
    bare = name.rstrip(".")
    try:
        data = bare.encode("ascii") if bare.isascii() else bare.encode("idna")
    except UnicodeError:
        data = b""
    if not 0 < len(data) <= LONGEST_NAME or b"\0" in data:
        raise NodeError(f"{name!r} is no name for TLS", "ERR_INVALID_ARG_VALUE")
    return data


def _chain_error(fault: int) -> NodeError:
    code, text = verify_error(fault)
    return NodeError(text, code)


@lru_cache(CONTEXTS_KEPT)
def _context(ca: tuple[bytes, ...] | None) -> SSL.Context:
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    write_whole_pieces(context)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    if ca is None:
        context.set_default_verify_paths()
        return context
    store = cast("X509Store", context.get_cert_store())
    for certificate in _authorities(ca):
        store.add_cert(crypto.X509.from_cryptography(certificate))
    return context


def _authorities(ca: tuple[bytes, ...]) -> list[x509.Certificate]:
    try:
        return [one for pem in ca for one in x509.load_pem_x509_certificates(pem)]
    except ValueError as error:
        raise NodeError(f"The option 'ca' is not PEM: {error}", "ERR_INVALID_ARG_VALUE") from error
