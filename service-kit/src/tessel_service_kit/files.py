"""Read files that an operator names, and explain why one cannot be used.

Only regular files are read: while a service runs, no file may block it.
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
    """A file cannot be used.

    The error's text continues a sentence that begins with the file's name.
    """


def bytes_of(path: Path, max_bytes: int) -> bytes:
    """Return the content of a regular file.

    Other kinds of files are not even opened: a FIFO would block the process until somebody writes
    to it, a device could block it for ever, and some devices act when they are opened.

    Raises:
        FileError: it cannot be read, is not a regular file, or holds more than `max_bytes`.
    """
    try:
        _check(path.stat())
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        with open(descriptor, "rb") as opened:  # noqa: PTH123 -- a descriptor, no path
            _check(os.fstat(descriptor))  # it may have been replaced after the first check
            data = opened.read(max_bytes + 1)
    except OSError as error:
        raise FileError(unreadable(path, error)) from error
    if len(data) > max_bytes:
        raise FileError(f"is too large; allowed: {max_bytes} bytes")
    return data


def unreadable(path: Path, error: OSError) -> str:
    """Return the reason why the file cannot be read, as text such as `cannot be read: ...`.

    It continues a sentence that begins with the file's name.
    """
    return f"cannot be read: {reason(path, error)}"


def reason(path: Path, error: OSError) -> str:
    """Return the system's error text; if permission is denied, with owners and modes.

    The text then names the file or folder that denies access, its owner and mode, and the user that
    this process runs as.
    """
    why = error.strerror or str(error)
    if not isinstance(error, PermissionError):
        return why
    return "; ".join([why, *_permissions(_obstacle(path)), f"this process runs as {_process()}"])


def hints_of_exposed(named: Iterable[tuple[str, Path]]) -> list[str]:
    """Return a hint for each file that every user of this machine can read or change.

    Args:
        named: pairs of a setting's name and the path of the secret file that it names.
    """
    return [
        f"{name}={str(path)!r} can be read or changed by every user of this machine "
        f"(mode {_mode(path.stat())}): {HOW_TO_RESTRICT}"
        for name, path in dict.fromkeys(named)
        if is_exposed(path)
    ]


def is_exposed(path: Path) -> bool:
    """Return whether every user of this machine may read or change it. False if it is missing."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    # A device such as /dev/stdin does not count: its mode says nothing about the secret.
    return stat.S_ISREG(mode) and bool(mode & (stat.S_IROTH | stat.S_IWOTH))


def _check(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise FileError("is not a regular file; allowed: a regular file, or a link to one")


def _obstacle(path: Path) -> Path:
    """Return the first folder of the path that this process may not enter.

    If it may enter all of them: the file, or its folder if the file does not exist.
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
