"""Waits for some time."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime


def pause(clock: IReactorTime, seconds: float) -> Deferred[None]:
    """Return a Deferred that fires after `seconds` on `clock`. It can be cancelled."""
    waiting: Deferred[None] = Deferred(lambda _: timer.cancel())
    timer = clock.callLater(seconds, waiting.callback, None)
    return waiting
