"""Settings that name the proxy's certificates and keys."""

# ruff: noqa: RUF009 -- setting() declares a field, as dataclasses.field() does
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tessel_service_kit.parsers import optional
from tessel_service_kit.settings import Settings, setting


def passphrase(text: str) -> bytes:
    """Parse a passphrase: one line, kept byte for byte. Raises ValueError if it is not one line."""
    if "\n" in text or "\r" in text:
        raise ValueError("a passphrase on one line")
    return text.encode("utf-8", "surrogateescape")


@dataclass(frozen=True, kw_only=True)
class CertificateSettings(Settings):
    """The settings that name the files of certificates and keys.

    `make-cert` writes these files, and the listeners use them.
    """

    cert_file: Path = setting(
        "CERT_FILE",
        "config/public-cert.pem",
        "file of the server's certificate and chain, PEM",
        Path,
    )
    key_file: Path = setting(
        "KEY_FILE", "config/private-key.pem", "file of the private key of CERT_FILE, PEM", Path
    )
    key_pass: bytes | None = setting(
        "KEY_PASS",
        "",
        "passphrase of all private keys; unset: the keys are not encrypted. KEY_PASS_FILE is read "
        "again whenever the keys are read again",
        optional(passphrase),
        secret=True,
        exact=True,
    )
    legacy_cert_file: Path = setting(
        "LEGACY_CERT_FILE",
        "config/tessel-1-cert.pem",
        "file of the certificate for LEGACY_PORT, PEM; `make-cert --for-tessel-1` makes one",
        Path,
    )
    legacy_key_file: Path = setting(
        "LEGACY_KEY_FILE",
        "config/tessel-1-key.pem",
        "file of the private key of LEGACY_CERT_FILE, PEM",
        Path,
    )
