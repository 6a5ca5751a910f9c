"""Timers for many tunnels: those that are due at about the same time share one of the reactor's.

A timer of Twisted takes 550 bytes and, among a thousand others, as many instructions as a small
message. A tunnel's ping may be a little late, so that it needs none of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from typing import Any, Protocol, TypeAlias

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

TICK_S = 0.125
"""Most seconds that a shared timer is late: little beside seconds of silence. The calls of one tick
are made in one turn of the reactor: of 4,000 tunnels with a ping each 15 s, about 30."""


class Timer(Protocol):
    """A call that will be made at some time."""

    def active(self) -> bool: ...
    def cancel(self) -> None: ...


class Timers(Protocol):
    """Makes calls later; a reactor does, and SharedTimers."""

    def seconds(self) -> float: ...
    def callLater(
        self,
        delay: float,
        callable: Callable[..., None],  # noqa: A002 -- Twisted's name
        /,
        *args: Any,
    ) -> Timer: ...


class SharedTimers:
    """Makes calls up to TICK_S late, with one timer of `clock` for all calls of a tick."""

    _log = Logger()

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._due: dict[int, _Due] = {}  # by the tick in which they are due

    def seconds(self) -> float:
        """Return the time of the clock."""
        return self._clock.seconds()

    def callLater(
        self,
        delay: float,
        callable: Callable[..., None],  # noqa: A002 -- Twisted's name
        /,
        *args: Any,
    ) -> Timer:
        """Make the call in `delay` seconds, or up to TICK_S later."""
        now = self._clock.seconds()
        tick = ceil((now + delay) / TICK_S)
        due = self._due.get(tick)
        if due is None:
            due = self._due[tick] = {}
            self._clock.callLater(max(0.0, tick * TICK_S - now), self._ticked, tick)
        timer = _SharedTimer(due, callable, args)
        due[timer] = None
        return timer

    def _ticked(self, tick: int) -> None:
        for timer in list(self._due.pop(tick)):  # a call may cancel others
            try:
                timer.expire()
            except Exception:  # noqa: BLE001  # one fault must not stop the timers behind it
                self._log.failure("a timer failed")


class _SharedTimer:
    """A Timer of SharedTimers: one of those that are due in the same tick."""

    __slots__ = ("_args", "_call", "_due")

    def __init__(self, due: _Due, call: Callable[..., None], args: tuple[Any, ...]) -> None:
        self._due = due
        self._call: Callable[..., None] | None = call
        self._args = args

    def active(self) -> bool:
        return self._call is not None

    def cancel(self) -> None:
        self._call, self._args = None, ()
        self._due.pop(self, None)  # short tunnels would fill the ticks of the next seconds

    def expire(self) -> None:
        call, self._call = self._call, None
        if call is not None:
            call(*self._args)


_Due: TypeAlias = dict[_SharedTimer, None]
"""Timers in the order in which they were made."""
