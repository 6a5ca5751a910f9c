"""PEM files -> what the proxy shows to devices and asks of them, if it will do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from servicekit.settings import ConfigError

T = TypeVar("T")

MAX_PEM_OCTETS = 4 * 1024 * 1024  # the system's whole trust store has a quarter of a million


@dataclass(frozen=True, slots=True)
class Identity:
    """The proxy's certificate, those up to the authority, and the key.

    Devices must show a certificate if there are authorities to vouch for it.
    """

    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...]
    key: PrivateKeyTypes
    client_authorities: tuple[x509.Certificate, ...] = ()


@dataclass(frozen=True, slots=True)
class IdentityFiles:
    """Where an identity is, and which settings say so."""

    cert_file: Path
    key_file: Path
    key_pass: bytes | None = field(repr=False)
    client_ca_file: Path | None = None
    prefix: str = ""  # of the settings' names

    @property
    def paths(self) -> Sequence[Path]:
        pair = (self.cert_file, self.key_file)
        return pair if self.client_ca_file is None else (*pair, self.client_ca_file)

    @property
    def cert_source(self) -> str:
        return f"{self.prefix}CERT_FILE='{self.cert_file}'"

    @property
    def key_source(self) -> str:
        return f"{self.prefix}KEY_FILE='{self.key_file}'"

    def load(self, now: datetime) -> Identity:
        """What the files hold, if it fits together and is valid now; raises ConfigError.

        Files of which one is renewed and the other not yet do not fit together.
        """
        faults: list[str] = []
        source = self.cert_source
        chain = _collect(faults, lambda: certificates_in(self.cert_file, source))
        key = _collect(faults, self._key)
        clients = _collect(faults, self._client_authorities)
        if chain is not None:
            faults += [fault for each in chain for fault in _out_of_date(each, source, now)]
        if chain is not None and key is not None and not _belong_together(chain[0], key):
            faults.append(
                f"{source}, {self.key_source}: the key is not that of the first certificate"
            )
        if faults or chain is None or key is None or clients is None:
            raise ConfigError(faults)
        return Identity(chain[0], tuple(chain[1:]), key, tuple(clients))

    def _key(self) -> PrivateKeyTypes:
        return _private_key(self.key_file, self.key_source, self.key_pass)

    def _client_authorities(self) -> Sequence[x509.Certificate]:
        file = self.client_ca_file
        return () if file is None else certificates_in(file, f"CLIENT_CA_FILE='{file}'")


def certificates_in(file: Path, source: str) -> Sequence[x509.Certificate]:
    """All certificates of a PEM file, at least one; raises ConfigError that names `source`."""
    octets = _read(file, source)
    try:
        return x509.load_pem_x509_certificates(octets)
    except ValueError as error:
        raise ConfigError([f"{source} holds no certificate; allowed: PEM"]) from error


def _private_key(file: Path, source: str, passphrase: bytes | None) -> PrivateKeyTypes:
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
        makes_one = isinstance(error, FileNotFoundError) and "CLIENT_CA_FILE" not in source
        hint = "; `tessel-proxy make-cert` makes one" if makes_one else ""
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
