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
    """All certificates of a PEM file, at least one. Raises ConfigError that names `source`."""
    data = read_pem(file, source)
    try:
        return x509.load_pem_x509_certificates(data)
    except (ValueError, x509.InvalidVersion) as error:
        raise ConfigError([f"{source} holds no certificate; allowed: PEM"]) from error


class LockedKeyError(Exception):
    """A private key is encrypted, and there is no passphrase or it is wrong."""


def key_in(data: bytes, passphrase: bytes | None) -> PrivateKeyTypes:
    """The private key in PEM. A passphrase is ignored if the key is not encrypted, as in Node.

    Raises LockedKeyError, UnsupportedAlgorithm if cryptography does not support the kind of key,
    and ValueError if there is no key.
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
    """Why the certificate is not valid at this time; None if it is."""
    name = certificate.subject.rfc4514_string()
    if now > certificate.not_valid_after_utc:
        return f"{name} expired at {certificate.not_valid_after_utc:%F %T} UTC"
    if now < certificate.not_valid_before_utc:
        return f"{name} is valid only from {certificate.not_valid_before_utc:%F %T} UTC"
    return None


def read_pem(file: Path, source: str) -> bytes:
    """The bytes of the file. Raises ConfigError that names `source`, the setting of the file."""
    try:
        return bytes_of(file, MAX_PEM_BYTES)
    except FileError as error:
        missing = isinstance(error.__cause__, FileNotFoundError)
        raise ConfigError([f"{source} {error}{_how_to_make(source) if missing else ''}"]) from error


def _how_to_make(source: str) -> str:
    if "CLIENT_" in source:
        return ""
    kind = " --for-tessel-1" if "LEGACY_" in source else ""
    return f"; `tessel-proxy make-cert{kind}` makes one"
