"""Files that are read again while the proxy serves: their interface, and how a change is found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol as Interface
from typing import TypeAlias, runtime_checkable

# A rename changes the inode, a write in place the size or a time, a chmod the ctime.
_Stamp: TypeAlias = tuple[int, int, int, int] | None
Stamps: TypeAlias = tuple[_Stamp, ...]


class Reloadable(Interface):
    """An object made from files, which can be made from them again."""

    @property
    def name(self) -> str:
        """The name for the log."""

    @property
    def paths(self) -> Sequence[Path]:
        """The files that it is made from."""

    @property
    def stamps(self) -> Stamps:
        """The stamps of its files, taken just before they were last read, successfully or not.

        They are taken before reading, so that a change during the reading is found. The object
        itself takes them, so that a change between its first load and the first look is found.
        """

    def reload(self) -> None:
        """Read the files again. Raises ConfigError, and keeps the former content."""


@runtime_checkable
class Warns(Interface):
    """A reloadable whose files have content that it cannot use, but that is no failure."""

    @property
    def warnings(self) -> Sequence[str]:
        """Warnings for the operator, one sentence each."""


def stamps_of(paths: Sequence[Path]) -> Stamps:
    """Return stamps that differ if one of these files has changed."""
    return tuple(map(_stamp, paths))


def _stamp(path: Path) -> _Stamp:
    """Return times, size and inode of a file, or None if it cannot be read (a change, too)."""
    try:
        status = path.stat()  # follows links: certbot and Kubernetes replace links
    except OSError:
        return None
    return (status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino)
