"""A program that runs with the gateway as its proxy, by the variables that most programs heed."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final
from typing import Protocol as Shape
from urllib.parse import quote

from twisted.internet.error import ProcessExitedAlready
from twisted.internet.interfaces import IProcessTransport
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from tessel.gateway.opening import Credentials
from tessel.gateway.settings import Address

URL_VARIABLES: Final = ("http_proxy", "https_proxy", "all_proxy")
EXCEPTION_VARIABLES: Final = ("no_proxy", "NO_PROXY")
NODE_VARIABLE: Final = "NODE_USE_ENV_PROXY"

SIGNAL_EXIT: Final = 128  # plus the signal's number
STANDARD_STREAMS: Final = {0: 0, 1: 1, 2: 2}


def proxy_variables(address: Address, credentials: Credentials | None) -> dict[str, str]:
    """Return the variables that make programs use the gateway.

    The values are http:// URLs, also that of all_proxy: some programs refuse a socks5:// URL
    without a further library, and CONNECT carries any TCP protocol. No host is excepted:
    PROXY_LOCAL decides.
    """
    user = ""
    if credentials is not None:
        user = f"{quote(credentials.user, safe='')}:{quote(credentials.password, safe='')}@"
    url = f"http://{user}{address}"
    variables = {spelled: url for name in URL_VARIABLES for spelled in (name, name.upper())}
    # Node 24 and later heed the variables only with this one
    return {**variables, **dict.fromkeys(EXCEPTION_VARIABLES, ""), NODE_VARIABLE: "1"}


class CommandReactor(Shape):
    """The methods of a Twisted reactor that a program's process needs."""

    @property
    def spawnProcess(self) -> Callable[..., IProcessTransport]: ...
    @property
    def callFromThread(self) -> Callable[..., object]: ...


class Command(ProcessProtocol):
    """The process of the program, whose standard streams are those of this process."""

    def __init__(
        self, reactor: CommandReactor, command: Sequence[str], environ: Mapping[str, str]
    ) -> None:
        self._reactor = reactor
        self._command = command
        self._environ = environ
        self._ended: Callable[[str], None] = lambda _: None
        self._process: IProcessTransport | None = None
        self.exit_code = 0

    def start(
        self, address: Address, credentials: Credentials | None, ended: Callable[[str], None]
    ) -> None:
        """Start the process; `ended` is called with a sentence when it has ended."""
        self._ended = ended
        environ = {**self._environ, **proxy_variables(address, credentials)}
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to the program, too
        signal.signal(signal.SIGTERM, lambda *_: self._reactor.callFromThread(self.end))
        self._process = self._reactor.spawnProcess(
            self, self._command[0], list(self._command), environ, None, childFDs=STANDARD_STREAMS
        )

    def end(self) -> None:
        """Ask the process to end, if it runs. The gateway ends with it."""
        if self._process is not None:
            with suppress(ProcessExitedAlready):
                self._process.signalProcess("TERM")

    def processEnded(self, reason: Failure) -> None:
        """Called by Twisted when the process has ended."""
        number = getattr(reason.value, "signal", None)
        code = getattr(reason.value, "exitCode", None)
        self.exit_code = SIGNAL_EXIT + number if number else code or 0
        # in a later turn: the process may end before `spawnProcess` returns
        self._reactor.callFromThread(self._ended, f"{Path(self._command[0]).name} has ended")
