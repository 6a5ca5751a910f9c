"""Keys and certificates -> files that are there whole or not at all, keys for their owner alone."""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

PRIVATE = 0o600
PUBLIC = 0o644


@dataclass(frozen=True, slots=True)
class NewFile:
    path: Path
    octets: bytes = field(repr=False)
    mode: int


def key_file(path: Path, key: RSAPrivateKey, passphrase: bytes | None) -> NewFile:
    encryption: KeySerializationEncryption = NoEncryption()
    if passphrase is not None:
        encryption = BestAvailableEncryption(passphrase)
    return NewFile(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption), PRIVATE)


def certificate_file(path: Path, certificate: x509.Certificate) -> NewFile:
    return NewFile(path, certificate.public_bytes(Encoding.PEM), PUBLIC)


def write_together(files: Sequence[NewFile]) -> None:
    """Put all in place, over what was there, or none of them; raises OSError."""
    written: list[tuple[Path, Path]] = []
    try:
        for file in files:
            beside = file.path.with_name(f".{file.path.name}.{secrets.token_hex(4)}")
            written.append((beside, file.path))
            _write_new(beside, file)
        # All octets are on the disk: what is left can hardly fail, so a key without its
        # certificate is not left behind.
        for beside, path in written:
            beside.replace(path)
    finally:
        for beside, _path in written:
            beside.unlink(missing_ok=True)


def _write_new(path: Path, file: NewFile) -> None:
    # O_EXCL with the mode in the same call: at no moment may anybody else open a key.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, file.mode)
    with open(descriptor, "wb") as opened:  # noqa: PTH123 -- a descriptor, no path
        opened.write(file.octets)
        opened.flush()
        os.fsync(descriptor)
