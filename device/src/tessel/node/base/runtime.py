"""The board that a program runs on: its clock, network, open handles and pending ticks.

`board.power_on` sets it. An exception in a program's callback ends the program, but the reactor
would only log it: so all calls into a program go through `Runtime.call`. No callback runs inside
the call that asked for it: so all calls of the network go through `Runtime.ask`.
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
    """Holds the services of a board for `tessel.node`: clock, network, handles and ticks."""

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
        """Create the runtime of a board.

        `uncaught` is called with exceptions of the program. `wifi` returns the radio's Wi-Fi, or
        None if it has none. `wall_time` is for dates, as in HTTP responses; timers use `clock`.
        """
        self.clock = clock
        self.network = network
        self.handles = handles
        self.wifi = wifi
        self.wall_time = wall_time
        self._uncaught = uncaught
        self._ticks: deque[tuple[Callable[..., object], tuple[object, ...]]] = deque()
        self._tick_handle: Handle | None = None
        self._held = 0  # calls into the program that wait for the next tick
        self._asking = 0  # calls of `ask` that have not returned
        self._stopped = False
        self.fault: BaseException | None = None  # the first exception that ended the program

    def stop(self) -> None:
        """Stop calling functions of the program, because it is ending."""
        self._stopped = True

    def call(self, function: Callable[..., object], *args: object) -> None:
        """Call a function of the program. An exception, also SystemExit, ends the program.

        Inside `ask` the call waits for the next tick, and later calls wait for it, so that the
        network's events keep their order.
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
        except BaseException as error:  # noqa: BLE001 - of the program: all are reported
            self.fault = (
                self.fault or error
            )  # set first: after a stack overflow the next line may fail
            self._uncaught(error)

    def ask(self, function: Callable[..., T], *args: object, **named: object) -> T:
        """Call a function of the network, and return its result.

        Calls into the program that the network makes meanwhile wait for the next tick.
        """
        self._asking += 1
        try:
            return function(*args, **named)
        finally:
            self._asking -= 1

    def broken(self, failure: Failure) -> None:
        """End the program with an unexpected error, which is a bug of the runtime."""
        self.call(failure.raiseException)

    def later(self, function: Callable[..., object], *args: object) -> None:
        """Call a function of the program in a later turn of the reactor.

        This is for the results of operations. Unlike with `next_tick`, a program that starts the
        operation again in each callback does not starve the reactor. The pending call keeps the
        program alive.
        """
        handle = self.handles.open("callback")
        self.clock.callLater(0, self._run_later, handle, function, args)

    def _run_later(
        self, handle: Handle, function: Callable[..., object], args: tuple[object, ...]
    ) -> None:
        self.call(function, *args)
        handle.close()

    def next_tick(self, function: Callable[..., object], *args: object) -> None:
        """Call a function after the running callback, and before all other events.

        Functions are called in the order in which they were added. A pending one keeps the program
        alive.
        """
        self._ticks.append((function, args))
        if self._tick_handle is None:
            self._tick_handle = self.handles.open("next tick")
            self.clock.callLater(0, self.run_ticks)

    def run_ticks(self) -> None:
        """Call all functions that were added by `next_tick`.

        As in Node, a timer does this before it calls its own callback.
        """
        while self._ticks:
            function, args = self._ticks.popleft()
            self._call_now(function, *args)
        handle, self._tick_handle = self._tick_handle, None
        if handle is not None:
            handle.close()


_current: Runtime | None = None


def current() -> Runtime:
    """Return the runtime of the board that is on; raises BoardError if no board is on."""
    if _current is None:
        raise BoardError(
            "no board is on: start the program with `tessel run`, or call tessel.board.power_on"
        )
    return _current


def is_on() -> bool:
    """Return whether a board is on."""
    return _current is not None


def install(runtime: Runtime | None) -> None:
    """Set the runtime that `current` returns; None: no board is on."""
    global _current  # noqa: PLW0603 - a program has one board, as a device has
    _current = runtime
