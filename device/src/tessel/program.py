"""The run of one program: a board, a reactor around it, and the end.

It ends when nothing is open any more (0), by an error that nobody listened for (1), by `sys.exit`,
or by a signal (130, 143). Whichever: from then on the program hears nothing more, the tunnel is
closed, and the reactor stops.
"""

from __future__ import annotations

import gc
import signal
from collections.abc import Callable, Coroutine, Mapping
from types import FrameType
from typing import TextIO, TypeAlias, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorCore, IReactorFromThreads
from twisted.logger import LogEvent, Logger, LogLevel, formatEvent
from twisted.python.failure import Failure

from tessel.board import Board
from tessel.liveness import Liveness, OwnClock, Watched
from tessel.radio.host import IHostReactor
from tessel.radios import BusWrap
from tessel.report import report
from tessel.settings import DEBUG_SETTING

FOREIGN_POLL_S = 0.05  # how often a reactor that the program uses by itself is looked at
SIGNALS = (signal.SIGINT, signal.SIGTERM)
SIGNAL_EXIT = 128  # a shell's way to say which signal ended a process

_WayOut: TypeAlias = Callable[[], Coroutine[Deferred[object], object, None]]

log = Logger(namespace="tessel")


class IProgramReactor(IHostReactor, IReactorCore, IReactorFromThreads):
    """A reactor that a program can be run in."""


class Program:
    """One run. `main` is the program's text; what it starts goes on until nothing is open."""

    def __init__(
        self,
        reactor: IProgramReactor,
        environ: Mapping[str, str],
        random: Callable[[], float],
        errors: TextIO,
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
        self._in_main = False
        self._exit_code: int | None = None  # set: it is ending

    def run(self, main: Callable[[], None]) -> int:
        """Run it to its end; the exit code."""
        self._reactor.callWhenRunning(self._start, main)
        self._reactor.run()
        return self._exit_code or 0

    # Its life.

    def _start(self, main: Callable[[], None]) -> None:
        self._liveness = Liveness(cast("Watched", self._reactor), self._clock)
        self._board.power_on()
        for number in SIGNALS:
            signal.signal(number, self._signalled)
        self._in_main = True
        self._board.runtime.call(main)
        self._in_main = False
        self._look_soon()

    def _look_soon(self) -> None:
        if not self._look_due:
            self._look_due = True
            self._clock.callLater(0, self._look)

    def _look(self) -> None:
        """Is anything open still? What the program did with the reactor itself counts, too."""
        self._look_due = False
        if self._exit_code is not None or self._board.handles:
            return  # the last handle to go will have it looked at again
        if self._liveness is not None and self._liveness.busy(self._board.owns):
            self._look_due = True
            self._clock.callLater(FOREIGN_POLL_S, self._look)
            return
        gc.collect()  # a Deferred's error that nobody handled is told when it is collected
        self._leave(0, self._board.finish)

    # Its end.

    def _end(self, code: int) -> None:
        self._leave(code, self._board.power_off)

    def _leave(self, code: int, way_out: _WayOut) -> None:
        if self._exit_code is not None:
            return
        self._exit_code = code
        self._board.runtime.stop()
        ending = Deferred.fromCoroutine(way_out())
        ending.addErrback(self._tell_failure)
        ending.addBoth(lambda _: self._reactor.stop())

    def _uncaught(self, error: BaseException) -> None:
        """The program raised it, or emitted it and nobody listened."""
        if isinstance(error, SystemExit):
            self._end(self._asked_for(error.code))
        elif isinstance(error, KeyboardInterrupt):
            self._end(SIGNAL_EXIT + signal.SIGINT)
        else:
            if self._exit_code is None:
                self._errors.write(report(error))
            self._end(1)

    def _asked_for(self, code: object) -> int:
        """As Python takes what `sys.exit` is given."""
        if code is None or isinstance(code, int):
            return code or 0
        self._errors.write(f"{code}\n")
        return 1

    def _tell_failure(self, failure: Failure) -> None:
        self._errors.write(failure.getTraceback())

    def _signalled(self, number: int, frame: FrameType | None) -> None:
        """The first ends it cleanly; a second, or one into a busy program, at once."""
        del frame
        code = SIGNAL_EXIT + number
        if self._exit_code is not None:
            self._leave_at_once(code)
        elif self._in_main:
            raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(code)
        else:
            self._reactor.callFromThread(self._end_by, signal.Signals(number))

    def _end_by(self, number: signal.Signals) -> None:
        found = ", ".join(self._board.handles.names()) or "nothing"
        log.debug("ended by {signal}; open was: {found}", signal=number.name, found=found)
        self._end(SIGNAL_EXIT + number)

    # The log.

    def observe(self, event: LogEvent) -> None:
        """What Twisted caught ends the program as what it raised does; the rest is for who asks."""
        failure = event.get("log_failure")
        if failure is not None and event.get("log_level") is LogLevel.critical:
            self._uncaught(failure.value)
        elif DEBUG_SETTING in self._environ and _is_ours(event):
            self._errors.write(f"tessel: {formatEvent(event)}\n")


def _is_ours(event: LogEvent) -> bool:
    return str(event.get("log_namespace")).partition(".")[0] == "tessel"
