"""Files that an operator names -> their bytes, or why they cannot be used.

While devices are served, no file may hold that up: only regular files are read then.
"""

from __future__ import annotations

import grp
import os
import pwd
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Final

HOW_TO_RESTRICT: Final = "chmod 600"


class FileError(Exception):
    """A file is of no use; the text goes on where a sentence has named it."""


def bytes_of(path: Path, max_bytes: int) -> bytes:
    """What a regular file holds; raises FileError.

    A FIFO would keep the whole process waiting for somebody to write to it, a device for good. So
    they are not even opened, which some devices would take for a command.
    """
    try:
        _check(path.stat())
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        with open(descriptor, "rb") as opened:  # noqa: PTH123 -- a descriptor, no path
            _check(os.fstat(descriptor))  # it may be another one by now
            data = opened.read(max_bytes + 1)
    except OSError as error:
        raise FileError(unreadable(path, error)) from error
    if len(data) > max_bytes:
        raise FileError(f"is too large; allowed: {max_bytes} bytes")
    return data


def unreadable(path: Path, error: OSError) -> str:
    """Why it cannot be read."""
    return f"cannot be read: {reason(path, error)}"


def reason(path: Path, error: OSError) -> str:
    """What the system says. If it is a matter of permissions: whose it is, and who this is."""
    why = error.strerror or str(error)
    if not isinstance(error, PermissionError):
        return why
    return "; ".join([why, *_permissions(_obstacle(path)), f"this process runs as {_process()}"])


def hints_of_exposed(named: Iterable[tuple[str, Path]]) -> list[str]:
    """A hint for each secret that every user of this machine can read or change.

    `named` are files with the settings that name them.
    """
    return [
        f"{name}={str(path)!r} can be read or changed by every user of this machine "
        f"(mode {_mode(path.stat())}): {HOW_TO_RESTRICT}"
        for name, path in dict.fromkeys(named)
        if is_exposed(path)
    ]


def is_exposed(path: Path) -> bool:
    """Whether every user of this machine may read or change it. One that is not there is not."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    # Not a device such as /dev/stdin.
    return stat.S_ISREG(mode) and bool(mode & (stat.S_IROTH | stat.S_IWOTH))


def _check(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise FileError("is no regular file; allowed: one, or a link to one")


def _obstacle(path: Path) -> Path:
    """The folder on the way that this process may not enter, else the file itself, or the folder
    that it is not in.
    """
    folders = reversed(path.absolute().parents)
    last = path if os.access(path, os.F_OK) else path.absolute().parent
    return next((each for each in folders if not os.access(each, os.X_OK)), last)


def _permissions(path: Path) -> list[str]:
    try:
        status = path.stat()
    except OSError:
        return []
    what = "the folder" if stat.S_ISDIR(status.st_mode) else "the file"
    owner = f"{_user(status.st_uid)}, group {_group(status.st_gid)}"
    return [f"{what} {str(path)!r} belongs to {owner} and has mode {_mode(status)}"]


def _process() -> str:
    return f"{_user(os.geteuid())}, group {_group(os.getegid())}"


def _user(number: int) -> str:
    try:
        return f"{pwd.getpwuid(number).pw_name} (uid {number})"
    except KeyError:
        return f"uid {number}"


def _group(number: int) -> str:
    try:
        return f"{grp.getgrgid(number).gr_name} (gid {number})"
    except KeyError:
        return f"gid {number}"


def _mode(status: os.stat_result) -> str:
    return f"{stat.S_IMODE(status.st_mode):03o}"
