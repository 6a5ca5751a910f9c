"""Timers in the manner of Node's `timers`. All delays are in milliseconds.

    from tessel import timers

    timers.set_timeout(print, 500, "half a second later")

A timer keeps the program alive until it has fired or is closed, unless `unref` was called.
"""

from __future__ import annotations

from typing import Self

from twisted.internet.interfaces import IDelayedCall

from tessel.node.base import arguments, runtime
from tessel.node.base.arguments import ArgumentTypeError, Callback
from tessel.node.base.handles import Handle
from tessel.source_location import here

__all__ = [
    "Immediate",
    "Timeout",
    "clear_immediate",
    "clear_interval",
    "clear_timeout",
    "next_tick",
    "set_immediate",
    "set_interval",
    "set_timeout",
]


def __dir__() -> list[str]:
    return __all__


MAX_DELAY_MS = 2**31 - 1  # as in Node, a longer delay counts as 1 ms
MIN_DELAY_MS = 1


class _Scheduled:
    """A call that is made later, and keeps the program alive until then."""

    _handle: Handle

    def ref(self) -> Self:
        """Keep the program alive until the call was made. This is the default."""
        self._handle.ref()
        return self

    def unref(self) -> Self:
        """Let the program end although the call was not made. `ref` undoes this."""
        self._handle.unref()
        return self

    def has_ref(self) -> bool:
        """Return whether the call keeps the program alive."""
        return self._handle.has_ref()


class Timeout(_Scheduled):
    """A timer that runs once or repeatedly. `set_timeout` and `set_interval` return it."""

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
        """Stop the timer. Do nothing if the timer has fired or is closed."""
        self._stop()
        self._handle.close()

    def refresh(self) -> Self:
        """Restart the timer with the same delay, unless it has fired or is closed."""
        if self._call is not None:
            self._stop()
            self._start()
        return self

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
            return  # a callback of a tick closed it
        self._runtime.call(self._callback, *self._arguments)
        if self._call is None:  # else the callback has restarted it
            self._handle.close()


def _callback(given: object) -> Callback:
    return arguments.callback(given)


def _delay_s(delay_ms: object) -> float:
    """Return the delay in seconds. As in Node, a delay out of range counts as 1 ms."""
    if delay_ms is None:
        delay_ms = MIN_DELAY_MS
    if isinstance(delay_ms, bool) or not isinstance(delay_ms, int | float):
        raise ArgumentTypeError("delay", "a number of milliseconds", delay_ms)
    return (delay_ms if MIN_DELAY_MS <= delay_ms <= MAX_DELAY_MS else MIN_DELAY_MS) / 1000


def set_timeout(callback: Callback, delay_ms: float = 0, *arguments: object) -> Timeout:
    """Call `callback(*arguments)` once, after `delay_ms` milliseconds.

    A delay below 1 ms or above 2**31 - 1 ms counts as 1 ms, as in Node.
    """
    return Timeout(callback, delay_ms, arguments, repeat=False)


def set_interval(callback: Callback, delay_ms: float = 0, *arguments: object) -> Timeout:
    """Call `callback(*arguments)` every `delay_ms` milliseconds until the timer is cleared.

    A delay below 1 ms or above 2**31 - 1 ms counts as 1 ms, as in Node.
    """
    return Timeout(callback, delay_ms, arguments, repeat=True)


class Immediate(_Scheduled):
    """A function call scheduled for the next turn of the reactor. `set_immediate` returns it."""

    def __init__(self, callback: Callback, arguments: tuple[object, ...]) -> None:
        _callback(callback)
        self._runtime = runtime.current()
        self._handle = self._runtime.handles.open("immediate", here())
        self._call: IDelayedCall | None = self._runtime.clock.callLater(
            0, self._fire, callback, arguments
        )

    def close(self) -> None:
        """Cancel the scheduled call. Do nothing if it was made or cancelled already."""
        if self._call is not None:
            self._call.cancel()
            self._call = None
        self._handle.close()

    def _fire(self, callback: Callback, arguments: tuple[object, ...]) -> None:
        self._call = None
        self._runtime.run_ticks()
        if self._handle.closed:
            return  # a callback of a tick closed it
        self._runtime.call(callback, *arguments)
        self._handle.close()


def set_immediate(callback: Callback, *arguments: object) -> Immediate:
    """Call `callback(*arguments)` in the next turn of the reactor."""
    return Immediate(callback, arguments)


def next_tick(callback: Callback, *arguments: object) -> None:
    """Call `callback(*arguments)` after the running callback, before all other events."""
    runtime.current().next_tick(_callback(callback), *arguments)


def clear_timeout(timer: Timeout | None) -> None:
    """Stop a timer of `set_timeout` or `set_interval`.

    Do nothing for None, or for a timer that has fired. Raises ArgumentTypeError for other values.
    """
    if timer is None:
        return
    if not isinstance(timer, Timeout):
        raise ArgumentTypeError("timer", "what set_timeout or set_interval returned", timer)
    timer.close()


clear_interval = clear_timeout


def clear_immediate(immediate: Immediate | None) -> None:
    """Cancel a call that `set_immediate` has scheduled.

    Do nothing for None, or if the call was made. Raises ArgumentTypeError for other values.
    """
    if immediate is None:
        return
    if not isinstance(immediate, Immediate):
        raise ArgumentTypeError("immediate", "what set_immediate returned", immediate)
    immediate.close()
