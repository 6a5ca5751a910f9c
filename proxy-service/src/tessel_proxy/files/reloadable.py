"""Files that are read again while the proxy serves: their interface, and how a change is found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol as Interface
from typing import TypeAlias, runtime_checkable

# A rename brings another inode, a write in place another size or time, a chmod another ctime.
_Stamp: TypeAlias = tuple[int, int, int, int] | None
Stamps: TypeAlias = tuple[_Stamp, ...]


class Reloadable(Interface):
    """What was made of files, and can be made of them anew."""

    @property
    def name(self) -> str:
        """For the log: what it is."""

    @property
    def paths(self) -> Sequence[Path]:
        """The files it is made of."""

    @property
    def stamps(self) -> Stamps:
        """Its files' stamps from just before they were last read, be it in vain.

        From before: what changes while they are read is a change. And from whoever reads them: a
        renewal between the first load and the first look would not be seen until the next one.
        """

    def reload(self) -> None:
        """Use the files as they are now. Raises ConfigError, and goes on as before."""


@runtime_checkable
class Warns(Interface):
    """A reloadable that can be used, but not with all that its files hold."""

    @property
    def warnings(self) -> Sequence[str]:
        """What the operator should know, a sentence each."""


def stamps_of(paths: Sequence[Path]) -> Stamps:
    """How to tell whether one of these files has changed."""
    return tuple(map(_stamp, paths))


def _stamp(path: Path) -> _Stamp:
    """What changes with a file; None if it cannot be looked at, which is a change, too."""
    try:
        status = path.stat()  # of what a link leads to: certbot and Kubernetes swap links
    except OSError:
        return None
    return (status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino)
