"""`tessel connect`: one connection of the device joined to standard input and output."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Final

from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.interfaces import IReactorTime
from twisted.internet.stdio import StandardIO
from twisted.logger import Logger
from twisted.python.failure import Failure

from tessel.board import Board
from tessel.errors import NodeError
from tessel.gateway.end import End, reason_text
from tessel.gateway.limits import STOP_TIMEOUT_S
from tessel.gateway.target_end import TargetEnd
from tessel.network.interface import Target
from tessel.radio.host import IHostReactor
from tessel_service_kit.serving import IServingReactor, Serving
from tessel_service_kit.texts import printable

log = Logger(namespace="tessel")

CUT_EXIT: Final = 1
SIGNAL_EXIT: Final = 128  # plus the signal's number, as shells report it
DEVICE_VARIABLE: Final = "PROXY_DEVICE"


class IStdioReactor(IHostReactor, IServingReactor):
    """The interfaces of a Twisted reactor that one connection uses."""


class Terminal(StandardIO):
    """Standard input and output as the transport of a link."""

    def loseConnection(self) -> None:
        """Close both after all bytes. Twisted's method does nothing if output is closed already."""
        super().loseConnection()  # type: ignore[no-untyped-call]  # of Twisted
        if self._writer is None:  # type: ignore[attr-defined]
            self._lose(ConnectionDone())

    def abortConnection(self) -> None:
        """Close both at once. A pipe has no reset: the exit code says that data was cut."""
        self._lose(ConnectionAborted())

    def _lose(self, reason: Exception) -> None:
        if not self.disconnected:
            self.connectionLost(Failure(reason))  # type: ignore[attr-defined]


class StdioEnd(End):
    """The end of a joined connection that leads to standard input and output."""

    def __init__(self, clock: IReactorTime, over: Callable[[], None], *, is_typed: bool) -> None:
        """`is_typed`: input is a terminal, so that the target's end ends the connection."""
        super().__init__(clock, over)
        self._is_typed = is_typed

    def finish(self) -> None:
        """Close standard output after all bytes: the target has ended."""
        super().finish()
        if self._is_typed and not self.has_ended:
            self.link_peer_ended()


class StdioRun:
    """Runs one connection until both sides have ended."""

    def __init__(
        self,
        reactor: IStdioReactor,
        environ: Mapping[str, str],
        target: Target,
        random: Callable[[], float],
        *,
        is_typed: bool,
    ) -> None:
        """Prepare the connection. `is_typed`: standard input is a terminal."""
        self._reactor = reactor
        self._target = target
        # The proxy would close the tunnel of another process with the same device name.
        own = {name: value for name, value in environ.items() if name != DEVICE_VARIABLE}
        self._board = Board(reactor, own, random, uncaught=_report_bug)
        self._near = StdioEnd(reactor, self._one_is_over, is_typed=is_typed)
        self._far = TargetEnd(reactor, lambda: None, self._failed, self._one_is_over)
        self._exit_code: int | None = None  # set when the connection has ended
        self._signal = 0
        self._serving = Serving(
            self._start, self._stop, reactor, stop_timeout_s=STOP_TIMEOUT_S, catch=self._catch
        )

    def run(self) -> int:
        """Connect, carry bytes until both sides have ended, and return the exit code.

        0: both sides have ended in order. 1: the connection failed or was cut.
        """
        code = self._serving.run()
        if code:
            return code
        if self._exit_code is not None:
            return self._exit_code
        return SIGNAL_EXIT + self._signal

    def _start(self) -> None:
        self._near.join(self._far)
        self._far.connect(self._board.runtime.network, self._target)
        if self._exit_code is None:
            Terminal(self._near.protocol(), reactor=self._reactor)  # type: ignore[no-untyped-call]

    async def _stop(self) -> None:
        self._near.abort()
        self._far.abort()
        await self._board.power_off()

    def _failed(self, error: NodeError) -> None:
        hint = f"\n  hint: {printable(error.hint)}" if error.hint else ""
        why = f"{printable(str(error))}{hint}"
        log.error("{target}: {why}", target=self._target, why=why)
        self._end(CUT_EXIT)

    def _one_is_over(self) -> None:
        is_open = self._exit_code is None and not self._signal
        if is_open and self._near.is_lost and self._far.is_lost:
            self._end(self._judged())

    def _judged(self) -> int:
        loss = self._far.loss or self._near.loss
        if loss is None:
            return 0
        log.error(
            "{target}: the connection was cut: {why}",
            target=self._target,
            why=printable(cut_by(loss)),
        )
        return CUT_EXIT

    def _end(self, code: int) -> None:
        self._exit_code = code
        self._serving.stop("the connection has ended")

    def _catch(self, number: int, handler: Callable[[int, FrameType | None], None]) -> object:
        def caught(number: int, frame: FrameType | None) -> None:
            self._signal = self._signal or number
            handler(number, frame)

        return signal.signal(number, caught)


def cut_by(loss: Failure) -> str:
    """Return the reason of a loss in words."""
    return "standard output was closed" if loss.check(ConnectionAborted) else reason_text(loss)


def _report_bug(error: BaseException) -> None:
    log.error("the connection has failed: {error!r}", error=error)
