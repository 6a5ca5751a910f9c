"""The Node process of a program: its start with a channel, and its end."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from threading import Thread
from typing import Final

from twisted.internet.interfaces import IReactorFromThreads

PRELOAD: Final = Path(__file__).parent / "runtime" / "preload.js"
CHANNEL_VARIABLE: Final = "TESSEL_CHANNEL_FD"
LIFELINE_VARIABLE: Final = "TESSEL_LIFELINE_FD"
SIGNAL_EXIT: Final = 128  # plus the signal's number, as shells report it

_NODES_OWN: Final = ("NODE_CHANNEL_FD", "NODE_CHANNEL_SERIALIZATION_MODE", "NODE_UNIQUE_ID")
"""Variables by which a Node process knows that its parent is a Node, too. They would name a
descriptor that this process does not have, or that is now the channel."""

_AUTHORITY_VARIABLES: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR")

_PR_SET_PDEATHSIG: Final = 1  # of Linux's prctl


class NodeProcess:
    """A Node process that runs one program, with the device's ends of its channel and lifeline.

    The lifeline is a pipe on which nothing is ever sent. Its end notifies a watchdog in the process
    that the device has ended, also while the program computes without a pause.
    """

    def __init__(
        self, node: str, program: Path, arguments: Sequence[str], environ: Mapping[str, str]
    ) -> None:
        """Start the process. Raises OSError if it cannot be started."""
        with ExitStack() as opened:
            self.channel, childs = socket.socketpair()
            opened.enter_context(self.channel)
            watched, self._lifeline = os.pipe()
            opened.callback(os.close, self._lifeline)
            with childs, os.fdopen(watched, "rb"):
                self._process = _started(
                    [
                        *(node, *_authorities(environ), "--require", str(PRELOAD)),
                        *("--", str(program.absolute()), *arguments),
                    ],
                    environ,
                    {CHANNEL_VARIABLE: childs.fileno(), LIFELINE_VARIABLE: watched},
                )
            opened.pop_all()

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    def when_ended(self, reactor: IReactorFromThreads, ended: Callable[[int], None]) -> None:
        """Call `ended` in the reactor with the process's code, negative for a signal."""
        waiter = Thread(
            target=lambda: reactor.callFromThread(ended, self._process.wait()), daemon=True
        )
        waiter.start()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process; do nothing if it has ended."""
        self._process.send_signal(number)

    def close(self) -> None:
        """Let go of the lifeline: a process that runs on would end."""
        os.close(self._lifeline)


def _authorities(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the option with which the TLS of Node trusts the same authorities as the device's.

    Node would ignore the variables, and trust its own list.
    """
    is_set = any(environ.get(name) for name in _AUTHORITY_VARIABLES)
    is_refused = "--use-bundled-ca" in environ.get("NODE_OPTIONS", "")
    return ("--use-openssl-ca",) if is_set and not is_refused else ()


def _started(
    command: Sequence[str], environ: Mapping[str, str], inherited: Mapping[str, int]
) -> subprocess.Popen[bytes]:
    numbers = {name: str(descriptor) for name, descriptor in inherited.items()}
    return subprocess.Popen(  # noqa: S603 - the purpose of the command
        command,
        env={name: value for name, value in environ.items() if name not in _NODES_OWN} | numbers,
        pass_fds=list(inherited.values()),
        preexec_fn=_awakening(),  # noqa: PLW1509 - calls only the system; no thread runs yet
    )


def _awakening() -> Callable[[], object] | None:
    """Return the function that makes Linux wake a stopped process up when the device dies.

    A stopped process could not see that its channel and lifeline have ended. None on other systems.
    """
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(_PR_SET_PDEATHSIG, int(signal.SIGCONT))


def exit_code(returned: int) -> int:
    """Return the exit code of the command for that of the process, as shells report it."""
    return returned if returned >= 0 else SIGNAL_EXIT - returned
