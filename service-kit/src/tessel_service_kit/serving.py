"""One run of a service: started, serving, stopped by a signal -> the exit code that tells how."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping
from types import FrameType, MappingProxyType
from typing import Final

from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.internet.defer import TimeoutError as TookTooLongError
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IReactorCore, IReactorFromThreads, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

STOP_TIMEOUT_S: Final = 10.0  # what docker and systemd's users wait before they kill
HALT_S: Final = 0.05  # for what is cut to be told so before the process ends

OK: Final = 0
FAILED: Final = 1
AT_FAULT: Final = 2  # settings or arguments; argparse has the same

Handler = Callable[[int, FrameType | None], None]
Step = Callable[[], object]  # what it returns may be a Deferred or a coroutine


class IServingReactor(IReactorCore, IReactorTime, IReactorFromThreads):
    """What of the reactor a run needs."""


class Hangups:
    """Remembers a SIGHUP that comes while a service gets ready, and would end the process.

    To be made first of all; Serving takes over from there.
    """

    def __init__(self, catch: Callable[[int, Handler], object] = signal.signal) -> None:
        self.came = False
        catch(signal.SIGHUP, self._note)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self.came = True


class Serving:
    """Runs a service until SIGTERM or SIGINT; a second one does not wait for a clean end.

    `stop` follows every start, one that failed or was cancelled by a signal included.
    """

    _log = Logger()

    def __init__(
        self,
        start: Step,
        stop: Step,
        reactor: IServingReactor,
        *,
        reload: Callable[[], object] | None = None,
        hangups: Hangups | None = None,
        halt: Callable[[], object] = lambda: None,
        stop_timeout_s: float = STOP_TIMEOUT_S,
        numbers: Mapping[str, str] = MappingProxyType({}),
        foreseen: tuple[type[Exception], ...] = (),
        catch: Callable[[int, Handler], object] = signal.signal,
    ) -> None:
        """SIGHUP calls `reload`, also while the service stops, which may take long and must not
        keep a withdrawn token valid; without a `reload` it ends the process, as is its custom.
        One that `hangups` remember calls it as soon as the service is started.

        A second signal while it stops calls `halt`, which ends everything without waiting.
        `numbers` are the service's own for the errors that are told here, by their events.
        A start may fail for `foreseen` reasons, which need no traceback to be understood.
        """
        self._start = start
        self._stop = stop
        self._reload = reload
        self._hangups = hangups
        self._halt = halt
        self._numbers = numbers
        self._stop_timeout_s = stop_timeout_s
        self._reactor = reactor
        self._foreseen = foreseen
        self._catch = catch
        self._hung_up_since = False  # the last reload began
        self._starting: Deferred[object] = Deferred()
        self._stopping = False
        self._ended = False
        self._exit_code = OK

    def run(self) -> int:
        """Serve until the reactor stops; the process's exit code."""
        self._reactor.callWhenRunning(self._begin)
        self._reactor.run()
        return self._exit_code

    def _begin(self) -> None:
        # Twisted's own handlers log a failure when a second signal comes while all is stopping.
        self._catch(signal.SIGTERM, self._signalled)
        self._catch(signal.SIGINT, self._signalled)
        if self._reload is not None:
            self._catch(signal.SIGHUP, self._hung_up)
        self._starting = maybeDeferred(self._start)
        self._starting.addErrback(self._not_started)
        if self._hangups is not None and self._hangups.came and not self._stopping:
            self._reactor.callLater(0, self._reload_now)

    def _not_started(self, failure: Failure) -> None:
        if self._stopping and failure.check(CancelledError):
            return  # a signal came while it started
        self._exit_code = FAILED
        if isinstance(failure.value, CannotListenError):
            self._log_cannot_listen(failure.value)
        elif failure.check(*self._foreseen):
            self._log.critical("cannot start: {why}", event="start_failed", why=failure.value)
        else:
            self._log.failure("cannot start", failure=failure, event="start_failed")
        self._wind_up()

    def _log_cannot_listen(self, error: CannotListenError) -> None:
        self._log.critical(
            "cannot listen on port {port} of {host}: {why}",
            event="cannot_listen",
            host=error.interface or "all interfaces",
            port=error.port,
            why=_why(error.socketError),
            error=self._numbers.get("cannot_listen"),
        )

    def _signalled(self, number: int, _frame: FrameType | None) -> None:
        # It comes between any two instructions: all else is done in a turn of the reactor.
        self._reactor.callFromThread(self._stop_on, signal.Signals(number).name)

    def _hung_up(self, _number: int, _frame: FrameType | None) -> None:
        if not self._hung_up_since:  # one reload does for all that ask for it before it begins
            self._hung_up_since = True
            self._reactor.callFromThread(self._reload_now)

    def _reload_now(self) -> None:
        self._hung_up_since = False
        if self._reload is not None and not self._ended:
            self._log.info("reloading on SIGHUP", event="reloading")
            self._reload()

    def _stop_on(self, name: str) -> None:
        if self._stopping:
            self._log.warn("{signal} again: stopping at once", event="stopping", signal=name)
            self._halt()
            self._reactor.callLater(HALT_S, self._end)
            return
        self._log.info("stopping on {signal}", event="stopping", signal=name)
        self._wind_up()

    def _wind_up(self) -> None:
        if self._stopping:
            return
        self._stopping = True
        self._starting.cancel()
        stopped = maybeDeferred(self._stop)
        stopped.addTimeout(self._stop_timeout_s, self._reactor)
        stopped.addErrback(self._not_stopped)
        stopped.addCallback(lambda _stopped: self._end())

    def _not_stopped(self, failure: Failure) -> None:
        if failure.check(TookTooLongError):
            self._log.warn(
                "not all has ended within {seconds:g} s",
                event="stopping",
                seconds=self._stop_timeout_s,
            )
        else:
            self._exit_code = FAILED
            self._log.failure("cannot stop cleanly", failure=failure, event="stop_failed")

    def _end(self) -> None:
        if not self._ended:  # the reactor may be stopped once only
            self._ended = True
            self._reactor.stop()


def _why(error: Exception) -> str:
    """The system's words, without its number and the arguments of the call that failed."""
    number = error.errno if isinstance(error, OSError) else None
    return os.strerror(number) if number is not None and number > 0 else str(error)
