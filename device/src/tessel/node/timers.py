"""Timers in the Node manner: milliseconds, callbacks, and what keeps the program alive."""

from __future__ import annotations

from typing import Self

from twisted.internet.interfaces import IDelayedCall

from tessel.node.base import arguments, runtime
from tessel.node.base.arguments import ArgumentTypeError, Callback
from tessel.source_location import here

LONGEST_MS = 2**31 - 1  # past it Node's timers fire after 1 ms, and so do ours
SHORTEST_MS = 1


class Timeout:
    """A timer that `set_timeout` or `set_interval` started."""

    def __init__(
        self, callback: Callback, delay_ms: float, arguments: tuple[object, ...], *, repeat: bool
    ) -> None:
        self._runtime = runtime.current()
        self._callback = _callback(callback)
        self._arguments = arguments
        self._delay_s = _delay_s(delay_ms)
        self._repeat = repeat
        what = f"{'interval' if repeat else 'timer'} of {self._delay_s:g} s"
        self._handle = self._runtime.handles.open(what, here())
        self._call: IDelayedCall | None = None
        self._start()

    def close(self) -> None:
        """Stop it. More than once is no fault."""
        self._stop()
        self._handle.close()

    def refresh(self) -> Self:
        """Start it over, with the delay it has."""
        if self._call is not None:
            self._stop()
            self._start()
        return self

    def ref(self) -> Self:
        self._handle.ref()
        return self

    def unref(self) -> Self:
        """Do not keep the program alive for this timer."""
        self._handle.unref()
        return self

    def has_ref(self) -> bool:
        return self._handle.has_ref()

    def _start(self) -> None:
        self._call = self._runtime.clock.callLater(self._delay_s, self._fire)

    def _stop(self) -> None:
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _fire(self) -> None:
        self._call = None
        if self._repeat:
            self._start()
        self._runtime.run_ticks()
        if self._handle.closed:
            return  # by one of them
        self._runtime.call(self._callback, *self._arguments)
        if self._call is None:  # the callback may have started it over
            self._handle.close()


def _callback(given: object) -> Callback:
    return arguments.callback(given)


def _delay_s(delay_ms: object) -> float:
    """Seconds. As in Node, what is no time that can be waited for is the shortest."""
    if delay_ms is None:
        delay_ms = SHORTEST_MS
    if isinstance(delay_ms, bool) or not isinstance(delay_ms, int | float):
        raise ArgumentTypeError("delay", "a number of milliseconds", delay_ms)
    return (delay_ms if SHORTEST_MS <= delay_ms <= LONGEST_MS else SHORTEST_MS) / 1000


def set_timeout(callback: Callback, delay_ms: float = 0, *arguments: object) -> Timeout:
    """Call back once, after the delay."""
    return Timeout(callback, delay_ms, arguments, repeat=False)


def set_interval(callback: Callback, delay_ms: float = 0, *arguments: object) -> Timeout:
    """Call back again and again, with the delay between."""
    return Timeout(callback, delay_ms, arguments, repeat=True)


class Immediate:
    """A call that is due as soon as the reactor has a turn."""

    def __init__(self, callback: Callback, arguments: tuple[object, ...]) -> None:
        _callback(callback)
        self._runtime = runtime.current()
        self._handle = self._runtime.handles.open("immediate", here())
        self._call: IDelayedCall | None = self._runtime.clock.callLater(
            0, self._fire, callback, arguments
        )

    def close(self) -> None:
        if self._call is not None:
            self._call.cancel()
            self._call = None
        self._handle.close()

    def ref(self) -> Self:
        self._handle.ref()
        return self

    def unref(self) -> Self:
        """Do not keep the program alive for this call."""
        self._handle.unref()
        return self

    def has_ref(self) -> bool:
        return self._handle.has_ref()

    def _fire(self, callback: Callback, arguments: tuple[object, ...]) -> None:
        self._call = None
        self._runtime.run_ticks()
        if self._handle.closed:
            return  # by one of them
        self._runtime.call(callback, *arguments)
        self._handle.close()


def set_immediate(callback: Callback, *arguments: object) -> Immediate:
    """Call back in the next turn of the reactor."""
    return Immediate(callback, arguments)


def next_tick(callback: Callback, *arguments: object) -> None:
    """Call back when what runs now is done, before anything else."""
    runtime.current().next_tick(_callback(callback), *arguments)


def clear_timeout(timer: Timeout | None) -> None:
    """Stop it. None, and a timer that has fired, are no fault."""
    if timer is None:
        return
    if not isinstance(timer, Timeout):
        raise ArgumentTypeError("timer", "what set_timeout or set_interval returned", timer)
    timer.close()


clear_interval = clear_timeout


def clear_immediate(immediate: Immediate | None) -> None:
    """Do not call back. None, and one that was called back, are no fault."""
    if immediate is None:
        return
    if not isinstance(immediate, Immediate):
        raise ArgumentTypeError("immediate", "what set_immediate returned", immediate)
    immediate.close()
