"""Write keys and certificates to files: all of them, or none.

A file that is replaced keeps its owner, group, mode and access control list (ACL), so that the same
users can read the new one. The access to a new file follows that of its folder. See `_Access`.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
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
GROUP_READS = 0o640
_ACL = "system.posix_acl_access"  # Linux keeps a file's ACL under this name
_NO_ACL = (errno.ENODATA, errno.ENOTSUP)  # of this file, or of any file of this file system
_FOR_ITS_GROUP = (0o050, 0o070)  # a folder that its group may read, and others not


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file to write. `mode` holds its permissions if the file does not exist yet.

    `for_service` is True if the running proxy reads the file, and not only the operator.
    """

    path: Path
    content: bytes = field(repr=False)
    mode: int
    for_service: bool = False


def key_file(
    path: Path, key: RSAPrivateKey, passphrase: bytes | None, *, for_service: bool = False
) -> NewFile:
    """Return a file to write with the private key in PEM.

    `passphrase` encrypts the key; None: it is not encrypted.
    """
    encryption: KeySerializationEncryption = NoEncryption()
    if passphrase is not None:
        encryption = BestAvailableEncryption(passphrase)
    content = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
    return NewFile(path, content, PRIVATE, for_service)


def certificate_file(path: Path, certificate: x509.Certificate) -> NewFile:
    """Return a file to write with the certificate in PEM, readable by all users."""
    return NewFile(path, certificate.public_bytes(Encoding.PEM), PUBLIC)


def write_together(files: Sequence[NewFile]) -> None:
    """Write all files, replacing existing ones, or none of them. Raises OSError.

    A symbolic link is kept, and its target is replaced.
    """
    written: list[tuple[Path, Path]] = []
    try:
        for file in files:
            path = file.path.resolve()
            beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
            written.append((beside, path))
            _write_new(beside, file, _access_of(path, file))
        # All bytes are on the disk. A rename hardly ever fails, so no key remains without its
        # certificate.
        for beside, path in written:
            beside.replace(path)
        for folder in {path.parent for _beside, path in written}:
            _sync_folder(folder)
    finally:
        for beside, _path in written:
            beside.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class _Access:
    """Owner, group, mode and ACL of a file. None: as the system creates files of this process.

    `acl` is set together with `mode`. Empty: the file has no ACL, even if its folder has a default.
    """

    uid: int | None = None
    gid: int | None = None
    mode: int | None = None
    acl: bytes | None = None

    def give(self, descriptor: int, path: Path) -> None:
        """Apply this to an open file. Raises PermissionError that says what could not be set."""
        now = os.fstat(descriptor)
        uid = now.st_uid if self.uid is None else self.uid
        gid = now.st_gid if self.gid is None else self.gid
        try:
            if (uid, gid) != (now.st_uid, now.st_gid):  # some file systems refuse it without change
                os.fchown(descriptor, uid, gid)
            if self.acl is not None:
                _set_acl(descriptor, self.acl)
            if self.mode is not None:
                os.fchmod(descriptor, self.mode)  # last: a change of owner clears some bits
        except PermissionError as error:
            why = f"cannot change to owner {uid}:{gid}; run this as root or as the file's owner"
            raise PermissionError(errno.EPERM, why, str(path)) from error


def _access_of(path: Path, file: NewFile) -> _Access:
    try:
        before = path.stat()
    except FileNotFoundError:
        return _access_in(path.parent.stat(), file)
    return _Access(before.st_uid, before.st_gid, stat.S_IMODE(before.st_mode), _acl_of(path))


def _acl_of(path: Path) -> bytes | None:
    """The ACL of the file; empty if it has none; None if Python cannot read ACLs here."""
    if not hasattr(os, "getxattr"):  # not Linux
        return None
    try:
        return os.getxattr(path, _ACL)
    except OSError as error:
        if error.errno in _NO_ACL:
            return b""
        raise


def _set_acl(descriptor: int, acl: bytes) -> None:
    if acl:
        os.setxattr(descriptor, _ACL, acl)
        return
    try:
        os.removexattr(descriptor, _ACL)
    except OSError as error:
        if error.errno not in _NO_ACL:
            raise


def _access_in(folder: os.stat_result, file: NewFile) -> _Access:
    """The access for a new file in a folder.

    A file that root creates in the folder of another user belongs to that user. If a group may read
    the folder and others may not, files for the service are readable by the group.
    """
    if os.geteuid() == 0 and folder.st_uid != 0:
        return _Access(folder.st_uid, folder.st_gid)
    for_group = stat.S_IMODE(folder.st_mode) & 0o077 in _FOR_ITS_GROUP
    if file.for_service and for_group and folder.st_gid != os.getegid():
        return _Access(gid=folder.st_gid, mode=file.mode | GROUP_READS)
    return _Access()


def _write_new(path: Path, file: NewFile, access: _Access) -> None:
    # O_EXCL and the mode in one call: nobody else can open the key at any moment.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, file.mode)
    with open(descriptor, "wb") as opened:  # noqa: PTH123 -- a descriptor, no path
        access.give(descriptor, file.path)
        opened.write(file.content)
        opened.flush()
        os.fsync(descriptor)


def _sync_folder(path: Path) -> None:
    """Write the new names to the disk: a power cut must not bring the old files back."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
