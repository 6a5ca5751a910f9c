"""The signals SIGINT and SIGTERM of the command: the program's process gets each of them once.

In a terminal, Ctrl-C reaches both processes, since they are one job; so do `timeout` and the kill
of a process group. `kill` reaches the command only. So the process gets the signal from here only
if it has neither ended nor reported the signal after a moment. A process without a listener for a
signal ends by it. One with a listener reports it, and then takes the time that it needs.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from enum import Enum, auto
from typing import Final

from twisted.internet.interfaces import IDelayedCall, IReactorTime

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)

FORWARD_AFTER_S: Final = 0.2
"""Seconds in which a process that got the signal itself ends or reports it. In the other order:
seconds in which the command still gets the signal that has ended the process. Also the time in
which equal signals count as one: `timeout` sends one to the process and one to its group."""

KILL_AFTER_S: Final = 5.0
"""Seconds in which a process that got the signal must end or report it, else it is killed. A
process that computes without a pause, or waits in a call of the system, does neither."""


class _Stage(Enum):
    """What has happened to the first signal."""

    NONE = auto()  # there is none
    CAME = auto()  # the process may have got it, too
    SENT = auto()  # to the process
    HANDLED = auto()  # the process has reported it: its program has a listener
    OVER = auto()  # the process has ended


class Signals:
    """Passes signals on to the program's process, and kills it if it reacts to none."""

    def __init__(
        self,
        clock: IReactorTime,
        send: Callable[[signal.Signals], None],
        say: Callable[[str], None],
        leave_at_once: Callable[[int], None],
    ) -> None:
        """Create it without a signal.

        Args:
            clock: for the waits.
            send: sends a signal to the process.
            say: writes a line to standard error.
            leave_at_once: called with the number of a signal that ends everything now.

        """
        self._clock = clock
        self._send = send
        self._say = say
        self._leave_at_once = leave_at_once
        self._stage = _Stage.NONE
        self._wait: IDelayedCall | None = None
        self._came_at = 0.0
        self._ended_at = 0.0
        self.first: signal.Signals | None = None

    def came(self, number: signal.Signals) -> None:
        """Called with a signal of the command. A second one ends everything at once."""
        now = self._clock.seconds()
        if self._stage is _Stage.NONE:
            self.first, self._came_at, self._stage = number, now, _Stage.CAME
            self._wait_for(FORWARD_AFTER_S, self._forward)
        elif self.first is None and now - self._ended_at < FORWARD_AFTER_S:
            self.first, self._came_at = number, now  # the process has got it a little sooner
        elif number is not self.first or now - self._came_at >= FORWARD_AFTER_S:
            self._leave_at_once(number)

    def reported(self) -> None:
        """Called when the process reports that its program has a listener for a signal it got."""
        if self._stage in (_Stage.CAME, _Stage.SENT):
            self._stage = _Stage.HANDLED
            self._stop_waiting()

    def process_ended(self) -> None:
        """Called when the process has ended: soon after it, a signal ends everything at once."""
        self._stage = _Stage.OVER
        self._ended_at = self._clock.seconds()
        self._stop_waiting()

    def _forward(self) -> None:
        if self.first is not None:
            self._stage = _Stage.SENT
            self._send(self.first)
            self._wait_for(KILL_AFTER_S, self._kill)

    def _kill(self) -> None:
        name = "a signal" if self.first is None else self.first.name
        self._say(
            f"tessel: the program did not react to {name} within {KILL_AFTER_S:g} s; "
            "its process is killed\n"
        )
        self._send(signal.SIGKILL)

    def _wait_for(self, seconds: float, then: Callable[[], None]) -> None:
        self._wait = self._clock.callLater(seconds, then)

    def _stop_waiting(self) -> None:
        if self._wait is not None and self._wait.active():
            self._wait.cancel()
