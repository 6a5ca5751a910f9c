"""The run of one JavaScript program: a board for its Node process, until the process ends.

Node keeps the process alive, and decides when it ends. Then the device sends what the program has
written, closes what is open as an operating system would, and ends with the process's exit code.
"""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, cast

from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeoutError
from twisted.internet.error import ReactorNotRunning
from twisted.internet.interfaces import IAddress, IReactorSocket
from twisted.internet.protocol import Factory, ServerFactory
from twisted.internet.task import deferLater
from twisted.logger import LogEvent, Logger, LogLevel, formatEvent
from twisted.python.failure import Failure

from tessel.board import Board
from tessel.javascript.bridge import Bridge
from tessel.javascript.channel import Channel
from tessel.javascript.find_node import Node
from tessel.javascript.process import SIGNAL_EXIT, NodeProcess, exit_code
from tessel.javascript.signals import FORWARD_AFTER_S, SIGNALS, Signals
from tessel.program.program import IProgramReactor
from tessel.program.report import open_report, report
from tessel.radio_factory import BusWrap
from tessel.settings import DEBUG_VARIABLE
from tessel_service_kit.output import Writable

FAILURE_EXIT: Final = 1
PROCESS_ID: Final = 0  # on the channel: the process as a whole

CHANNEL_GRACE_S: Final = 2.0
"""Seconds between the end of the process and the end of its channel, in either order. The system
closes a channel when it ends the process."""

FINISH_LIMIT_S: Final = 12.0
"""Seconds to send the last bytes (2 s), to close the connections to targets (1 s), to close the
tunnel (5 s) and to switch the radio off. If it takes longer, something hangs, and the system closes
the rest."""

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
        leave_at_once: Callable[[int], None],
        *,
        wrap_bus: BusWrap = lambda bus: bus,
    ) -> None:
        """Create the run. `leave_at_once` ends this process with an exit code, without cleaning."""
        self._reactor = reactor
        self._environ = dict(environ)
        self._errors = errors
        self._leave_at_once = leave_at_once
        self._board = Board(
            reactor, self._environ, random, uncaught=self._uncaught, wrap_bus=wrap_bus
        )
        self._signals = Signals(reactor, self._send_signal, self._say, self._end_by_force)
        self._bridge = Bridge(
            self._board.runtime,
            self._environ,
            self._bad_child,
            signal_handled=self._signals.reported,
        )
        self._process: NodeProcess | None = None
        self._returned: int | None = None  # set when the process has ended
        self._exit_code: int | None = None  # set when an error or the process's end decides it

    def run(self, node: Node, program: Path, arguments: Sequence[str]) -> int:
        """Run a program until its process ends, and return the exit code of the command."""
        self._reactor.callWhenRunning(self._start, node, program, arguments)
        try:
            self._reactor.run()
        finally:
            self._let_go()
        return FAILURE_EXIT if self._exit_code is None else self._exit_code

    def _start(self, node: Node, program: Path, arguments: Sequence[str]) -> None:
        self._board.power_on()
        for number in SIGNALS:
            signal.signal(number, lambda number, _: self._signalled(number))
        try:
            process = NodeProcess(str(node.path), program, arguments, self._environ)
        except OSError as fault:
            self._fail(f"tessel: {node.path} cannot be started: {fault.strerror}\n")
            return
        self._process = process
        process.when_ended(self._reactor, self._process_ended)
        self._bridge.channel.closed.addCallback(lambda _: self._channel_closed())
        factory = cast("ServerFactory", _ChannelFactory(self._bridge.channel))
        with process.channel as channel:
            channel.setblocking(False)
            self._reactor.adoptStreamConnection(channel.fileno(), socket.AF_UNIX, factory)

    # Signals.

    def _signalled(self, number: int) -> None:
        self._reactor.callFromThread(self._signals.came, signal.Signals(number))

    def _send_signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._returned is None:
            fields = {"event": "signal", "name": number.name}
            self._bridge.channel.send(PROCESS_ID, fields)  # before the signal
            self._process.signal(number)

    def _end_by_force(self, number: int) -> None:
        self._send_signal(signal.SIGKILL)
        self._leave_at_once(SIGNAL_EXIT + number)

    # The end.

    def _channel_closed(self) -> None:
        if self._returned is None:
            self._reactor.callLater(CHANNEL_GRACE_S, self._kill_without_channel)

    def _kill_without_channel(self) -> None:
        if self._returned is None:
            self._fail("tessel: the program's process has closed its channel to the device\n")

    def _process_ended(self, returned: int) -> None:
        self._returned = returned
        self._signals.process_ended()
        ending = Deferred.fromCoroutine(self._finish(returned))
        ending.addTimeout(FINISH_LIMIT_S, self._reactor)
        ending.addErrback(self._report_failure)
        ending.addBoth(lambda _: self._stop())

    async def _finish(self, returned: int) -> None:
        """Take the last calls of the program from the channel; then close all that is open."""
        channel = self._bridge.channel
        with suppress(DeferredTimeoutError):
            await channel.closed.addTimeout(CHANNEL_GRACE_S, self._reactor)
        if self._signals.first is None and -returned in SIGNALS:
            await deferLater(self._reactor, FORWARD_AFTER_S)  # its own signal may still come
        if self._exit_code is None:
            self._exit_code = self._code_of(returned)
        await channel.abandon_all()
        await self._board.finish()

    def _code_of(self, returned: int) -> int:
        """Return the exit code for that of the process; say why if a signal has ended it."""
        asked = self._signals.first
        if returned >= 0:
            return returned
        ended_by = signal.Signals(-returned)
        if asked is None or ended_by not in (asked, signal.SIGKILL):
            self._say(f"tessel: the program's process was ended by {ended_by.name}\n")
            return exit_code(returned)
        places = self._bridge.channel.places()
        log.debug("ended by {signal}; open was: {found}", signal=asked.name, found=places)
        if asked is signal.SIGINT:
            self._say(open_report(asked.name, places))
        return SIGNAL_EXIT + asked

    def _stop(self) -> None:
        with suppress(ReactorNotRunning):
            self._reactor.stop()

    def _let_go(self) -> None:
        """Leave no process behind, whatever has ended the reactor."""
        if self._process is not None:
            self._send_signal(signal.SIGKILL)
            self._process.close()

    # Errors.

    def _bad_child(self, reason: str) -> None:
        self._fail(f"tessel: the program's process broke the channel's rules: {reason}\n")

    def _uncaught(self, error: BaseException) -> None:
        """End the run by an error of the device, which is a bug."""
        self._fail(report(error))

    def _fail(self, text: str) -> None:
        """Report an error that ends the run, and end the process."""
        self._say(text)
        self._exit_code = FAILURE_EXIT
        if self._process is None:
            self._stop()
        else:
            self._send_signal(signal.SIGKILL)

    def _report_failure(self, failure: Failure) -> None:
        """Report that closing has failed, which is a bug; the exit code is not 0."""
        if failure.check(DeferredTimeoutError):
            self._say(f"tessel: the device did not close all within {FINISH_LIMIT_S:g} s\n")
        else:
            self._say(failure.getTraceback())
        self._exit_code = self._exit_code or FAILURE_EXIT

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
