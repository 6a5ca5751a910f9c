"""Write the certificate and key of a proxy, and an authority: `tessel-proxy make-cert`.

Devices trust the authority, which is kept. A renewal replaces the server's certificate and key, and
nothing changes for the devices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from tessel_proxy.certificates.issuing import (
    LAST_MOMENT,
    TESSEL_1_END,
    TESSEL_1_LAST_MOMENT,
    Issued,
    general_name,
    new_authority,
    new_server,
)
from tessel_proxy.certificates.keyfiles import certificate_file, key_file, write_together
from tessel_proxy.certificates.pem import LockedKeyError, key_in
from tessel_proxy.certificates.settings import CertificateSettings

SERVER_DAYS = 397  # some clients refuse certificates that are valid longer
MAX_DAYS = 3650


class CertificateError(Exception):
    """A certificate cannot be made. The error's text says what was wrong, and what is allowed."""


@dataclass(frozen=True, slots=True)
class MadeCertificates:
    """The certificates and files that `make_files` made or kept.

    `written` holds the paths of the written files, in the order of writing.
    """

    written: tuple[Path, ...]
    authority_file: Path
    authority: x509.Certificate
    authority_is_new: bool
    family: CertificateFamily
    server: x509.Certificate


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """The paths of the certificate and key of a server, as the settings name them.

    The files of the authority have fixed names in the folder of the server's certificate.
    """

    cert: Path
    key: Path
    key_pass: bytes | None = field(repr=False)
    family: CertificateFamily

    @property
    def authority_cert(self) -> Path:
        """Path of the authority's certificate."""
        return self.cert.with_name(f"{self.family.value}-cert.pem")

    @property
    def authority_key(self) -> Path:
        """Path of the authority's private key."""
        return self.cert.with_name(f"{self.family.value}-key.pem")

    def moved_to(self, folder: Path) -> CertificateFiles:
        """Return the same file names, but in `folder`."""
        return replace(self, cert=folder / self.cert.name, key=folder / self.key.name)

    def check(self) -> None:
        """Raise CertificateError if two of the four paths are the same."""
        every = (self.cert, self.key, self.authority_cert, self.authority_key)
        if len({file.absolute() for file in every}) < len(every):
            shown = ", ".join(map(str, every))
            raise CertificateError(f"files to write: {shown}; allowed: four different ones")


class CertificateFamily(Enum):
    """The kind of devices that a certificate is for.

    Each kind has a separate authority: an attacker who breaks the weak TLS of a Tessel 1 gets a key
    that no other device trusts.
    """

    CURRENT = "authority"
    TESSEL_1 = "tessel-1-authority"

    @property
    def last_moment(self) -> datetime:
        """The latest time at which a certificate for these devices may end."""
        return TESSEL_1_LAST_MOMENT if self is CertificateFamily.TESSEL_1 else LAST_MOMENT

    def files(self, config: CertificateSettings) -> CertificateFiles:
        """Return the paths of the certificate and key for these devices, from the settings."""
        match self:
            case CertificateFamily.CURRENT:
                pair = (config.cert_file, config.key_file)
            case CertificateFamily.TESSEL_1:
                pair = (config.legacy_cert_file, config.legacy_key_file)
        return CertificateFiles(*pair, config.key_pass, self)


