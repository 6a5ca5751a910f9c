"""Clocks that nobody can set while a process runs, and a name for the one that can be set.

Twisted's `reactor.seconds` is `time.time`. When the clock of the machine is set back by an hour,
every timer of such a reactor is an hour late; when it is set ahead, timers are due at once.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TypeAlias

# The platform's class, as `twisted.internet.default` chooses it. That module has only functions
# that install a reactor, and no platform has all of these classes.
if sys.platform == "linux":
    from twisted.internet.epollreactor import EPollReactor as _PlatformReactor
elif sys.platform in ("darwin", "win32"):
    from twisted.internet.selectreactor import SelectReactor as _PlatformReactor
else:
    from twisted.internet.pollreactor import PollReactor as _PlatformReactor

WallTime: TypeAlias = Callable[[], float]
"""Returns seconds since 1970, as `time.time` does. Only for dates: this clock may be set."""


class MonotonicReactor(_PlatformReactor):
    """The platform's reactor, with timers that do not follow the time of day.

    `callLater` reads `seconds` and hands it to each timer. LoopingCall, deferLater, Agent and
    twisted.web ask the reactor.
    """

    seconds = staticmethod(time.monotonic)


class SteadyTime:
    """Returns seconds since 1970; setting the clock of the machine does not change them.

    For durations that are stored as a date, such as the life of a token: they must become neither
    longer nor shorter when the clock is set. A new process starts from the wall clock.
    """

    def __init__(self, monotonic: Callable[[], float], wall_time: WallTime) -> None:
        self._monotonic = monotonic
        self._offset_s = wall_time() - monotonic()

    def __call__(self) -> float:
        return self._monotonic() + self._offset_s
