"""Invitations: each is exchanged once for the token of an account, by a device that has its code.

The folder of invitations has one file for each. Its name is a hash of the code, and the token in it
is encrypted with a key made of the code: who reads the folder learns no token. An invitation is
used by renaming its file, which only one process can do. A used or expired one is kept for KEPT_S,
so that a device gets the reason why it is not accepted.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from streamplex.conversation import JoinAnswer, Joined, JoinRefusal, NotJoined
from tessel_service_kit.files import FileError, bytes_of

CODE_BYTES: Final = 16
"""Random bytes of a code: nobody finds one by trying."""

KEPT_S: Final = 30 * 24 * 3600.0
"""Seconds for which used and expired invitations are remembered."""

MAX_INVITATION_BYTES: Final = 4096
"""Bytes of one file, several times what is written."""

_OPEN, _USED = ".open", ".used"
_NONCE: Final = bytes(12)
"""A key encrypts one token only, so the nonce need not differ."""


class InvitationsError(Exception):
    """The folder of invitations cannot be used; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """What the file of an invitation holds. `sealed` is the encrypted token."""

    account: str
    sealed: bytes
    expires_at: float

    def __post_init__(self) -> None:
        """Refuse what `dump` does not write: a file may be damaged."""
        if not isinstance(self.account, str) or not math.isfinite(self.expires_at):
            raise ValueError(f"account {self.account!r}, expires_at {self.expires_at}")

    def dump(self) -> bytes:
        """Return the file's content."""
        fields = {
            "account": self.account,
            "sealed": self.sealed.hex(),
            "expires_at": self.expires_at,
        }
        return json.dumps(fields).encode()


@dataclass(frozen=True, slots=True)
class InvitationFolder:
    """The invitations of a proxy, in a folder. All methods block; times are seconds since 1970."""

    path: Path

    def make(self, account: str, token: str, expires_at: float) -> str:
        """Keep an invitation to `token` of `account`, and return its code.

        Raises InvitationsError.
        """
        code = secrets.token_urlsafe(CODE_BYTES)
        sealed = _cipher(code).encrypt(_NONCE, token.encode(), account.encode())
        content = _Kept(account, sealed, expires_at).dump()
        try:
            self._make_folder()
            file = self._file(code, _OPEN)
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(descriptor, "wb") as opened:  # noqa: PTH123 -- a descriptor, no path
                _give_to_owner_of(self.path, descriptor)
                opened.write(content)
        except OSError as error:
            raise InvitationsError(f"{self.path}: {error.strerror}") from error
        return code

    def _make_folder(self) -> None:
        if self.path.is_dir():
            return
        self.path.mkdir(mode=0o700)
        descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            _give_to_owner_of(self.path.parent, descriptor)
        finally:
            os.close(descriptor)

    def redeem(self, code: str, now: float) -> JoinAnswer:
        """Use up the invitation with this code: return its account and token, or why not.

        Of several calls at the same time, also of other processes, one gets the token. Raises
        InvitationsError if the folder cannot be used; the invitation stays valid then.
        """
        file, used = self._file(code, _OPEN), self._file(code, _USED)
        try:
            kept = _read(file)
            if kept is None:
                return self._not_open(used)
            if now >= kept.expires_at:
                return NotJoined(JoinRefusal.EXPIRED, int(kept.expires_at))
            token = _cipher(code).decrypt(_NONCE, kept.sealed, kept.account.encode()).decode()
            os.utime(file, (now, now))  # the time of use
            file.rename(used)
        except FileNotFoundError:  # another process was faster
            return self._not_open(used)
        except OSError as error:
            raise InvitationsError(f"{file}: {error.strerror}") from error
        except InvalidTag as error:
            raise InvitationsError(f"{file} was changed; make a new invitation") from error
        return Joined(kept.account, token)

    @staticmethod
    def _not_open(used: Path) -> NotJoined:
        try:
            return NotJoined(JoinRefusal.USED, int(used.stat().st_mtime))
        except FileNotFoundError:
            return NotJoined(JoinRefusal.UNKNOWN)

    def sweep(self, now: float) -> int:
        """Remove invitations that ended more than KEPT_S ago, and return their number.

        Raises InvitationsError.
        """
        removed = 0
        try:
            for file in [*self.path.glob(f"*{_OPEN}"), *self.path.glob(f"*{_USED}")]:
                kept = _read(file)
                if kept is not None and max(kept.expires_at, file.stat().st_mtime) + KEPT_S < now:
                    file.unlink()
                    removed += 1
        except OSError as error:
            raise InvitationsError(f"{self.path}: {error.strerror}") from error
        return removed

    def _file(self, code: str, ending: str) -> Path:
        return self.path / f"{hashlib.sha256(code.encode()).hexdigest()[:32]}{ending}"


def _give_to_owner_of(folder: Path, descriptor: int) -> None:
    """Let the proxy's user, who owns `folder`, use what root makes in it."""
    owner = folder.stat()
    if os.geteuid() == 0 and owner.st_uid != 0:
        os.fchown(descriptor, owner.st_uid, owner.st_gid)


def _read(file: Path) -> _Kept | None:
    """Return what a file holds; None: there is no such file. Raises InvitationsError."""
    try:
        fields: Any = json.loads(bytes_of(file, MAX_INVITATION_BYTES))
        return _Kept(
            fields["account"], bytes.fromhex(fields["sealed"]), float(fields["expires_at"])
        )
    except FileError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return None
        raise InvitationsError(f"{file} {error}") from error
    except (ValueError, LookupError, TypeError) as error:
        raise InvitationsError(f"{file} is damaged; make a new invitation") from error


def _cipher(code: str) -> ChaCha20Poly1305:
    """Return the cipher for the token of one invitation. The code has 128 random bits or more."""
    key = HKDF(SHA256(), length=32, salt=None, info=b"tessel invitation").derive(code.encode())
    return ChaCha20Poly1305(key)
