"""Which private authority issued the proxy's certificate, if devices need to know it."""

from __future__ import annotations

from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding

from tessel_proxy.certificates.pem import certificates_in


def issuing_authority(cert_file: Path, authority_file: Path) -> x509.Certificate | None:
    """Return the authority in `authority_file`, if it issued the certificate in `cert_file`.

    None: there is no such file, or another authority issued the certificate, for example a public
    one. Blocks; raises ConfigError if a file cannot be used.
    """
    if not authority_file.exists():
        return None
    server = certificates_in(cert_file, f"CERT_FILE={str(cert_file)!r}")[0]
    authority = certificates_in(authority_file, str(authority_file))[0]
    try:
        server.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return None
    return authority


def issuing_authority_pem(cert_file: Path, authority_file: Path) -> str | None:
    """Return `issuing_authority` as PEM text."""
    authority = issuing_authority(cert_file, authority_file)
    return None if authority is None else authority.public_bytes(Encoding.PEM).decode()
