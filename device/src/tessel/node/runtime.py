"""The board a program runs on: its clock, its network, its open handles and its end.

`board.power_on` sets it. What a program's callbacks raise ends the program; the reactor must not
swallow it, so every call from outside into a program goes through `Runtime.call`.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from twisted.internet.interfaces import IReactorTime

from servicekit.clocks import WallTime
from tessel.errors import BoardError
from tessel.network.interface import INetwork
from tessel.node.handles import Handle, Handles
from tessel.radio.interface import IWifi


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
        self._stopped = False

    def stop(self) -> None:
        """The program is ending: from now on it hears nothing."""
        self._stopped = True

    def call(self, function: Callable[..., object], *args: object) -> None:
        """Call into the program. What it raises, SystemExit included, ends the program."""
        if self._stopped:
            return
        try:
            function(*args)
        except BaseException as error:  # noqa: BLE001 - the program's edge: told, never swallowed
            self._uncaught(error)

    def next_tick(self, function: Callable[..., object], *args: object) -> None:
        """Call it when what runs now is done, in the order asked for."""
        self._ticks.append((function, args))
        if self._tick_handle is None:
            self._tick_handle = self.handles.open("next tick")
            self.clock.callLater(0, self._run_ticks)

    def _run_ticks(self) -> None:
        while self._ticks:
            function, args = self._ticks.popleft()
            self.call(function, *args)
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
