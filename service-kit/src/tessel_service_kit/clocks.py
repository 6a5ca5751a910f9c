"""Clocks that do not jump when the time of the machine is set.

Twisted's `reactor.seconds` is `time.time`. If the clock of the machine is set back by an hour,
every timer of such a reactor fires an hour late; if it is set ahead, timers fire at once.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TypeAlias

# The platform's class, as `twisted.internet.default` chooses it. That module has only functions
# that install a reactor, and no platform has all of these classes.
if sys.platform == "linux":
    from tessel_service_kit.polling import LeanEPollReactor as _PlatformReactor
elif sys.platform in ("darwin", "win32"):
    from twisted.internet.selectreactor import SelectReactor as _PlatformReactor
else:
    from twisted.internet.pollreactor import PollReactor as _PlatformReactor

WallTime: TypeAlias = Callable[[], float]
"""Returns seconds since 1970, as `time.time` does. Use it only for dates: this clock can jump."""


class MonotonicReactor(_PlatformReactor):
    """The platform's reactor, with timers on the monotonic clock.

    To override `seconds` is enough: `callLater`, LoopingCall, deferLater, Agent and twisted.web all
    read the time from there.
    """

    seconds = staticmethod(time.monotonic)


class SteadyTime:
    """A clock that returns seconds since 1970 and does not jump when the machine's clock is set.

    Use it for durations that are stored as a date, such as the expiry of a token: a clock that is
    set must neither lengthen nor shorten them. The wall clock is read once, at the start.
    """

    def __init__(self, monotonic: Callable[[], float], wall_time: WallTime) -> None:
        self._monotonic = monotonic
        self._offset_s = wall_time() - monotonic()

    def __call__(self) -> float:
        return self._monotonic() + self._offset_s
