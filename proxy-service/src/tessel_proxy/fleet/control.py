"""The control socket: the API over a UNIX socket, for the owner of the process; and its client."""

from __future__ import annotations

import errno
import http.client
import json
import os
import socket
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, cast

from twisted.internet.defer import maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IReactorUNIX
from twisted.internet.protocol import Factory

from tessel_proxy.fleet.engine import Confirmations, Notice, TokensRevoked, TunnelsEnded
from tessel_service_kit.files import reason

API: Final = "/api/v1/"
ANSWER_S: Final = 120.0
"""Seconds to wait for an answer: more than an upgrade takes until it has failed."""

MAX_ANSWER_BYTES: Final = 64 * 1024 * 1024
"""Bytes of an answer; a page of 1,000 tunnels has half a megabyte."""


class ControlError(Exception):
    """A command could not be sent, or failed; the text says why."""


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


class _Connection(http.client.HTTPConnection):
    """HTTP over a UNIX socket."""

    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path
        self._timeout_s = timeout_s

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self._timeout_s)
        self.sock.connect(str(self._path))


def ask(
    path: Path,
    method: str,
    resource: str,
    body: dict[str, Any] | None = None,
    within_s: float = ANSWER_S,
) -> dict[str, Any]:
    """Send a request to the API of a running proxy, and return its answer. Blocks.

    `resource` is what follows /api/v1/. Raises ControlError, also for an answer that is an error.
    """
    connection = _Connection(path, within_s)
    try:
        text = None if body is None else json.dumps(body)
        connection.request(method, API + resource, text, {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer: dict[str, Any] = json.loads(response.read(MAX_ANSWER_BYTES))
    except OSError as error:
        raise ControlError(_unreached(path, error, within_s)) from error
    except (http.client.HTTPException, ValueError) as error:
        raise ControlError(f"CONTROL_SOCKET='{path}': no proxy of this version answers") from error
    finally:
        connection.close()
    if response.status >= http.client.BAD_REQUEST:
        raise ControlError(answer["error"]["message"])
    return answer


def _unreached(path: Path, error: OSError, within_s: float) -> str:
    match error:
        case TimeoutError():
            why = f"no answer within {within_s:g} s"
        case BlockingIOError():
            why = "the proxy does not accept the connection: too many others wait"
        case FileNotFoundError():
            why = "no such socket; needed: the path that a running proxy has"
        case ConnectionRefusedError():
            why = "no proxy listens there any more; start it"
        case _:
            why = reason(path, error)
    return f"CONTROL_SOCKET={str(path)!r}: {why}"


def tell(path: Path, notice: Notice) -> Confirmations:
    """Tell a running proxy, and the others that share its state, a notice. Blocks.

    Raises ControlError.
    """
    match notice:
        case TunnelsEnded(account, device, reason):
            body = {"account": account, "device": device, "reason": reason or "ended"}
            answer = ask(path, "POST", "end", body)
        case TokensRevoked(account):
            answer = ask(path, "POST", "check-tokens", {"account": account})
        case _:
            raise ControlError(f"{type(notice).__name__} is not told by this way")
    return Confirmations(tuple(answer["confirmed"]), tuple(answer["missing"]))
