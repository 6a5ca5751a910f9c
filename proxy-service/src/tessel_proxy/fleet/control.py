"""The control socket: a command such as `tessel-proxy upgrade` asks the proxy, and waits.

One line is asked: the name of a command and its argument, if it has one. One line is answered: "ok"
and the result, if there is one, or "failed" and the reason.
"""

from __future__ import annotations

import errno
import json
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

from tessel_proxy.fleet.engine import Confirmations, EngineError, Notice
from tessel_proxy.fleet.wire import dump_notice, dumped, load_confirmations, load_notice

MAX_LINE: Final = 4096
"""Bytes of a command. The names of an account and a device take 3 KiB in JSON at most."""

ANSWER_S: Final = 120.0
"""Seconds to wait for the answer: more than an upgrade takes until it has failed."""

TOLD_S: Final = 10.0
"""Seconds to wait for the answer to `tell`: far more than the engine waits for confirmations."""

OK: Final = "ok"
FAILED: Final = "failed"

Command = Callable[[str], Awaitable[str]]
"""Does something with the argument of a command, and returns the result. Raises ControlError."""


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
        name, _, argument = line.decode("utf-8", "replace").strip().partition(" ")
        command = self._commands.get(name)
        if command is None:
            self._answer(f"{FAILED} unknown command; known: {', '.join(self._commands)}")
            return
        done = Deferred.fromCoroutine(_result_of(command, argument))
        done.addCallbacks(lambda result: self._answer(f"{OK} {result}"), self._failed)

    def _failed(self, failure: Failure) -> None:
        why = failure.getErrorMessage()
        if failure.check(ControlError) is None:
            self._log.failure("a command failed", failure=failure)
            why = "internal error; the log has a traceback"
        self._answer(f"{FAILED} {why}")

    def _answer(self, text: str) -> None:
        self.sendLine(text.encode())  # type: ignore[no-untyped-call] # Twisted's has no types
        cast("ITCPTransport", self.transport).loseConnection()


async def _result_of(command: Command, argument: str) -> str:
    return await command(argument)


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


def telling(publish: Callable[[Notice], Awaitable[Confirmations]]) -> Command:
    """Return the command `tell`, which publishes a notice and returns who has confirmed it."""

    async def tell(argument: str) -> str:
        try:
            notice = load_notice(argument.encode())
        except (ValueError, LookupError, TypeError) as error:
            raise ControlError(f"tell: no notice that this proxy knows: {error!r}") from error
        try:
            done = await publish(notice)
        except EngineError as error:
            raise ControlError(str(error)) from error
        return dumped([done.confirmed, done.missing]).decode()

    return tell


def tell(path: Path, notice: Notice) -> Confirmations:
    """Tell a running proxy, and the others that share its state, a notice. Blocks.

    Raises ControlError.
    """
    answer = ask(path, f"tell {dump_notice(notice).decode()}", TOLD_S)
    return load_confirmations(json.loads(answer))


def ask(path: Path, command: str, within_s: float = ANSWER_S) -> str:
    """Send a command to a running proxy, wait for its success and return the result. Blocks.

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
    word, _, rest = answer.partition(" ")
    if word != OK:
        raise ControlError(rest or "the proxy has ended meanwhile")
    return rest
