"""The run of one program: a board, a reactor around it, and the end.

It ends when nothing is open any more (0), by an error that nobody listened for (1), by `sys.exit`,
or by a signal (130, 143). Whichever: from then on the program hears nothing more, the tunnel is
closed, and the reactor stops.
"""

from __future__ import annotations

import gc
import signal
from collections.abc import Callable, Coroutine, Mapping, Sequence
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
from tessel.program.report import interrupted_at, report
from tessel.radio.host import IHostReactor
from tessel.radio_factory import BusWrap
from tessel.settings import DEBUG_VARIABLE
from tessel_service_kit.output import Writable

FOREIGN_POLL_S = 0.05  # how often a reactor that the program uses by itself is looked at
MOST_OPEN_SHOWN = 20  # lines about what is open: a terminal's page
SIGNALS = (signal.SIGINT, signal.SIGTERM)
SIGNAL_EXIT = 128  # a shell's way to say which signal ended a process

_WayOut: TypeAlias = Callable[[], Coroutine[Deferred[object], object, None]]

log = Logger(namespace="tessel")


class IProgramReactor(IHostReactor, IReactorCore, IReactorFromThreads):
    """A reactor that a program can be run in."""


class _Stage(Enum):
    """How far a run is."""

    MAIN = auto()  # the program's text runs
    RUNNING = auto()  # its callbacks run
    ENDING_UNASKED = auto()  # it ends because nothing is open; an error can still change that
    ENDING = auto()


class Program:
    """One run. `main` is the program's text; what it starts goes on until nothing is open."""

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
        """Run it to its end; the exit code."""
        self._reactor.callWhenRunning(self._start, main)
        self._reactor.run()
        self._end_by_fault()
        return self._exit_code or 0

    # Its life.

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
        """Is anything open still? What the program did with the reactor itself counts, too."""
        self._look_due = False
        self._end_by_fault()
        if self._exit_code is not None or self._board.handles:
            return  # the last handle to go will have it looked at again
        if self._liveness is not None and self._liveness.busy(self._board.owns):
            self._look_due = True
            self._clock.callLater(FOREIGN_POLL_S, self._look)
            return
        gc.collect()  # a Deferred's error that nobody handled is told when it is collected
        self._end_by_kept_failures()
        self._leave(0, self._board.finish, _Stage.ENDING_UNASKED)

    # Its end.

    def _end(self, code: int) -> None:
        self._leave(code, self._board.power_off)

    def _leave(self, code: int, way_out: _WayOut, stage: _Stage = _Stage.ENDING) -> None:
        if self._exit_code is not None:
            return
        self._exit_code = code
        self._stage = stage
        self._board.runtime.stop()
        ending = Deferred.fromCoroutine(way_out())
        ending.addErrback(self._tell_failure)
        ending.addBoth(lambda _: self._reactor.stop())

    def _uncaught(self, error: BaseException) -> None:
        """The program raised it, or emitted it and nobody listened."""
        if isinstance(error, SystemExit):
            self._end(self._asked_for(error.code))
        elif isinstance(error, KeyboardInterrupt):
            self._tell_open("SIGINT", error)
            self._end(SIGNAL_EXIT + signal.SIGINT)
        else:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        """An error after the last handle went still counts: nothing else had asked for the end."""
        unasked = self._stage is _Stage.ENDING_UNASKED
        if self._exit_code is None or unasked:
            self._say(_reported(error))
        if unasked:
            self._exit_code, self._stage = 1, _Stage.ENDING
        self._end(1)

    def _end_by_fault(self) -> None:
        """An error that could not be dealt with when it came, at the end of the stack say."""
        fault = self._board.runtime.fault
        if fault is not None and self._exit_code is None:
            self._uncaught(fault)

    def _end_by_kept_failures(self) -> None:
        """Errors of Deferreds that the program still has: nobody can handle them any more."""
        for info in [one for one in gc.get_objects() if type(one) is DebugInfo]:
            failure, info.failResult = info.failResult, None  # told once
            if failure is not None and failure.value is not None:
                self._uncaught(failure.value)

    def _asked_for(self, code: object) -> int:
        """As Python takes what `sys.exit` is given."""
        if code is None or isinstance(code, int):
            return code or 0
        if self._exit_code is None:
            self._say(f"{code}\n")
        return 1

    def _tell_failure(self, failure: Failure) -> None:
        """The way out failed: a bug, which must not look like an end in order."""
        self._say(failure.getTraceback())
        self._exit_code = self._exit_code or 1

    def _say(self, text: str) -> None:
        """To standard error, if it is there: a program may have closed it."""
        with suppress(OSError, ValueError, AttributeError):
            self._errors.write(text)

    def _signalled(self, number: int, frame: FrameType | None) -> None:
        """The first ends it cleanly; a second, or one into a busy program, at once."""
        del frame
        code = SIGNAL_EXIT + number
        if self._exit_code is not None or self._signal_due:
            self._leave_at_once(code)
        elif self._stage is _Stage.MAIN:
            raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(code)
        else:
            self._signal_due = True  # until the reactor has its turn
            self._reactor.callFromThread(self._end_by, signal.Signals(number))

    def _end_by(self, number: signal.Signals) -> None:
        self._signal_due = False
        found = ", ".join(self._board.handles.names()) or "nothing"
        log.debug("ended by {signal}; open was: {found}", signal=number.name, found=found)
        if number is signal.SIGINT:
            self._tell_open(number.name)
        self._end(SIGNAL_EXIT + number)

    def _tell_open(self, signal_name: str, error: BaseException | None = None) -> None:
        """What the program was still waiting for, when somebody waited for its end in vain."""
        if self._exit_code is None:
            self._say(_open_report(signal_name, self._board.handles.places(), error))

    # The log.

    def observe(self, event: LogEvent) -> None:
        """What Twisted caught ends the program as what it raised does; the rest is for who asks."""
        failure = event.get("log_failure")
        if failure is not None and event.get("log_level") is LogLevel.critical:
            self._uncaught(failure.value)
        elif DEBUG_VARIABLE in self._environ and _is_ours(event):
            self._say(f"tessel: {formatEvent(event)}\n")


def _reported(error: BaseException) -> str:
    """The report; of an error that cannot even be shown, its type."""
    try:
        return report(error)
    except Exception as fault:  # noqa: BLE001 - a `__str__` that raises must not hide the error
        return f"tessel: {type(error).__name__} (showing it raised {type(fault).__name__})\n"


def _open_report(signal_name: str, places: Sequence[str], error: BaseException | None) -> str:
    line = interrupted_at(error)
    at = f" at {line}" if line else ""
    if not places:
        return f"tessel: stopped by {signal_name}{at}\n"
    shown = "".join(f"  {place}\n" for place in places[:MOST_OPEN_SHOWN])
    more = len(places) - MOST_OPEN_SHOWN
    rest = f"  and {more} more\n" if more > 0 else ""
    return f"tessel: stopped by {signal_name}{at}. Still open:\n{shown}{rest}"


def _is_ours(event: LogEvent) -> bool:
    return str(event.get("log_namespace")).partition(".")[0] == "tessel"
