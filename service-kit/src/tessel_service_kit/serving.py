"""Run a service from its start to a signal, and return the exit code of the process."""

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

from tessel_service_kit.systemd import Notifier

NOBODY: Final = Notifier({})

STOP_TIMEOUT_S: Final = 10.0  # `docker stop` kills the process after this time
HALT_S: Final = 0.05  # after a second signal: time to send the last bytes to peers

OK: Final = 0
FAILED: Final = 1
AT_FAULT: Final = 2  # wrong settings or arguments; the same as argparse's

Handler = Callable[[int, FrameType | None], None]
Step = Callable[[], object]  # may return a Deferred or a coroutine


class IServingReactor(IReactorCore, IReactorTime, IReactorFromThreads):
    """The parts of a reactor that Serving needs."""


class Hangups:
    """Remembers a SIGHUP that arrives before the service is ready to handle it.

    Without this object, such a signal would end the process. Create it before anything else, and
    pass it to Serving, which handles SIGHUP from then on.
    """

    def __init__(self, catch: Callable[[int, Handler], object] = signal.signal) -> None:
        self.came = False
        catch(signal.SIGHUP, self._note)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self.came = True


class Serving:
    """Runs a service until SIGTERM or SIGINT. After a second signal it stops at once.

    `stop` is called after every start, even if the start failed or a signal cancelled it.
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
        error_codes: Mapping[str, str] = MappingProxyType({}),
        foreseen: tuple[type[Exception], ...] = (),
        catch: Callable[[int, Handler], object] = signal.signal,
        notifier: Notifier = NOBODY,
    ) -> None:
        """Prepare a run; nothing is started yet.

        Args:
            start: starts the service.
            stop: stops the service; is waited for.
            reactor: the reactor to run.
            reload: called at SIGHUP, also while the service stops: stopping can take long, and a
                token that was withdrawn must not stay valid. Without it, SIGHUP ends the process.
            hangups: if it has seen a SIGHUP, `reload` is called right after the start.
            halt: called at a second signal; closes everything without waiting.
            stop_timeout_s: seconds to wait for `stop`.
            error_codes: the service's codes for the errors that are logged here, by event name.
            foreseen: exceptions that `start` may raise and that are logged without a traceback.
            catch: sets the handler of a signal.
            notifier: tells systemd of the start, reloads and the stop.
        """
        self._notifier = notifier
        self._start = start
        self._stop = stop
        self._reload = reload
        self._hangups = hangups
        self._halt = halt
        self._error_codes = error_codes
        self._stop_timeout_s = stop_timeout_s
        self._reactor = reactor
        self._foreseen = foreseen
        self._catch = catch
        self._reload_is_due = False
        self._starting: Deferred[object] = Deferred()
        self._stopping = False
        self._ended = False
        self._exit_code = OK

    def run(self) -> int:
        """Start the service, run the reactor until it stops, and return the exit code."""
        self._reactor.callWhenRunning(self._begin)
        self._reactor.run()
        return self._exit_code

    def _begin(self) -> None:
        # Twisted's own handlers would log a failure at a second signal.
        self._catch(signal.SIGTERM, self._signalled)
        self._catch(signal.SIGINT, self._signalled)
        if self._reload is not None:
            self._catch(signal.SIGHUP, self._hung_up)
        self._starting = maybeDeferred(self._start)
        self._starting.addCallbacks(lambda _started: self._notifier.ready(), self._not_started)
        if self._hangups is not None and self._hangups.came and not self._stopping:
            self._reactor.callLater(0, self._reload_now)

    def _not_started(self, failure: Failure) -> None:
        if self._stopping and failure.check(CancelledError):
            return  # a signal arrived during the start
        self._exit_code = FAILED
        if isinstance(failure.value, CannotListenError):
            self._log_cannot_listen(failure.value)
        elif failure.check(*self._foreseen):
            self._log.critical("cannot start: {why}", event="start_failed", why=failure.value)
        else:
            self._log.failure("cannot start", failure=failure, event="start_failed")
        self._wind_up()

    def _log_cannot_listen(self, error: CannotListenError) -> None:
        if isinstance(error.port, str):  # of a UNIX socket, by its setting and path
            self._log.critical(
                "cannot listen on {path}: {why}",
                event="cannot_listen",
                path=error.port,
                why=_why(error.socketError),
                error=self._error_codes.get("cannot_listen"),
            )
            return
        self._log.critical(
            "cannot listen on port {port} of {host}: {why}",
            event="cannot_listen",
            host=error.interface or "all interfaces",
            port=error.port,
            why=_why(error.socketError),
            error=self._error_codes.get("cannot_listen"),
        )

    @property
    def is_stopping(self) -> bool:
        """Whether the stop has begun."""
        return self._stopping

    @property
    def has_ended(self) -> bool:
        """Whether the stop is complete, and the process ends now."""
        return self._ended

    def stop(self, why: str) -> None:
        """Begin to stop, as at a signal; if the stop has begun, do nothing. `why` is logged."""
        if not self._stopping:
            self._log.info("stopping: {why}", event="stopping", why=why)
            self._wind_up()

    def _signalled(self, number: int, _frame: FrameType | None) -> None:
        # A signal handler interrupts any code: the work is left to a turn of the reactor.
        self._reactor.callFromThread(self._stop_on, signal.Signals(number).name)

    def _hung_up(self, _number: int, _frame: FrameType | None) -> None:
        if not self._reload_is_due:  # several signals before a reload cause one reload
            self._reload_is_due = True
            self._reactor.callFromThread(self._reload_now)

    def _reload_now(self) -> None:
        self._reload_is_due = False
        if self._reload is not None and not self._ended:
            self._log.info("reloading on SIGHUP", event="reloading")
            self._notifier.reloading()
            self._reload()
            self._notifier.ready()

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
        self._notifier.stopping()
        self._starting.cancel()
        stopped = maybeDeferred(self._stop)
        stopped.addTimeout(self._stop_timeout_s, self._reactor)
        stopped.addErrback(self._not_stopped)
        stopped.addCallback(lambda _stopped: self._end())

    def _not_stopped(self, failure: Failure) -> None:
        if failure.check(TookTooLongError):
            self._log.warn(
                "the service did not stop within {seconds:g} s; ending the process",
                event="stopping",
                seconds=self._stop_timeout_s,
            )
        else:
            self._exit_code = FAILED
            self._log.failure("cannot stop cleanly", failure=failure, event="stop_failed")

    def _end(self) -> None:
        if not self._ended:  # reactor.stop() may be called only once
            self._ended = True
            self._reactor.stop()


def _why(error: Exception) -> str:
    """Return the system's error text, without the error number and the call's arguments."""
    number = error.errno if isinstance(error, OSError) else None
    return os.strerror(number) if number is not None and number > 0 else str(error)
