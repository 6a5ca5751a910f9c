"""One run of the proxy: started, serving, stopped by a signal -> the exit code that tells how."""

from __future__ import annotations

import signal
from collections.abc import Callable, Coroutine
from types import FrameType

from twisted.application.service import IService
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.defer import TimeoutError as TookTooLongError
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IReactorCore, IReactorFromThreads, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

STOP_TIMEOUT_S = 10.0  # what docker and systemd's users wait before they kill

OK = 0
FAILED = 1

Handler = Callable[[int, FrameType | None], None]


class IServingReactor(IReactorCore, IReactorTime, IReactorFromThreads):
    """What of the reactor a run needs."""


class Serving:
    """Runs the service until SIGTERM or SIGINT; a second one does not wait for a clean end."""

    _log = Logger()

    def __init__(
        self,
        service: IService,
        reactor: IServingReactor,
        catch: Callable[[int, Handler], object] = signal.signal,
    ) -> None:
        self._service = service
        self._reactor = reactor
        self._catch = catch
        self._stopping = False
        self._exit_code: int | None = None

    def run(self) -> int:
        self._reactor.callWhenRunning(self._started)
        self._reactor.run()
        return OK if self._exit_code is None else self._exit_code

    def _started(self) -> None:
        # Twisted's own handlers log a failure when a second signal comes while all is stopping.
        self._catch(signal.SIGTERM, self._signalled)
        self._catch(signal.SIGINT, self._signalled)
        self._spawn(self._start())

    async def _start(self) -> None:
        try:
            await maybeDeferred(self._service.startService)
        except CannotListenError as error:
            self._log.critical(
                "cannot listen on port {port} of {host}: {why}",
                event="cannot_listen",
                host=error.interface or "all interfaces",
                port=error.port,
                why=str(error.socketError),
            )
            self._end(FAILED)

    def _signalled(self, number: int, _frame: FrameType | None) -> None:
        # It comes between any two instructions: all else is done in a turn of the reactor.
        self._reactor.callFromThread(self._stop, signal.Signals(number).name)

    def _stop(self, name: str) -> None:
        if self._stopping:
            self._log.warn("{signal} again: stopping at once", event="stopping", signal=name)
            self._end(OK)
            return
        self._stopping = True
        self._log.info("stopping on {signal}", event="stopping", signal=name)
        self._spawn(self._wind_up())

    async def _wind_up(self) -> None:
        stopped = maybeDeferred(self._service.stopService)
        try:
            await stopped.addTimeout(STOP_TIMEOUT_S, self._reactor)
        except TookTooLongError:
            self._log.warn(
                "not all has ended within {seconds:g} s", event="stopping", seconds=STOP_TIMEOUT_S
            )
        self._end(OK)

    def _spawn(self, work: Coroutine[Deferred[object], object, None]) -> None:
        Deferred.fromCoroutine(work).addErrback(self._broken)

    def _broken(self, failure: Failure) -> None:
        self._log.failure("the proxy cannot go on", failure=failure, event="broken")
        self._end(FAILED)

    def _end(self, exit_code: int) -> None:
        if self._exit_code is None:  # the reactor may be stopped once only
            self._exit_code = exit_code
            self._reactor.stop()
