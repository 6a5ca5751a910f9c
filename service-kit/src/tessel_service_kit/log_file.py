"""The log in a file that rotates by size, so that it outlives a container and stays small."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from tessel_service_kit.output import LineOutput

KEPT_FILES: Final = 5
"""Number of files: the current one and four older ones, `.1` (the newest) to `.4`."""

_OWNER_ONLY: Final = 0o600  # the lines name accounts, devices and targets


class FileOutput(LineOutput):
    """Writes log lines to a file and rotates it when it is full, all in the output's thread.

    logrotate or a person may rename, delete or empty the file at any time: the next line goes to a
    new file of this name. No signal is needed.
    """

    def __init__(
        self,
        path: Path,
        max_bytes: int,
        report: Callable[[int], str],
        lost: Callable[[str], object] = lambda _line: None,
    ) -> None:
        """Open the file for appending.

        Args:
            path: the file; older ones get `.1` to `.4` appended.
            max_bytes: size at which the file is renamed and a new one begun.
            report: returns the log line about a number of dropped lines.
            lost: called with each dropped line, mostly in the output's thread.

        Raises:
            OSError: the file cannot be opened.
        """
        self._path = path
        self._max_bytes = max_bytes
        self._file = _opened(path)
        super().__init__(self._file, report, lost=lost)

    def _written_of(self, text: memoryview) -> int:
        size = self._size()
        if size is None:
            self._open_again()
        elif size and size + len(text) > self._max_bytes:
            self._begin_another()
        return super()._written_of(text) if os.fstat(self._file).st_nlink else 0

    def _size(self) -> int | None:
        """Return the file's size in bytes; None if the open file was renamed or deleted."""
        try:
            named, opened = self._path.stat(), os.fstat(self._file)
        except OSError:
            return None
        return opened.st_size if os.path.samestat(named, opened) else None

    def _begin_another(self) -> None:
        """Rotate the files. If that fails, keep writing to the open file."""
        with suppress(OSError):
            for number in range(KEPT_FILES - 1, 0, -1):
                with suppress(FileNotFoundError):  # fewer than KEPT_FILES exist yet
                    self._numbered(number - 1).replace(self._numbered(number))
        self._open_again()

    def _open_again(self) -> None:
        """Open the file of this name. If that fails, keep writing to the open file."""
        with suppress(OSError):
            before, self._file = self._file, _opened(self._path)
            self._descriptor = self._file
            os.close(before)

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}") if number else self._path


def why_unusable(path: Path) -> str | None:
    """Return why this path cannot be used for a log file, or None if it can. Creates nothing.

    A FIFO is not allowed because opening it would wait for a reader, a device because rotation
    would rename /dev/null for the whole machine.
    """
    if path.exists() and not path.is_file():
        return "is not a regular file"
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        return "cannot be written"
    return None


def can_be_renamed(path: Path) -> bool:
    """Return whether the file can be rotated, that is: whether its folder is writable."""
    return os.access(path.parent, os.W_OK)


def _opened(path: Path) -> int:
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "is not a regular file", str(path))
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
    return os.open(path, flags, _OWNER_ONLY)
