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
    """An interface of objects that are built from files and can be built from them again."""

    @property
    def name(self) -> str:
        """The name of the object in the log."""

    @property
    def paths(self) -> Sequence[Path]:
        """The files from which the object is built."""

    @property
    def stamps(self) -> Stamps:
        """The `stamps_of` the files, taken just before they were last read, successfully or not.

        They are taken before reading, so that a change during the reading is found. The object
        itself takes them, so that a change between its first load and the first check is found.
        """

    def reload(self) -> None:
        """Read the files again. A faulty file raises ConfigError, and the former content stays."""


@runtime_checkable
class Warns(Interface):
    """An interface of reloadables whose files can be used, but contain parts that cannot."""

    @property
    def warnings(self) -> Sequence[str]:
        """The warnings for the operator, one sentence each; empty if there are none."""


def stamps_of(paths: Sequence[Path]) -> Stamps:
    """Return one stamp (times, size and inode) for each file; a changed file gets another stamp.

    The stamp of a file that cannot be read is None.
    """
    return tuple(map(_stamp, paths))


def _stamp(path: Path) -> _Stamp:
    """Return times, size and inode of a file, or None if it cannot be read (a change, too)."""
    try:
        status = path.stat()  # follows links: certbot and Kubernetes replace links
    except OSError:
        return None
    return (status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino)