def make_files(
    names: Sequence[str], files: CertificateFiles, now: datetime, *, days: int = SERVER_DAYS
) -> MadeCertificates:
    """Write a new certificate and key for a server with these `names`, valid for `days` days.

    If there is no authority beside them yet, one is made and written, too. Raises CertificateError,
    or OSError if a file cannot be read or written.
    """
    wanted = _general_names(names)
    if files.family is CertificateFamily.TESSEL_1:
        _check_for_tessel_1(wanted)
    if now >= files.family.last_moment:
        raise CertificateError(f"no certificate may end after {files.family.last_moment:%F}")
    if not 0 < days <= MAX_DAYS:
        raise CertificateError(f"{days} days; allowed: 1 to {MAX_DAYS}")
    files.check()
    kept = _kept_authority(files, now)
    last_moment = files.family.last_moment
    authority = kept or new_authority(now, last_moment)
    server = new_server(wanted, timedelta(days=days), authority, now, last_moment)
    new = [
        key_file(files.key, server.key, files.key_pass, for_service=True),
        certificate_file(files.cert, server.certificate),
    ]
    if kept is None:
        new += [
            key_file(files.authority_key, authority.key, files.key_pass),
            certificate_file(files.authority_cert, authority.certificate),
        ]
    for file in new:
        file.path.parent.mkdir(parents=True, exist_ok=True)
    write_together(new)
    return MadeCertificates(
        written=tuple(file.path for file in new),
        authority_file=files.authority_cert,
        authority=authority.certificate,
        authority_is_new=kept is None,
        family=files.family,
        server=server.certificate,
    )


def _general_names(names: Sequence[str]) -> list[x509.GeneralName]:
    wanted: list[x509.GeneralName] = []
    faults = []
    for name in names:
        try:
            wanted.append(general_name(name))
        except ValueError as error:
            faults.append(str(error))
    if faults or not wanted:
        raise CertificateError("\n".join(faults) or "no name; allowed: 1 or more")
    return list(dict.fromkeys(wanted))


def _check_for_tessel_1(names: Sequence[x509.GeneralName]) -> None:
    """Refuse addresses: boards cannot verify them, and the board's error does not say so."""
    addresses = [each for each in names if isinstance(each, x509.IPAddress)]
    if addresses:
        raise CertificateError(
            "\n".join(
                f"{each.value} is an address, and a Tessel 1 verifies only DNS names; "
                "allowed: a name as proxy.example.com, which is also what PROXY_HOST must be"
                for each in addresses
            )
        )


def _kept_authority(files: CertificateFiles, now: datetime) -> Issued | None:
    """The authority of an earlier run, or None. One that cannot be used is never overwritten."""
    cert, key = files.authority_cert, files.authority_key
    if not cert.exists() and not key.exists():
        return None
    if not cert.exists() or not key.exists():
        there, missing = (cert, key) if cert.exists() else (key, cert)
        raise CertificateError(
            f"{there} exists without {missing}; to renew, put {missing.name} back beside it "
            "(if both are missing a new authority is made, which no device trusts yet)"
        )
    authority = Issued(_certificate(cert), _key(key, files.key_pass))
    if authority.certificate.public_key() != authority.key.public_key():
        raise CertificateError(f"{key} is not the key of {cert}; allowed: two files of one run")
    if now > authority.certificate.not_valid_after_utc:
        raise CertificateError(
            f"{cert} expired at {authority.certificate.not_valid_after_utc:%F %T} UTC; "
            "move both authority files away to make a new one, and install it on the devices"
        )
    ends = authority.certificate.not_valid_after_utc
    if files.family is CertificateFamily.TESSEL_1 and ends >= TESSEL_1_END:
        raise CertificateError(
            f"{cert} ends at {ends:%F %T} UTC, which a "
            f"Tessel 1 cannot read; allowed: before {TESSEL_1_END:%F %T}. Move both authority "
            "files away to make a new one, and install it on the boards"
        )
    return authority


def _certificate(file: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(file.read_bytes())
    except ValueError as error:
        raise CertificateError(f"{file} holds no certificate; allowed: PEM") from error


def _key(file: Path, key_pass: bytes | None) -> RSAPrivateKey:
    data = file.read_bytes()
    try:
        key = key_in(data, key_pass)
    except (ValueError, LockedKeyError, UnsupportedAlgorithm) as error:
        raise CertificateError(
            f"{file} cannot be read with this KEY_PASS; allowed: the one of its first run"
        ) from error
    if not isinstance(key, RSAPrivateKey):
        raise CertificateError(f"{file} holds no RSA key; the Tessel 1 supports no other")
    return key
