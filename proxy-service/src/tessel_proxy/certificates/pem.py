"""Read certificates and private keys from PEM files."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tessel_service_kit.files import FileError, bytes_of
from tessel_service_kit.settings import ConfigError

MAX_PEM_BYTES = 4 * 1024 * 1024  # the system's whole trust store has a quarter of a million


def certificates_in(file: Path, source: str) -> Sequence[x509.Certificate]:
    """Return all certificates in a PEM file, at least one.

    Raises ConfigError, whose text begins with `source`, the setting that names the file.
    """
    data = read_pem(file, source)
    try:
        return x509.load_pem_x509_certificates(data)
    except (ValueError, x509.InvalidVersion) as error:
        raise ConfigError([f"{source} holds no certificate; allowed: PEM"]) from error


class LockedKeyError(Exception):
    """A private key is encrypted, and the passphrase is missing or wrong."""


def key_in(data: bytes, passphrase: bytes | None) -> PrivateKeyTypes:
    """Return the private key in `data`, which is PEM.

    If the key is not encrypted, `passphrase` is ignored, as in Node. Raises LockedKeyError;
    UnsupportedAlgorithm, if cryptography does not support this kind of key; and ValueError, if
    there is no key.
    """
    try:
        return load_pem_private_key(data, None)
    except TypeError as error:  # how cryptography reports an encrypted key
        if passphrase is None:
            raise LockedKeyError from error
    try:
        return load_pem_private_key(data, passphrase)
    except ValueError as error:
        raise LockedKeyError from error


def out_of_date(certificate: x509.Certificate, now: datetime) -> str | None:
    """Return the reason why the certificate is not valid at the time `now`; None if it is valid."""
    name = certificate.subject.rfc4514_string()
    if now > certificate.not_valid_after_utc:
        return f"{name} expired at {certificate.not_valid_after_utc:%F %T} UTC"
    if now < certificate.not_valid_before_utc:
        return f"{name} is valid only from {certificate.not_valid_before_utc:%F %T} UTC"
    return None


def read_pem(file: Path, source: str) -> bytes:
    """Return the content of a PEM file.

    Raises ConfigError, whose text begins with `source`, the setting that names the file.
    """
    try:
        return bytes_of(file, MAX_PEM_BYTES)
    except FileError as error:
        missing = isinstance(error.__cause__, FileNotFoundError)
        raise ConfigError([f"{source} {error}{_how_to_make(source) if missing else ''}"]) from error


def _how_to_make(source: str) -> str:
    if "CLIENT_" in source or "FLEET_" in source:  # issued by others
        return ""
    kind = " --for-tessel-1" if "LEGACY_" in source else ""
    return f"; `tessel-proxy make-cert{kind}` makes one"
