"""Verify the certificates of TLS targets. Errors have the codes and texts of Node."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

from OpenSSL import SSL
from OpenSSL.crypto import X509
from service_identity.exceptions import CertificateError, VerificationError
from service_identity.hazmat import DNS_ID, IPAddress_ID, ServiceID, verify_service_identity
from service_identity.pyopenssl import extract_patterns
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.ssl import CertificateOptions, TLSVersion, platformTrust
from twisted.protocols.tls import TLSMemoryBIOProtocol
from zope.interface import implementer

from streamplex.conversation import WRONG_NAME, VerifyError, verify_error
from streamplex.tx.tls_contexts import write_whole_pieces
from tessel_proxy.certificates.pem import MAX_PEM_BYTES, certificates_in, out_of_date
from tessel_proxy.egress.addresses import Address
from tessel_proxy.files.reloadable import stamps_of
from tessel_proxy.targets.node_errors import TargetError, not_verified
from tessel_service_kit.clocks import WallTime
from tessel_service_kit.files import FileError, bytes_of
from tessel_service_kit.settings import ConfigError

# X509_V_ERR_* of OpenSSL
_ISSUER_UNKNOWN = 20
_LEAF_UNVERIFIED = 21


class TargetTrust:
    """Holds the certificate authorities that targets are verified with.

    They are the system's, and those of TARGET_CA_FILE. `warnings` has a text for each authority in
    the file that is out of date.
    """

    def __init__(self, ca_file: Path | None, wall_time: WallTime = time.time) -> None:
        """Load the authorities. Raises ConfigError if the file cannot be used."""
        self._wall_time = wall_time
        self.paths = () if ca_file is None else (ca_file,)
        self.name = "the system's authorities" if ca_file is None else "TARGET_CA_FILE"
        self.reload()

    def reload(self) -> None:
        """Load the authorities again, also those of the system. They apply to new connections.

        Raises ConfigError if the file cannot be used; the earlier authorities then stay in force.
        """
        self.stamps = stamps_of(self.paths)
        options = CertificateOptions(trustRoot=platformTrust(), raiseMinimumTo=TLSVersion.TLSv1_2)
        warnings: list[str] = []
        for ca_file in self.paths:
            _trust_also(options, ca_file)
            warnings += _out_of_date_in(ca_file, datetime.fromtimestamp(self._wall_time(), UTC))
        write_whole_pieces(options.getContext())
        self._options = options
        self.warnings = warnings

    def connection(self, protocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """Return a new client end of TLS that trusts these authorities, for `protocol`."""
        return self._options.clientConnectionForTLS(protocol)


def _trust_also(options: CertificateOptions, ca_file: Path) -> None:
    try:
        bytes_of(ca_file, MAX_PEM_BYTES)  # OpenSSL would not report the reason, or would block
        options.getContext().load_verify_locations(str(ca_file))
    except FileError as error:
        raise ConfigError([f"TARGET_CA_FILE='{ca_file}' {error}"]) from error
    except SSL.Error as error:
        raise ConfigError(
            [f"TARGET_CA_FILE='{ca_file}' holds no certificates; allowed: a file of PEM"]
        ) from error


def _out_of_date_in(ca_file: Path, now: datetime) -> list[str]:
    """Warnings about authorities that have expired or are not valid yet. OpenSSL ignores them."""
    source = f"TARGET_CA_FILE='{ca_file}'"
    try:
        found = certificates_in(ca_file, source)
    except ConfigError:  # OpenSSL has read it: it knows more formats
        return []
    return [f"{source}: {fault}" for each in found if (fault := out_of_date(each, now))]


@implementer(IOpenSSLClientConnectionCreator)
class TargetVerification:
    """Makes the client end of TLS for one target, and verifies its certificate.

    `fault` is the error to report if the certificate is not valid, else None.
    """

    def __init__(self, trust: TargetTrust, host: Address | str) -> None:
        self._trust = trust
        self._host = host
        self.fault: TargetError | None = None

    def clientConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """Called by Twisted at the start of TLS: returns the verifying client end of TLS."""
        connection = self._trust.connection(tlsProtocol)
        if isinstance(self._host, str):
            connection.set_tlsext_host_name(self._host.encode("ascii"))
        connection.set_verify(SSL.VERIFY_PEER, self._judge)
        return connection

    def _judge(
        self, _connection: SSL.Connection, certificate: X509, number: int, depth: int, ok: int
    ) -> bool:
        """Called by OpenSSL for each certificate, the target's last. False ends the handshake."""
        if not ok:
            self.fault = not_verified(*_fault(number, depth))
        elif depth == 0 and not _names(certificate, self._host):
            self.fault = not_verified(*WRONG_NAME)
        return self.fault is None


def _fault(number: int, depth: int) -> VerifyError:
    if number == _ISSUER_UNKNOWN and depth == 0:
        # Node reports this code when the target sends only its own certificate.
        number = _LEAF_UNVERIFIED
    return verify_error(number)


def _names(certificate: X509, host: Address | str) -> bool:
    """Is the certificate for this host?"""
    expected: ServiceID
    match host:
        case IPv4Address() | IPv6Address():
            expected = IPAddress_ID(str(host))
        case str():
            expected = DNS_ID(host)
    try:
        verify_service_identity(extract_patterns(certificate), [expected], [])
    except (VerificationError, CertificateError, ValueError):  # also names that are malformed
        return False
    return True
