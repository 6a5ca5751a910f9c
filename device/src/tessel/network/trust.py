"""Checks a target's certificate chain and name, and reports faults as Node does.

As in Node, the handshake itself accepts any certificate. The check follows before the first byte of
the program is sent. So the error can name the fault, and `reject_unauthorized=False` can ignore it.
"""

from __future__ import annotations

from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL, crypto
from service_identity import CertificateError, VerificationError
from service_identity.pyopenssl import verify_hostname, verify_ip_address
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.protocols.tls import TLSMemoryBIOProtocol
from zope.interface import implementer

from streamplex.conversation import WRONG_NAME, verify_error
from tessel.addresses import literal
from tessel.errors import NodeError
from tessel.network.certificate_names import is_common_name, why_not
from tessel.network.interface import TlsOptions
from tessel.network.tls_context import context_for

DER = crypto.FILETYPE_ASN1
LONGEST_NAME = 255  # bytes; OpenSSL rejects longer names
LONGEST_PROTOCOL = 255  # bytes; one byte holds the length (RFC 7301)
MOST_PROTOCOL_BYTES = 65_535  # of all names with their lengths, in the ClientHello

# X509_V_ERR_* of OpenSSL for certificates of an unknown issuer
UNKNOWN_AUTHORITY = frozenset(verify_error(number).code for number in (2, 18, 19, 20, 21))


@implementer(IOpenSSLClientConnectionCreator)
class Verification:
    """Checks the certificate chain and the name of the target of one connection.

    `rejects` is False if the program accepts any certificate. The constructor raises NodeError if
    the name is not a valid host name, or if an option is wrong.
    """

    def __init__(self, host: str, tls: TlsOptions) -> None:
        self._name = tls.servername or host  # Node checks the name that SNI asked for
        self._ascii = _idna(self._name)
        self._sends_name = tls.servername != "" and literal(self._name) is None
        self._context = context_for(tls)
        self._protocols = _protocols(tls.alpn_protocols or ())
        self._checks_name = tls.check_name
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
        if self._protocols:
            connection.set_alpn_protos(self._protocols)
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
        certificate = connection.get_peer_certificate(as_cryptography=True)
        if certificate is None:  # possible with anonymous ciphers
            return NodeError("The target sent no certificate", "UNSPECIFIED")
        if not self._checks_name or self._is_named(connection, certificate):
            return None
        return _name_error(certificate, self._name)

    def _is_named(self, connection: SSL.Connection, certificate: x509.Certificate) -> bool:
        try:
            self._check_name(connection)
        except (VerificationError, CertificateError, ValueError):  # ValueError: not a host name
            return is_common_name(certificate, self._ascii.decode())
        return True

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


def peer_der(connection: SSL.Connection) -> bytes | None:
    """Return the peer's certificate in DER; None if it sent none.

    It may be one that `cryptography` cannot read.
    """
    certificate = connection.get_peer_certificate()
    return None if certificate is None else crypto.dump_certificate(DER, certificate)


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


def _name_error(certificate: x509.Certificate, name: str) -> NodeError:
    """Return Node's error for a certificate of another host; `cert` in its details is DER."""
    reason = why_not(certificate, name.removesuffix("."))
    error = NodeError(f"{WRONG_NAME.text}: {reason}", WRONG_NAME.code)
    error.details = {
        "reason": reason,
        "host": name,
        "cert": certificate.public_bytes(Encoding.DER),
    }
    return error


def _protocols(names: tuple[bytes, ...]) -> list[bytes]:
    """Return the protocols for ALPN; raises NodeError if a name is empty or too long."""
    for number, name in enumerate(names):
        if not 0 < len(name) <= LONGEST_PROTOCOL:
            raise NodeError(
                f"The option 'alpn_protocols' must have names of 1 to {LONGEST_PROTOCOL} bytes."
                f" Number {number} has {len(name)}",
                "ERR_OUT_OF_RANGE",
            )
    if sum(1 + len(name) for name in names) > MOST_PROTOCOL_BYTES:
        raise NodeError(
            f"The option 'alpn_protocols' has more than {MOST_PROTOCOL_BYTES} bytes",
            "ERR_OUT_OF_RANGE",
        )
    return list(names)
