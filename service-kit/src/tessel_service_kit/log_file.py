"""The log in a file, which outlives the container that wrote it and never grows too large."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from tessel_service_kit.output import LineOutput

KEPT_FILES: Final = 5
"""The file itself and four older ones, `.1` (the newest) to `.4`."""

_OWNER_ALONE: Final = 0o600  # the lines name accounts, devices and targets


class FileOutput(LineOutput):
    """Lines for a file; written, and the file renamed when it is full, in the output's thread.

    Somebody else may rename, delete or empty the file, as logrotate does: the next line goes to a
    new file of this name. Nobody has to send a signal.
    """

    def __init__(self, path: Path, max_bytes: int, report: Callable[[int], str]) -> None:
        """Raises OSError if the file cannot be opened."""
        self._path = path
        self._max_bytes = max_bytes
        self._file = _opened(path)
        super().__init__(self._file, report)

    def _written_of(self, text: memoryview) -> int:
        size = self._size()
        if size is None:
            self._open_again()
        elif size and size + len(text) > self._max_bytes:
            self._begin_another()
        return super()._written_of(text) if os.fstat(self._file).st_nlink else 0

    def _size(self) -> int | None:
        """The file's size in bytes; None if the open file does not have this name any more."""
        try:
            named, opened = self._path.stat(), os.fstat(self._file)
        except OSError:
            return None
        return opened.st_size if os.path.samestat(named, opened) else None

    def _begin_another(self) -> None:
        """If that is not possible, go on with the file that is open."""
        with suppress(OSError):
            for number in range(KEPT_FILES - 1, 0, -1):
                with suppress(FileNotFoundError):  # there are not so many yet
                    self._numbered(number - 1).replace(self._numbered(number))
        self._open_again()

    def _open_again(self) -> None:
        """If that is not possible, go on with the file that is open."""
        with suppress(OSError):
            before, self._file = self._file, _opened(self._path)
            self._descriptor = self._file
            os.close(before)

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}") if number else self._path


def unfit(path: Path) -> str | None:
    """Why it cannot hold the log; None: it can.

    Nothing is created. Standard error may be a FIFO or a device; this file may not: opening a FIFO
    would wait for a reader, and /dev/null would be renamed for the whole machine.
    """
    if path.exists() and not path.is_file():
        return "is no regular file"
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        return "cannot be written"
    return None


def can_be_renamed(path: Path) -> bool:
    """Whether another file can take its place when it is full."""
    return os.access(path.parent, os.W_OK)


def _opened(path: Path) -> int:
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "is no regular file", str(path))
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
    return os.open(path, flags, _OWNER_ALONE)
