"""The board a program runs on: its clock, its network, its open handles and its end.

`board.power_on` sets it. What a program's callbacks raise ends the program; the reactor must not
swallow it, so every call from outside into a program goes through `Runtime.call`. No callback of a
program runs inside the call that asked for it: what asks the network does so by `Runtime.ask`.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import TypeVar

from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from tessel.errors import BoardError
from tessel.network.interface import INetwork
from tessel.node.base.handles import Handle, Handles
from tessel.radio.interface import IWifi
from tessel_service_kit.clocks import WallTime

T = TypeVar("T")


class Runtime:
    """What `tessel.node` stands on."""

    def __init__(
        self,
        clock: IReactorTime,
        network: INetwork,
        handles: Handles,
        uncaught: Callable[[BaseException], None],
        wifi: Callable[[], IWifi | None] = lambda: None,
        *,
        wall_time: WallTime = time.time,
    ) -> None:
        """`wifi` chooses the radio if that is not done; None: the radio has none of its own.
        `wall_time` is for dates, such as that of an HTTP response; timers use `clock`.
        """
        self.clock = clock
        self.network = network
        self.handles = handles
        self.wifi = wifi
        self.wall_time = wall_time
        self._uncaught = uncaught
        self._ticks: deque[tuple[Callable[..., object], tuple[object, ...]]] = deque()
        self._tick_handle: Handle | None = None
        self._held = 0  # calls into the program that wait for a tick
        self._asking = 0  # calls of `ask` that have not returned
        self._stopped = False
        self.fault: BaseException | None = None  # the first that ended the program

    def stop(self) -> None:
        """The program is ending: from now on it hears nothing."""
        self._stopped = True

    def call(self, function: Callable[..., object], *args: object) -> None:
        """Call into the program. What it raises, SystemExit included, ends the program.

        Inside `ask` the call waits for the next tick, and what comes before that tick waits behind
        it: what the network tells keeps its order.
        """
        if self._asking or self._held:
            self._held += 1
            self.next_tick(self._call_held, function, args)
        else:
            self._call_now(function, *args)

    def _call_held(self, function: Callable[..., object], args: tuple[object, ...]) -> None:
        self._held -= 1
        self._call_now(function, *args)

    def _call_now(self, function: Callable[..., object], *args: object) -> None:
        if self._stopped:
            return
        try:
            function(*args)
        except BaseException as error:  # noqa: BLE001 - the program's edge: told, never swallowed
            self.fault = self.fault or error  # first, for at the end of the stack the next may fail
            self._uncaught(error)

    def ask(self, function: Callable[..., T], *args: object, **named: object) -> T:
        """Call down into the network. What it has for the program at once, it gets a tick later."""
        self._asking += 1
        try:
            return function(*args, **named)
        finally:
            self._asking -= 1

    def broken(self, failure: Failure) -> None:
        """An error that nobody below expected: a bug. It ends the program."""
        self.call(failure.raiseException)

    def later(self, function: Callable[..., object], *args: object) -> None:
        """Call into the program in a later turn of the reactor.

        For the results of what a program asked for: other than with `next_tick`, a program that
        asks again in each callback leaves the reactor its turns.
        """
        handle = self.handles.open("callback")
        self.clock.callLater(0, self._run_later, handle, function, args)

    def _run_later(
        self, handle: Handle, function: Callable[..., object], args: tuple[object, ...]
    ) -> None:
        self.call(function, *args)
        handle.close()

    def next_tick(self, function: Callable[..., object], *args: object) -> None:
        """Call it when what runs now is done, in the order asked for."""
        self._ticks.append((function, args))
        if self._tick_handle is None:
            self._tick_handle = self.handles.open("next tick")
            self.clock.callLater(0, self.run_ticks)

    def run_ticks(self) -> None:
        """What waits for the next tick; timers have it run before they call back, as in Node."""
        while self._ticks:
            function, args = self._ticks.popleft()
            self._call_now(function, *args)
        handle, self._tick_handle = self._tick_handle, None
        if handle is not None:
            handle.close()


_current: Runtime | None = None


def current() -> Runtime:
    """The board that is on."""
    if _current is None:
        raise BoardError(
            "no board is on: start the program with `tessel run`, or call tessel.board.power_on"
        )
    return _current


def is_on() -> bool:
    return _current is not None


def install(runtime: Runtime | None) -> None:
    """Make this board the one programs run on; None: power is off."""
    global _current  # noqa: PLW0603 - a program has one board, as a device has
    _current = runtime
