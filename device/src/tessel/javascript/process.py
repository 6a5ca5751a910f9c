"""The Node process of a program: its start with a channel, and its end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Thread
from typing import Final

from twisted.internet.interfaces import IReactorFromThreads

PRELOAD: Final = Path(__file__).parent / "runtime" / "preload.js"
CHANNEL_VARIABLE: Final = "TESSEL_CHANNEL_FD"
SIGNAL_EXIT: Final = 128  # plus the signal's number, as shells report it


class NodeProcess:
    """A Node process that runs one program, with the channel's other end."""

    def __init__(
        self, node: str, program: Path, arguments: Sequence[str], environ: Mapping[str, str]
    ) -> None:
        """Start the process. Raises OSError if it cannot be started."""
        self.channel, childs = socket.socketpair()
        with childs:
            os.set_inheritable(childs.fileno(), True)
            self._process = subprocess.Popen(  # noqa: S603 - the purpose of the command
                [node, "--require", str(PRELOAD), str(program), *arguments],
                env={**environ, CHANNEL_VARIABLE: str(childs.fileno())},
                pass_fds=[childs.fileno()],
            )

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


def exit_code(returned: int) -> int:
    """Return the exit code of the command for that of the process, as shells report it."""
    return returned if returned >= 0 else SIGNAL_EXIT - returned
