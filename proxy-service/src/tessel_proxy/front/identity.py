"""Load the proxy's certificate and key, and the authorities for client certificates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
)

from tessel_proxy.certificates.pem import (
    LockedKeyError,
    certificates_in,
    key_in,
    out_of_date,
    read_pem,
)
from tessel_proxy.files.secret_files import passphrase_in
from tessel_proxy.front.chain import CertificateChain, is_self_signed, needed_chain
from tessel_proxy.front.revocation import RevocationLists, no_revocations, revocations_in
from tessel_service_kit.settings import ConfigError, SecretFile

T = TypeVar("T")

# Keys that OpenSSL can sign a handshake with. DSA needs ciphers that no client supports any more.
ServerKey = RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey | Ed448PrivateKey
UNKNOWN_KIND = (
    "is of an unknown kind; allowed: RSA, EC on a NIST or Brainpool curve, Ed25519 or Ed448"
)


@dataclass(frozen=True, slots=True)
class TLSIdentity:
    """The proxy's certificate, the other certificates that clients need, and the private key.

    If `client_authorities` is not empty, devices must present a certificate of one of them.
    `warnings`: sentences for the operator about parts of the files that cannot be used.
    """

    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...]
    key: ServerKey
    client_authorities: tuple[x509.Certificate, ...] = ()
    revocations: RevocationLists = field(default_factory=no_revocations)
    warnings: tuple[str, ...] = ()

    @property
    def ends(self) -> datetime:
        """The time (UTC) at which the first of the sent certificates expires, roots excepted."""
        needed = [each for each in self.chain if not is_self_signed(each)]
        return min(each.not_valid_after_utc for each in (self.certificate, *needed))


@dataclass(frozen=True, slots=True)
class IdentityFiles:
    """The files of a TLSIdentity; `prefix` ("LEGACY_" or "") begins the names of their settings."""

    cert_file: Path
    key_file: Path
    key_pass: bytes | None = field(repr=False)
    client_ca_file: Path | None = None
    client_crl_file: Path | None = None
    prefix: str = ""  # of the settings' names
    key_pass_file: SecretFile | None = None  # read again with the key

    @property
    def paths(self) -> Sequence[Path]:
        """The files that are set, including KEY_PASS_FILE."""
        key_pass = None if self.key_pass_file is None else self.key_pass_file.path
        more = (self.client_ca_file, self.client_crl_file, key_pass)
        return (self.cert_file, self.key_file, *(each for each in more if each is not None))

    @property
    def cert_source(self) -> str:
        """The certificate's setting and file for error messages, as in CERT_FILE='cert.pem'."""
        return f"{self.prefix}CERT_FILE='{self.cert_file}'"

    @property
    def key_source(self) -> str:
        """The key's setting and file for error messages, as in KEY_FILE='key.pem'."""
        return f"{self.prefix}KEY_FILE='{self.key_file}'"

    def load(self, now: datetime) -> TLSIdentity:
        """Load the files; check that certificate and key belong together and are valid at `now`.

        Raises ConfigError with all faults, also while only one of two files has been renewed.
        """
        faults: list[str] = []
        chain = _collect(faults, lambda: self._chain(now))
        key = _collect(faults, self._key)
        clients = _collect(faults, lambda: self._client_authorities(now))
        if chain is not None and chain.fault:
            faults.append(f"{self.cert_source}: {chain.fault}")
        if chain is not None and key is not None:
            faults += self._pair_faults(chain, key)
        revocations = None
        if clients is not None:
            revocations = _collect(faults, lambda: self._revocations(clients.usable, now))
        if faults or chain is None or key is None or clients is None or revocations is None:
            raise ConfigError(faults)
        return TLSIdentity(
            chain.certificates[0],
            chain.certificates[1:],
            key,
            clients.usable,
            revocations,
            (
                *(f"{self.cert_source}: {warning}" for warning in chain.warnings),
                *clients.warnings,
                *revocations.warnings,
            ),
        )

    def _chain(self, now: datetime) -> CertificateChain:
        return needed_chain(certificates_in(self.cert_file, self.cert_source), now)

    def _pair_faults(self, chain: CertificateChain, key: ServerKey) -> list[str]:
        if _belong_together(chain.certificates[0], key):
            return []
        both = f"{self.cert_source}, {self.key_source}"
        return [f"{both}: the key is not that of the first certificate"]

    def _key(self) -> ServerKey:
        file = self.key_pass_file
        key_pass = self.key_pass if file is None else passphrase_in(file)
        return _private_key(self.key_file, self.key_source, key_pass)

    def _client_authorities(self, now: datetime) -> Authorities:
        file = self.client_ca_file
        if file is None:
            return Authorities(())
        return authorities_in(file, f"CLIENT_CA_FILE='{file}'", now)

    def _revocations(
        self, authorities: Sequence[x509.Certificate], now: datetime
    ) -> RevocationLists:
        file = self.client_crl_file
        if file is None:
            return no_revocations()
        source = f"CLIENT_CRL_FILE='{file}'"
        return revocations_in(read_pem(file, source), source, authorities, now)


@dataclass(frozen=True, slots=True)
class Authorities:
    """Authorities of client certificates that have not expired, and warnings about the others."""

    usable: tuple[x509.Certificate, ...]
    warnings: tuple[str, ...] = ()


def authorities_in(file: Path, source: str, now: datetime) -> Authorities:
    """Return the authorities in `file`; raises ConfigError if it has none, or only expired ones.

    `source` names the file and its setting in messages.
    """
    found = tuple(dict.fromkeys(certificates_in(file, source)))
    usable = tuple(each for each in found if each.not_valid_after_utc >= now)
    faults = [f"{source}: {fault}" for each in found if (fault := out_of_date(each, now))]
    if not usable:
        raise ConfigError(faults)
    return Authorities(usable, tuple(faults))


def _private_key(file: Path, source: str, passphrase: bytes | None) -> ServerKey:
    data = read_pem(file, source)
    try:
        key = key_in(data, passphrase)
    except LockedKeyError as error:
        why = "is encrypted; allowed: with KEY_PASS or KEY_PASS_FILE set"
        if passphrase is not None:
            why = f"holds no private key, or KEY_PASS is wrong{_oddity(passphrase)}; allowed: PEM"
        raise ConfigError([f"{source} {why}"]) from error
    except UnsupportedAlgorithm as error:
        raise ConfigError([f"{source} {UNKNOWN_KIND}"]) from error
    except ValueError as error:
        raise ConfigError([f"{source} holds no private key; allowed: PEM"]) from error
    if not isinstance(key, ServerKey):
        raise ConfigError([f"{source} {UNKNOWN_KIND}"])
    return key


def _oddity(passphrase: bytes) -> str:
    """A hint at a space or quote that may be in the passphrase by mistake."""
    odd = passphrase != passphrase.strip() or passphrase[:1] + passphrase[-1:] in (b"''", b'""')
    return " (it begins or ends with a space or a quote)" if odd else ""


def _collect(faults: list[str], load: Callable[[], T]) -> T | None:
    try:
        return load()
    except ConfigError as error:
        faults += error.faults
        return None


def _belong_together(certificate: x509.Certificate, key: ServerKey) -> bool:
    spki = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    try:
        certified = certificate.public_key()
    except (UnsupportedAlgorithm, ValueError):
        return False  # the certificate's key is of an unknown kind, and `key` is not
    return certified.public_bytes(*spki) == key.public_key().public_bytes(*spki)
