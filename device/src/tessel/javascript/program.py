"""The run of one JavaScript program: a board for its Node process, until the process ends."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IReactorSocket
from twisted.internet.protocol import Factory, ServerFactory
from twisted.logger import LogEvent, Logger, LogLevel, formatEvent
from twisted.python.failure import Failure

from tessel.board import Board
from tessel.javascript.bridge import Bridge
from tessel.javascript.channel import Channel
from tessel.javascript.find_node import Node
from tessel.javascript.process import NodeProcess, exit_code
from tessel.program.program import IProgramReactor
from tessel.program.report import report
from tessel.radio_factory import BusWrap
from tessel.settings import DEBUG_VARIABLE
from tessel_service_kit.output import Writable

log = Logger(namespace="tessel")


class _ChannelFactory(Factory):
    """Returns the one channel."""

    noisy = False

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def buildProtocol(self, addr: IAddress | None) -> Channel:
        """Return the channel."""
        del addr
        return self._channel


class IJavaScriptReactor(IProgramReactor, IReactorSocket):
    """The interfaces of a Twisted reactor that the run of a JavaScript program uses."""


class JavaScriptProgram:
    """Runs one JavaScript program in a Node process, on a board of its own."""

    def __init__(
        self,
        reactor: IJavaScriptReactor,
        environ: Mapping[str, str],
        random: Callable[[], float],
        errors: Writable,
        *,
        wrap_bus: BusWrap = lambda bus: bus,
    ) -> None:
        self._reactor = reactor
        self._environ = dict(environ)
        self._errors = errors
        self._board = Board(
            reactor, self._environ, random, uncaught=self._uncaught, wrap_bus=wrap_bus
        )
        self._bridge = Bridge(self._board.runtime, self._environ, self._bad_child)
        self._process: NodeProcess | None = None
        self._exit_code: int | None = None

    def run(self, node: Node, program: Path, arguments: Sequence[str]) -> int:
        """Run a program until its process ends, and return the exit code of the command."""
        self._reactor.callWhenRunning(self._start, node, program, arguments)
        self._reactor.run()
        return self._exit_code or 0

    def _start(self, node: Node, program: Path, arguments: Sequence[str]) -> None:
        self._board.power_on()
        process = self._process = NodeProcess(str(node.path), program, arguments, self._environ)
        factory = cast("ServerFactory", _ChannelFactory(self._bridge.channel))
        with process.channel as channel:
            channel.setblocking(False)
            self._reactor.adoptStreamConnection(channel.fileno(), socket.AF_UNIX, factory)
        process.when_ended(self._reactor, self._ended)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda number, _: self._signalled(number))

    def _signalled(self, number: int) -> None:
        if self._process is not None:
            self._process.signal(signal.Signals(number))

    def _ended(self, returned: int) -> None:
        self._exit_code = self._exit_code or exit_code(returned)
        self._bridge.channel.abandon_all()
        ending = Deferred.fromCoroutine(self._board.finish())
        ending.addErrback(self._report_failure)
        ending.addBoth(lambda _: self._reactor.stop())

    def _bad_child(self, reason: str) -> None:
        self._fail(f"tessel: the program's process broke the channel's rules: {reason}\n")

    def _uncaught(self, error: BaseException) -> None:
        self._fail(report(error))

    def _fail(self, text: str) -> None:
        self._say(text)
        self._exit_code = 1
        if self._process is not None:
            self._process.signal(signal.SIGKILL)

    def _report_failure(self, failure: Failure) -> None:
        self._say(failure.getTraceback())
        self._exit_code = self._exit_code or 1

    def _say(self, text: str) -> None:
        with suppress(OSError, ValueError, AttributeError):
            self._errors.write(text)

    def observe(self, event: LogEvent) -> None:
        """Called for each event of Twisted's log; see `Program.observe`."""
        failure = event.get("log_failure")
        if failure is not None and event.get("log_level") is LogLevel.critical:
            self._uncaught(failure.value)
        elif DEBUG_VARIABLE in self._environ and str(event.get("log_namespace")).startswith(
            "tessel"
        ):
            self._say(f"tessel: {formatEvent(event)}\n")
