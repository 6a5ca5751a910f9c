"""The handles that keep a program alive: open sockets, servers, timers, lookups and requests.

An idle tunnel and its timer have no handle.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Self, TypeAlias


def _described(handle: Handle, count: int) -> str:
    times = f" ({count} times)" if count > 1 else ""
    where = f", opened at {_line(handle.at)}" if handle.at else ""
    return f"{handle.named()}{where}{times}"


def _line(at: str) -> str:
    """`/home/me/hello.py:8` -> `/home/me/hello.py, line 8`."""
    filename, _, line = at.rpartition(":")
    return f"{filename}, line {line}"


Use: TypeAlias = Callable[[], str]


class Handle:
    """An entry for an open resource: while it is open and referenced, the program does not end."""

    def __init__(self, handles: Handles, what: str, at: str | None = None) -> None:
        """`at` is the program's line that opened it, as `source_location.here` returns it."""
        self._handles = handles
        self.what = what
        self.at = at
        self.use: Use | None = None
        self._open = True
        self._referenced = True
        handles.changed(self, counted=True)

    def ref(self) -> None:
        """Keep the program alive while the handle is open."""
        self._set(is_open=self._open, referenced=True)

    def unref(self) -> None:
        """Let the program end although the handle is open."""
        self._set(is_open=self._open, referenced=False)

    def named(self) -> str:
        """Return the name of the handle, followed by its use if one is set."""
        return self.what if self.use is None else f"{self.what} for {self.use()}"

    def close(self) -> None:
        """Close the handle. A second call does nothing."""
        self._set(is_open=False, referenced=self._referenced)

    @property
    def closed(self) -> bool:
        """True after `close` was called."""
        return not self._open

    def has_ref(self) -> bool:
        """Return whether the handle is open and referenced, so that it keeps the program alive."""
        return self._open and self._referenced

    def _set(self, *, is_open: bool, referenced: bool) -> None:
        before = self.has_ref()
        self._open, self._referenced = is_open, referenced
        if before != self.has_ref():
            self._handles.changed(self, counted=self.has_ref())


class Holder:
    """The base of objects that own a handle, such as sockets: adds `ref` and `unref`.

    Both can also be called before the handle is open, and after it is closed.
    """

    _handle: Handle | None = None
    _referenced = True

    def ref(self) -> Self:
        """Keep the program alive while this object is open. This is the default."""
        self._referenced = True
        if self._handle is not None:
            self._handle.ref()
        return self

    def unref(self) -> Self:
        """Let the program end although this object is open."""
        self._referenced = False
        if self._handle is not None:
            self._handle.unref()
        return self

    def used_for(self, use: Use | None, at: str | None = None) -> None:
        """Set the use of the handle for the report of open handles; None: no use.

        `use` returns the description of the use. `at` is the program's line of that use; None: keep
        the line that opened the handle.
        """
        if self._handle is not None:
            self._handle.use = use
            self._handle.at = at or self._handle.at

    def _take_handle(self, handle: Handle) -> None:
        self._handle = handle
        if not self._referenced:
            handle.unref()

    def _name_handle(self, what: str) -> None:
        """Rename the handle, when more is known."""
        if self._handle is not None:
            self._handle.what = what

    def _let_go(self) -> None:
        handle, self._handle = self._handle, None
        if handle is not None:
            handle.close()


class Handles:
    """Holds all handles of a program. `idle` is called when the last referenced one is closed."""

    def __init__(self, idle: Callable[[], None] = lambda: None) -> None:
        self._idle = idle
        self._counted: set[Handle] = set()

    def open(self, what: str, at: str | None = None) -> Handle:
        """Return a new open handle.

        `what` is its name for reports. `at` is the program's line that opens it; None: not known.
        """
        return Handle(self, what, at)

    def __len__(self) -> int:
        return len(self._counted)

    def names(self) -> list[str]:
        """Return the names of all open and referenced handles, sorted, for the log."""
        return sorted(handle.named() for handle in self._counted)

    def places(self) -> list[str]:
        """Return descriptions of all open and referenced handles, sorted by the program's lines.

        Each has the name, the line that opened the handle, and the number of equal handles.
        """
        found = {(handle.at or "", handle.named()): handle for handle in self._counted}
        counts = Counter((handle.at or "", handle.named()) for handle in self._counted)
        return [_described(found[key], counts[key]) for key in sorted(found)]

    def changed(self, handle: Handle, *, counted: bool) -> None:
        """Called by a handle whose state has changed: counts it or stops counting it.

        `counted`: the handle is open and referenced.
        """
        if counted:
            self._counted.add(handle)
            return
        self._counted.discard(handle)
        if not self._counted:
            self._idle()
