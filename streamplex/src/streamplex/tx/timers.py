"""Timers for many tunnels: those that are due at about the same time share one of the reactor's.

A timer of Twisted takes 550 bytes and, among a thousand others, as many instructions as a small
message. A tunnel's ping may be a little late, so that it needs none of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil
from typing import Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

TICK_S = 0.125
"""Most seconds that a sleeper is woken late: little beside seconds of silence. The sleepers of one
tick are woken in one turn of the reactor: of 4,000 tunnels with a ping each 15 s, about 30."""


class Sleeper(Protocol):
    """An object that is woken at some time.

    It is its own entry in the list of a tick: another object and a bound method for each timer
    would take 130 bytes.
    """

    def wake(self) -> None: ...


@dataclass(slots=True, eq=False)
class Tick:
    """A time at which sleepers are woken, in multiples of TICK_S."""

    number: int
    call: IDelayedCall = field(init=False)
    sleepers: dict[Sleeper, None] = field(default_factory=dict)  # in the order of their calls


class SharedTimers:
    """Wakes sleepers up to TICK_S late, with one timer of `clock` for all sleepers of a tick."""

    _log = Logger()

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._ticks: dict[int, Tick] = {}

    def seconds(self) -> float:
        """Return the time of the clock."""
        return self._clock.seconds()

    def wake_in(self, delay_s: float, sleeper: Sleeper) -> Tick:
        """Wake `sleeper` in `delay_s` seconds, or up to TICK_S later. It may wait for one tick."""
        now = self._clock.seconds()
        number = ceil((now + delay_s) / TICK_S)
        tick = self._ticks.get(number)
        if tick is None:
            tick = self._ticks[number] = Tick(number)
            tick.call = self._clock.callLater(max(0.0, number * TICK_S - now), self._ticked, tick)
        tick.sleepers[sleeper] = None
        return tick

    def cancel(self, tick: Tick, sleeper: Sleeper) -> None:
        """Do not wake `sleeper` at `tick`. Does nothing if it was woken or cancelled before."""
        tick.sleepers.pop(sleeper, None)  # short tunnels would fill the ticks of the next seconds
        if not tick.sleepers and tick.call.active():
            tick.call.cancel()
            del self._ticks[tick.number]

    def _ticked(self, tick: Tick) -> None:
        del self._ticks[tick.number]
        while tick.sleepers:  # one of them may cancel others
            sleeper = next(iter(tick.sleepers))
            del tick.sleepers[sleeper]
            try:
                sleeper.wake()
            except Exception:  # noqa: BLE001  # one fault must not stop the timers behind it
                self._log.failure("a timer failed")
