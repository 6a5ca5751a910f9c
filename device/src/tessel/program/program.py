"""The run of one program on a board, until its end.

The run ends when nothing is open any more (exit code 0), by an unhandled error (1), by `sys.exit`,
or by a signal (130 and 143). Then the program's callbacks are no longer called, the tunnel is
closed, and the reactor stops.
"""

from __future__ import annotations

import gc
import signal
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from enum import Enum, auto
from types import FrameType
from typing import TypeAlias, cast

from twisted.internet.defer import DebugInfo, Deferred
from twisted.internet.interfaces import IReactorCore, IReactorFromThreads
from twisted.logger import LogEvent, Logger, LogLevel, formatEvent
from twisted.python.failure import Failure

from tessel.board import Board
from tessel.program.liveness import Liveness, OwnClock, WatchedReactor
from tessel.program.report import open_report, report
from tessel.radio.host import IHostReactor
from tessel.radio_factory import BusWrap
from tessel.settings import DEBUG_VARIABLE
from tessel_service_kit.output import Writable

FOREIGN_POLL_S = 0.05  # interval of checks while the program uses the reactor itself
SIGNALS = (signal.SIGINT, signal.SIGTERM)
SIGNAL_EXIT = 128  # plus the signal's number, as shells report it

_WayOut: TypeAlias = Callable[[], Coroutine[Deferred[object], object, None]]

log = Logger(namespace="tessel")


class IProgramReactor(IHostReactor, IReactorCore, IReactorFromThreads):
    """The interfaces of a Twisted reactor that the run of a program uses."""


class _Stage(Enum):
    """The stages of a run."""

    MAIN = auto()  # the program's text runs
    RUNNING = auto()  # its callbacks run
    ENDING_UNASKED = auto()  # it ends because nothing is open; an error can still change that
    ENDING = auto()


