"""The control socket: the API over a UNIX socket, for the owner of the process."""

from __future__ import annotations

import errno
import os
import socket
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from twisted.internet.defer import maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IReactorUNIX
from twisted.internet.protocol import Factory

from tessel_service_kit.files import reason


class ControlPort:
    """Listens on CONTROL_SOCKET; without a path it does nothing.

    Only the user of the process and root can connect: the socket's mode is 600.
    """

    def __init__(
        self, path: Path | None, factory: Factory[Any] | None, reactor: IReactorUNIX
    ) -> None:
        """`factory` serves the API over HTTP; None, and no path: there is no socket."""
        self._path = path
        self._factory = factory
        self._reactor = reactor
        self._port: IListeningPort | None = None

    def start(self) -> None:
        """Listen; raises CannotListenError, also if another process listens there."""
        if self._path is None:
            return
        try:
            _make_room(self._path)
            self._listen(self._path)
        except CannotListenError as error:
            raise _refused(self._path, error.socketError) from error
        except OSError as error:
            raise _refused(self._path, error) from error

    def _listen(self, path: Path) -> None:
        mask = os.umask(0o177)  # the reactor sets the mode a moment after it has bound the socket
        try:
            self._port = self._reactor.listenUNIX(
                str(path),
                self._factory,  # type: ignore[arg-type] # it is one
                mode=0o600,
            )
        finally:
            os.umask(mask)

    async def stop(self) -> None:
        """Stop listening and remove the socket."""
        if self._port is not None:
            port, self._port = self._port, None
            await maybeDeferred(port.stopListening)
            with suppress(OSError):
                cast("Path", self._path).unlink()


def _make_room(path: Path) -> None:
    """Remove the socket of a proxy that was killed.

    Raises OSError if something else is there, or the folder is missing.
    """
    path.parent.stat()
    try:
        kind = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(kind):
        raise FileExistsError(errno.EEXIST, "a file that is no socket is there; remove it")
    if _is_in_use(path):
        raise OSError(errno.EADDRINUSE, "another proxy listens there; each needs its own path")
    path.unlink()


def _is_in_use(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return False
        except BlockingIOError:  # a process listens, and more connections wait than it has room for
            return True
        return True


def _refused(path: Path, error: OSError) -> CannotListenError:
    why = reason(path, error)
    if error.errno == errno.ENOENT:
        why = f"the folder {str(path.parent)!r} does not exist; create it"
    return CannotListenError(None, f"CONTROL_SOCKET={str(path)!r}", ValueError(why))
