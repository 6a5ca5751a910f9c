"""Waits for some time."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime


def pause(clock: IReactorTime, seconds: float) -> Deferred[None]:
    """Fire after `seconds` on `clock`. Can be cancelled."""
    waiting: Deferred[None] = Deferred(lambda _: timer.cancel())
    timer = clock.callLater(seconds, waiting.callback, None)
    return waiting