class Program:
    """Runs one program on a board of its own, and reports the error that ends it."""

    def __init__(
        self,
        reactor: IProgramReactor,
        environ: Mapping[str, str],
        random: Callable[[], float],
        errors: Writable,
        leave_at_once: Callable[[int], None],
        *,
        wrap_bus: BusWrap = lambda bus: bus,
    ) -> None:
        self._reactor = reactor
        self._environ = environ
        self._errors = errors
        self._leave_at_once = leave_at_once
        self._clock = OwnClock(reactor)
        self._board = Board(
            reactor,
            environ,
            random,
            uncaught=self._uncaught,
            idle=self._look_soon,
            clock=self._clock,
            wrap_bus=wrap_bus,
        )
        self._liveness: Liveness | None = None
        self._look_due = False
        self._stage = _Stage.RUNNING
        self._exit_code: int | None = None  # set when the run begins to end
        self._signal_due = False  # a signal came, and the reactor has had no turn since

    def run(self, main: Callable[[], None]) -> int:
        """Run the program `main` in the reactor until the run ends, and return the exit code.

        The code is 0 if nothing is open any more, 1 after an unhandled error, the argument of
        `sys.exit`, or 130 and 143 after SIGINT and SIGTERM.
        """
        self._reactor.callWhenRunning(self._start, main)
        self._reactor.run()
        self._end_by_fault()
        return self._exit_code or 0

    # Running.

    def _start(self, main: Callable[[], None]) -> None:
        self._liveness = Liveness(cast("WatchedReactor", self._reactor), self._clock)
        self._board.power_on()
        for number in SIGNALS:
            signal.signal(number, self._signalled)
        self._stage = _Stage.MAIN
        self._board.runtime.call(main)
        if self._stage is _Stage.MAIN:
            self._stage = _Stage.RUNNING
        self._look_soon()

    def _look_soon(self) -> None:
        if not self._look_due:
            self._look_due = True
            self._clock.callLater(0, self._look)

    def _look(self) -> None:
        """End the run if nothing is open, neither in `tessel.node` nor in the reactor."""
        self._look_due = False
        self._end_by_fault()
        if self._exit_code is not None or self._board.handles:
            return  # the last handle that closes calls this again
        if self._liveness is not None and self._liveness.busy(self._board.owns):
            self._look_due = True
            self._clock.callLater(FOREIGN_POLL_S, self._look)
            return
        gc.collect()  # unhandled errors of Deferreds are logged when these are collected
        self._end_by_kept_failures()
        self._leave(0, self._board.finish, _Stage.ENDING_UNASKED)

    # Ending.

    def _end(self, code: int) -> None:
        self._leave(code, self._board.power_off)

    def _leave(self, code: int, way_out: _WayOut, stage: _Stage = _Stage.ENDING) -> None:
        if self._exit_code is not None:
            return
        self._exit_code = code
        self._stage = stage
        self._board.runtime.stop()
        ending = Deferred.fromCoroutine(way_out())
        ending.addErrback(self._report_failure)
        ending.addBoth(lambda _: self._reactor.stop())

    def _uncaught(self, error: BaseException) -> None:
        """End the run by an exception of the program, or an `error` without a listener."""
        if isinstance(error, SystemExit):
            self._end(self._asked_for(error.code))
        elif isinstance(error, KeyboardInterrupt):
            self._report_open("SIGINT", error)
            self._end(SIGNAL_EXIT + signal.SIGINT)
        else:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        """Report an error; it also counts while the run ends because nothing is open."""
        unasked = self._stage is _Stage.ENDING_UNASKED
        if self._exit_code is None or unasked:
            self._say(_reported(error))
        if unasked:
            self._exit_code, self._stage = 1, _Stage.ENDING
        self._end(1)

    def _end_by_fault(self) -> None:
        """End by an error that could not be handled at once, for example at a stack overflow."""
        fault = self._board.runtime.fault
        if fault is not None and self._exit_code is None:
            self._uncaught(fault)

    def _end_by_kept_failures(self) -> None:
        """End by an error of a Deferred that the program holds: it can no longer handle it."""
        for info in [one for one in gc.get_objects() if type(one) is DebugInfo]:
            failure, info.failResult = info.failResult, None  # so that it is not logged again
            if failure is not None and failure.value is not None:
                self._uncaught(failure.value)

    def _asked_for(self, code: object) -> int:
        """Return the exit code for the argument of `sys.exit`, as Python does."""
        if code is None or isinstance(code, int):
            return code or 0
        if self._exit_code is None:
            self._say(f"{code}\n")
        return 1

    def _report_failure(self, failure: Failure) -> None:
        """Report that closing has failed, which is a bug; the exit code is not 0."""
        self._say(failure.getTraceback())
        self._exit_code = self._exit_code or 1

    def _say(self, text: str) -> None:
        """Write to standard error, unless the program has closed it."""
        with suppress(OSError, ValueError, AttributeError):
            self._errors.write(text)

    def _signalled(self, number: int, frame: FrameType | None) -> None:
        """End cleanly at the first signal; at once at the second, or if the program is busy."""
        del frame
        code = SIGNAL_EXIT + number
        if self._exit_code is not None or self._signal_due:
            self._leave_at_once(code)
        elif self._stage is _Stage.MAIN:
            raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(code)
        else:
            self._signal_due = True  # until the next turn of the reactor
            self._reactor.callFromThread(self._end_by, signal.Signals(number))

    def _end_by(self, number: signal.Signals) -> None:
        self._signal_due = False
        found = ", ".join(self._board.handles.names()) or "nothing"
        log.debug("ended by {signal}; open was: {found}", signal=number.name, found=found)
        if number is signal.SIGINT:
            self._report_open(number.name)
        self._end(SIGNAL_EXIT + number)

    def _report_open(self, signal_name: str, error: BaseException | None = None) -> None:
        """Report what is still open, when a user stops the program."""
        if self._exit_code is None:
            self._say(open_report(signal_name, self._board.handles.places(), error))

    # The log.

    def observe(self, event: LogEvent) -> None:
        """Called for each event of Twisted's log: a critical failure ends the run with its error.

        Other events of tessel are written to standard error if _PROXY_DBG is set.
        """
        failure = event.get("log_failure")
        if failure is not None and event.get("log_level") is LogLevel.critical:
            self._uncaught(failure.value)
        elif DEBUG_VARIABLE in self._environ and _is_ours(event):
            self._say(f"tessel: {formatEvent(event)}\n")


def _reported(error: BaseException) -> str:
    """Return the report of an error; only its type if `__str__` fails."""
    try:
        return report(error)
    except Exception as fault:  # noqa: BLE001 - a `__str__` that raises must not hide the error
        return f"tessel: {type(error).__name__} (showing it raised {type(fault).__name__})\n"


def _is_ours(event: LogEvent) -> bool:
    return str(event.get("log_namespace")).partition(".")[0] == "tessel"
