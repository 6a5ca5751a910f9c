"""The proxy's end of TLS with devices. Reloaded certificates apply to new connections."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from OpenSSL import SSL
from OpenSSL.crypto import X509, X509Store
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.internet.ssl import (
    AcceptableCiphers,
    CertificateOptions,
    TLSVersion,
)
from twisted.logger import Logger
from twisted.protocols.tls import TLSMemoryBIOProtocol
from zope.interface import implementer

from streamplex.tx.endings import openssl_reasons
from streamplex.tx.tls_contexts import ignore_alpn, write_whole_pieces
from tessel_proxy.files.reloadable import stamps_of
from tessel_proxy.front.identity import IdentityFiles, TLSIdentity
from tessel_proxy.front.settings import FrontSettings
from tessel_proxy.front.tickets import TICKET_KEYS_S, TicketKeys
from tessel_proxy.records.error_codes import ErrorCode
from tessel_proxy.records.repeated_lines import EachLine, LineKind, LogLines, Write
from tessel_service_kit.clocks import WallTime
from tessel_service_kit.settings import ConfigError, SecretFile

# With forward secrecy and authenticated encryption, as all of TLS 1.3 have. AES-128 first: it costs
# the least, and is as strong in practice.
CIPHERS_1_3 = b"TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
CIPHERS = (
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
)


@dataclass(frozen=True, slots=True)
class TLSProfile:
    """The TLS options for one kind of device (current devices or Tessel 1 boards)."""

    name: str  # of the certificate, for the log
    options: Callable[[TLSIdentity, TicketKeys], CertificateOptions]
    faults: Callable[[TLSIdentity], Sequence[str]]
    """Why such devices could not use this certificate or key, although OpenSSL accepts it."""


@implementer(IOpenSSLServerConnectionCreator)
class ServerTLS:
    """Creates the proxy's end of TLS connections; reloaded files affect new connections only."""

    _log = Logger()

    def __init__(self, files: IdentityFiles, wall_time: WallTime, dialect: TLSProfile) -> None:
        """Load the files; raises ConfigError with all their faults.

        `dialect`: the TLS options for the kind of device. `wall_time` returns seconds since 1970.
        """
        self._files = files
        self._wall_time = wall_time
        self._dialect = dialect
        self.lines: LogLines = EachLine()  # about refused certificates of devices
        self.reload()

    @property
    def name(self) -> str:
        """The name of the certificate in the log."""
        return self._dialect.name

    @property
    def warnings(self) -> Sequence[str]:
        """Sentences for the operator about parts of the files that cannot be used."""
        return self.identity.warnings

    @property
    def paths(self) -> Sequence[Path]:
        """The files of certificate, key and client authorities."""
        return self._files.paths

    def reload(self) -> None:
        """Load the files again. A faulty file raises ConfigError, and the former content stays."""
        files = self._files
        self.stamps = stamps_of(files.paths)
        identity = files.load(utc(self._wall_time()))
        if faults := self._dialect.faults(identity):
            raise ConfigError([f"{files.cert_source}: {fault}" for fault in faults])
        try:
            self.use(identity)
        except SSL.Error as error:
            both = f"{files.cert_source}, {files.key_source}"
            why = openssl_reasons(error) or "unknown reason"
            raise ConfigError([f"{both} cannot be used: {why}"]) from error

    def use(self, identity: TLSIdentity) -> None:
        """Use this identity for new connections, with new ticket keys.

        Raises SSL.Error if OpenSSL rejects it; the former identity then stays in use.
        """
        keys = TicketKeys(identity, self._wall_time(), self._log_line)
        options = self._dialect.options(identity, keys)
        write_whole_pieces(options.getContext())
        ignore_alpn(options.getContext())
        self._options = options
        self._keys = keys
        self.identity = identity

    def serverConnectionForTLS(self, protocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """Called by Twisted for each connection: returns its OpenSSL connection.

        Ticket keys that are too old are replaced first.
        """
        if not self._keys.are_usable(self._wall_time()):
            self._renew_keys()
        return self._options.serverConnectionForTLS(protocol)

    def _log_line(self, kind: LineKind, write: Write) -> None:
        self.lines.log(kind, write)

    def _renew_keys(self) -> None:
        """Make new ticket keys, which invalidates all tickets."""
        self.use(self.identity)
        for fault in self.identity.revocations.expired(utc(self._wall_time())):
            self._log.error(
                "{fault}",
                event="revocations_expired",
                fault=f"CLIENT_CRL_FILE: {fault}",
                error=ErrorCode.REVOCATIONS_EXPIRED.value,
            )


def server_tls(
    config: FrontSettings, wall_time: WallTime, key_pass_file: SecretFile | None = None
) -> ServerTLS:
    """Return the TLS of PORT, for current devices; raises ConfigError if a file is faulty.

    `key_pass_file`: file of the key's passphrase, read again at each reload; None: KEY_PASS is
    used, if set.
    """
    files = IdentityFiles(
        config.cert_file,
        config.key_file,
        config.key_pass,
        config.client_ca_file,
        config.client_crl_file,
        key_pass_file=key_pass_file,
    )
    return ServerTLS(files, wall_time, CURRENT)


def _options(identity: TLSIdentity, keys: TicketKeys) -> CertificateOptions:
    # Twisted's types accept only pyOpenSSL's own objects, which pyOpenSSL has deprecated. At run
    # time Twisted passes the objects of cryptography on to pyOpenSSL.
    options = CertificateOptions(
        privateKey=identity.key,  # type: ignore[arg-type] # as above
        certificate=identity.certificate,  # type: ignore[arg-type] # as above
        extraCertChain=list(identity.chain),  # type: ignore[arg-type] # as above
        raiseMinimumTo=TLSVersion.TLSv1_2,
        acceptableCiphers=AcceptableCiphers.fromOpenSSLCipherString(CIPHERS),
        enableSessionTickets=True,
    )
    context = options.getContext()
    context.set_tls13_ciphersuites(CIPHERS_1_3)
    context.set_timeout(TICKET_KEYS_S)
    if identity.client_authorities:
        _ask_for_certificates(context, identity, keys)
    return options


def _ask_for_certificates(context: SSL.Context, identity: TLSIdentity, keys: TicketKeys) -> None:
    """Require a certificate of one of the client authorities, whose names are sent to devices."""
    store = cast("X509Store", context.get_cert_store())  # every context has one
    for each in identity.client_authorities:
        store.add_cert(X509.from_cryptography(each))
        context.add_client_ca(each)
    identity.revocations.check_with(store)
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, keys.verified)


CURRENT = TLSProfile("the certificate", _options, lambda _identity: ())


def utc(seconds: float) -> datetime:
    """Return a time in seconds since 1970 as a datetime in UTC, to compare with certificates."""
    return datetime.fromtimestamp(seconds, UTC)
