"""The command `tessel-proxy invite`: a token for a new device, without typing."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import segno
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from streamplex.conversation import Invitation
from tessel_proxy.auth.account_file import TokenError, generated_token, line_for, recipe_for
from tessel_proxy.auth.invitations import InvitationFolder
from tessel_proxy.certificates.authority import issuing_authority
from tessel_proxy.certificates.issuing import names_of
from tessel_proxy.certificates.keyfiles import NewFile, write_together
from tessel_proxy.certificates.make import CertificateFamily
from tessel_proxy.certificates.pem import certificates_in
from tessel_proxy.startup.config import Config
from tessel_service_kit.settings import ConfigError

PRIVATE: Final = 0o600
QR_BORDER: Final = 2
"""Modules of space around a QR code on a terminal; cameras read it with 2 of the standard's 4."""


@dataclass(frozen=True, slots=True)
class Place:
    """The address by which devices reach the proxy. None: from certificate and PORT."""

    host: str | None
    port: int | None


@dataclass(frozen=True, slots=True)
class Invited:
    """A new invitation: its URI, the account, and when it expires."""

    uri: str
    account: str
    expires: datetime


def invite(config: Config, account: str, place: Place, now: float, valid_s: float) -> Invited:
    """Make a token for `account`, add it to AUTH_FILE, and keep an invitation to it. Blocks.

    `now` is in seconds since 1970; the invitation is valid for `valid_s` seconds.

    Raises:
        ConfigError: AUTH_FILE is not set, or a file has faults.
        TokenError: the account's name is not allowed, or AUTH_FILE cannot be written.
        InvitationsError: the folder of invitations cannot be written.
    """
    auth_file, folder = _files(config)
    authority = _authority(config)
    host, port = place.host or _host_in_certificate(config.cert_file), place.port or config.port
    token = generated_token()
    line = line_for(account, token, recipe_for(auth_file))
    folder.sweep(now)
    code = folder.make(account, token, now + valid_s)
    _add_line(auth_file, line)
    fingerprint = None if authority is None else authority.fingerprint(SHA256()).hex()
    uri = Invitation(host.lower(), port, code, fingerprint).uri()
    return Invited(uri, account, datetime.fromtimestamp(now + valid_s, UTC))


def _files(config: Config) -> tuple[Path, InvitationFolder]:
    folder = config.invitations_folder
    if config.auth_file is None or folder is None:
        raise ConfigError(["AUTH_FILE is not set; needed: the file that the proxy has"])
    return config.auth_file, InvitationFolder(folder)


def _authority(config: Config) -> x509.Certificate | None:
    files = CertificateFamily.CURRENT.files(config)
    return issuing_authority(files.cert, files.authority_cert)


def _host_in_certificate(cert_file: Path) -> str:
    names = names_of(certificates_in(cert_file, f"CERT_FILE={str(cert_file)!r}")[0])
    usable = [each for each in names if not each.startswith("*")]
    if not usable:
        raise ConfigError([f"CERT_FILE={str(cert_file)!r} names no host; give it with --host"])
    return usable[0]


def _add_line(auth_file: Path, line: str) -> None:
    """Add a line at the end. A file that exists is not replaced: it may be mounted alone."""
    try:
        if not auth_file.exists():
            write_together([NewFile(auth_file, f"{line}\n".encode(), PRIVATE, for_service=True)])
            return
        with auth_file.open("r+b") as opened:
            end = opened.seek(0, os.SEEK_END)
            if end:
                opened.seek(end - 1)
                line = line if opened.read(1) == b"\n" else f"\n{line}"
            opened.seek(0, os.SEEK_END)
            opened.write(f"{line}\n".encode())
    except OSError as error:
        why = error.strerror or str(error)
        raise TokenError(f"AUTH_FILE={str(auth_file)!r} cannot be written: {why}") from error


def qr_code(uri: str) -> str:
    """Return a URI as a QR code of block characters, 25 lines of 49 columns."""
    drawn = io.StringIO()
    segno.make(uri, error="l").terminal(drawn, border=QR_BORDER, compact=True)
    return drawn.getvalue()


def explained(invited: Invited) -> str:
    """Return what the operator does with an invitation, in words."""
    return f"""\
This invites one device of account {invited.account}, once, until {invited.expires:%F %R} UTC.
On the device, or where its programs run:

  tessel join '{invited.uri}'

For another client, add --print env, --print micropython or --print json: prints its settings."""
