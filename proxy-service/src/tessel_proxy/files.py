"""Files that an operator names -> their octets. While devices are served, none may hold that up."""

from __future__ import annotations

import os
import stat
from pathlib import Path


class FileError(Exception):
    """A file is of no use; the text goes on where a sentence has named it."""


def octets_of(path: Path, max_octets: int) -> bytes:
    """What a regular file holds; raises FileError.

    A FIFO would keep the whole process waiting for somebody to write to it, a device for good. So
    they are not even opened, which some devices would take for a command.
    """
    try:
        _check(path.stat())
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        with open(descriptor, "rb") as opened:  # noqa: PTH123 -- a descriptor, no path
            _check(os.fstat(descriptor))  # it may be another one by now
            octets = opened.read(max_octets + 1)
    except OSError as error:
        raise FileError(f"cannot be read: {error.strerror}") from error
    if len(octets) > max_octets:
        raise FileError(f"is too large; allowed: {max_octets} octets")
    return octets


def _check(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise FileError("is no regular file; allowed: one, or a link to one")
