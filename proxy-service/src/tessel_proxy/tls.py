"""CERT_FILE, KEY_FILE, KEY_PASS -> the proxy's side of TLS, after a look whether they will do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)
from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.internet.ssl import AcceptableCiphers, CertificateOptions, TLSVersion
from twisted.protocols.tls import TLSMemoryBIOProtocol
from zope.interface import implementer

from servicekit.settings import ConfigError
from tessel_proxy.config import Config

T = TypeVar("T")

MAX_PEM_OCTETS = 4 * 1024 * 1024  # the system's whole trust store has a quarter of a million

# For TLS 1.2, forward secret and authenticated; those of 1.3 are all of that kind. AES-128 first:
# it is the cheapest for a relay, and no weaker in practice.
CIPHERS = (
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
)


@dataclass(frozen=True, slots=True)
class Identity:
    """What the proxy shows to devices: its certificate, those up to the authority, and the key."""

    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...]
    key: PrivateKeyTypes


@implementer(IOpenSSLServerConnectionCreator)
class ServerTLS:
    """Makes the server's end of new TLS connections; open ones keep what they were made with."""

    def __init__(self, identity: Identity) -> None:
        self.use(identity)

    def use(self, identity: Identity) -> None:
        """Show this identity from now on. Raises SSL.Error, and goes on as before, if it cannot."""
        options = _options(identity)
        options.getContext()
        self._options = options
        self.identity = identity

    def serverConnectionForTLS(self, protocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        return self._options.serverConnectionForTLS(protocol)


def server_tls(config: Config, now: datetime) -> ServerTLS:
    """The proxy's side of TLS as set; raises ConfigError with all that is wrong with the files."""
    identity = load_identity(config, now)
    try:
        return ServerTLS(identity)
    except SSL.Error as error:
        raise ConfigError([f"{_named(config)} cannot be used: {_words(error)}"]) from error


def load_identity(config: Config, now: datetime) -> Identity:
    """What the files hold, if it fits together and is valid now; raises ConfigError."""
    faults: list[str] = []
    source = f"CERT_FILE='{config.cert_file}'"
    chain = _collect(faults, lambda: certificates_in(config.cert_file, source))
    key = _collect(faults, lambda: _private_key(config.key_file, config.key_pass))
    if chain is not None:
        faults += [fault for each in chain for fault in _out_of_date(each, source, now)]
    if chain is not None and key is not None and not _belong_together(chain[0], key):
        faults.append(f"{_named(config)}: the key is not that of the first certificate")
    if faults or chain is None or key is None:
        raise ConfigError(faults)
    return Identity(chain[0], tuple(chain[1:]), key)


def certificates_in(file: Path, source: str) -> Sequence[x509.Certificate]:
    """All certificates of a PEM file, at least one; raises ConfigError that names `source`."""
    octets = _read(file, source)
    try:
        return x509.load_pem_x509_certificates(octets)
    except ValueError as error:
        raise ConfigError([f"{source} holds no certificate; allowed: PEM"]) from error


def _options(identity: Identity) -> CertificateOptions:
    # Twisted's types know pyOpenSSL's own objects alone, which pyOpenSSL has deprecated; it
    # hands what it is given on to pyOpenSSL.
    return CertificateOptions(
        privateKey=identity.key,  # type: ignore[arg-type] # as above
        certificate=identity.certificate,  # type: ignore[arg-type] # as above
        extraCertChain=list(identity.chain),  # type: ignore[arg-type] # as above
        raiseMinimumTo=TLSVersion.TLSv1_2,
        acceptableCiphers=AcceptableCiphers.fromOpenSSLCipherString(CIPHERS),
    )


def _private_key(file: Path, passphrase: bytes | None) -> PrivateKeyTypes:
    source = f"KEY_FILE='{file}'"
    octets = _read(file, source)
    # A passphrase for a key that has none is ignored, as Node and OpenSSL do.
    if b"ENCRYPTED" not in octets:
        passphrase = None
    elif passphrase is None:
        raise ConfigError([f"{source} is encrypted; allowed: with KEY_PASS or KEY_PASS_FILE set"])
    try:
        return load_pem_private_key(octets, passphrase)
    except ValueError as error:
        wrong = ", or KEY_PASS is wrong" if passphrase else ""
        raise ConfigError([f"{source} holds no private key{wrong}; allowed: PEM"]) from error


def _read(file: Path, source: str) -> bytes:
    try:
        with file.open("rb") as opened:
            octets = opened.read(MAX_PEM_OCTETS + 1)
    except OSError as error:
        hint = (
            "; `tessel-proxy make-cert` makes one" if isinstance(error, FileNotFoundError) else ""
        )
        raise ConfigError([f"{source} cannot be read: {error.strerror}{hint}"]) from error
    if len(octets) > MAX_PEM_OCTETS:
        raise ConfigError([f"{source} is too large; allowed: {MAX_PEM_OCTETS} octets"])
    return octets


def _collect(faults: list[str], load: Callable[[], T]) -> T | None:
    try:
        return load()
    except ConfigError as error:
        faults += error.faults
        return None


def _out_of_date(certificate: x509.Certificate, source: str, now: datetime) -> list[str]:
    name = certificate.subject.rfc4514_string()
    if now > certificate.not_valid_after_utc:
        return [f"{source}: {name} expired at {certificate.not_valid_after_utc:%F %T} UTC"]
    if now < certificate.not_valid_before_utc:
        return [f"{source}: {name} is valid only from {certificate.not_valid_before_utc:%F %T} UTC"]
    return []


def _belong_together(certificate: x509.Certificate, key: PrivateKeyTypes) -> bool:
    spki = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return certificate.public_key().public_bytes(*spki) == key.public_key().public_bytes(*spki)


def _named(config: Config) -> str:
    return f"CERT_FILE='{config.cert_file}', KEY_FILE='{config.key_file}'"


def _words(error: SSL.Error) -> str:
    """OpenSSL's queue of (library, function, reason), the reasons alone."""
    queue = error.args[0] if error.args else []
    return ", ".join(reason for _library, _function, reason in queue) or "unknown reason"


def utc(seconds: float) -> datetime:
    """A reactor's seconds as the time of certificates."""
    return datetime.fromtimestamp(seconds, UTC)
