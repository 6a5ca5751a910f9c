"""The control socket: `tessel-proxy upgrade` asks the supervisor, and waits for the result.

One line is asked, such as "upgrade", and one is answered: "ok", or "failed" and the reason.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, cast

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IAddress, IListeningPort, IReactorUNIX, ITCPTransport
from twisted.internet.protocol import ServerFactory
from twisted.logger import Logger
from twisted.protocols.basic import LineOnlyReceiver
from twisted.python.failure import Failure

MAX_LINE: Final = 1024
"""Bytes of a command."""

ANSWER_S: Final = 120.0
"""Seconds to wait for the answer: more than an upgrade takes until it has failed."""

OK: Final = "ok"

Command = Callable[[], Awaitable[str | None]]
"""Does something; the result is None, or why it failed."""


class ControlError(Exception):
    """A command could not be sent, or failed; the text says why."""


class _Asked(LineOnlyReceiver):
    """One connection: one command and its answer."""

    delimiter = b"\n"
    MAX_LENGTH = MAX_LINE
    _log = Logger()

    def __init__(self, commands: Mapping[str, Command]) -> None:
        self._commands = commands

    def lineReceived(self, line: bytes) -> None:
        """Called with a command: runs it, then answers and closes."""
        command = self._commands.get(line.decode("ascii", "replace").strip())
        if command is None:
            self._answer(f"unknown command; known: {', '.join(self._commands)}")
            return
        done = Deferred.fromCoroutine(_result_of(command))
        done.addCallbacks(self._answer, self._broken)

    def _broken(self, failure: Failure) -> None:
        self._log.failure("a command failed", failure=failure)
        self._answer("internal error; the log has a traceback")

    def _answer(self, why: str | None) -> None:
        text = OK if why is None else f"failed {why}"
        self.sendLine(text.encode())  # type: ignore[no-untyped-call] # Twisted's has no types
        cast("ITCPTransport", self.transport).loseConnection()


async def _result_of(command: Command) -> str | None:
    return await command()


class _Commands(ServerFactory[_Asked]):
    noisy = False

    def __init__(self, commands: Mapping[str, Command]) -> None:
        self._commands = commands

    def buildProtocol(self, addr: IAddress | None) -> _Asked:  # noqa: ARG002 -- Twisted's
        return _Asked(self._commands)


class ControlPort:
    """Listens on CONTROL_SOCKET; without a path it does nothing.

    Only the user of the process and root can connect: the socket's mode is 600.
    """

    def __init__(
        self, path: Path | None, commands: Mapping[str, Command], reactor: IReactorUNIX
    ) -> None:
        self._path = path
        self._factory = _Commands(commands)
        self._reactor = reactor
        self._port: IListeningPort | None = None

    def start(self) -> None:
        """Listen; raises CannotListenError, also if another process listens there."""
        if self._path is None:
            return
        if self._path.is_socket():
            if _is_in_use(self._path):
                taken = OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
                raise CannotListenError(str(self._path), "CONTROL_SOCKET", taken)
            self._path.unlink()  # of a supervisor that was killed
        mask = os.umask(0o177)  # the reactor sets the mode a moment after it has bound the socket
        try:
            self._port = self._reactor.listenUNIX(
                str(self._path),
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


def _is_in_use(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return False
        return True


def ask(path: Path, command: str, within_s: float = ANSWER_S) -> None:
    """Send a command to a running proxy and wait for its success. Blocks.

    Raises ControlError.
    """
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(within_s)
            connection.connect(str(path))
            connection.sendall(f"{command}\n".encode())
            with connection.makefile() as answers:
                answer = answers.readline().strip()
    except OSError as error:
        raise ControlError(f"CONTROL_SOCKET='{path}': {error.strerror or error}") from error
    if answer != OK:
        raise ControlError(answer.removeprefix("failed ") or "the proxy has ended meanwhile")
