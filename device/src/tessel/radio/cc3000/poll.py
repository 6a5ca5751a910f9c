"""Asks the chip in rounds which of its sockets have data: it does not report that by itself.

Sockets also send only from here, in turns, because the chip frees buffers when it gets a command.
In one round each socket may send a little, then one `select` asks the chip, and then each socket
that has something to read reads once.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from tessel.cc3000.driver import Driver
from tessel.cc3000.errors import ChipError, CommandError, LeakError
from tessel.cc3000.sockets import Sockets

POLL_S = 0.010
"""Seconds between two rounds in which nothing happened, as in the Tessel's firmware."""
STALL_S = 0.001
"""Seconds between rounds while a socket waits for a buffer of the chip. The first such round begins
at once; then the pause doubles from this value up to POLL_S. A simulated chip frees buffers within
a turn of the reactor, a real one with its next command."""

QUIET_S = 1.0
"""Seconds without an event after which the pauses double. Gaps in a conversation are shorter."""

POLL_CAP_S = 0.040
"""The longest pause in seconds. An idle radio then costs 1.4 % of a core instead of 4.5 %."""

LEAK_TIMEOUT_S = 5.0
"""Seconds without a free buffer, and without a socket that could hold one, after which the chip is
restarted because its buffers are lost. A real chip reported late ones within 0.2 s."""

PACKETS_A_ROUND = 4
"""Packets that each socket may send before the chip is asked for received data."""

_log = Logger(namespace="tessel.radio")


class Polled(Protocol):
    """A socket that takes part in the poll. Its methods raise ChipError only."""

    @property
    def sd(self) -> int: ...

    @property
    def shares(self) -> bool:
        """True if the socket uses the chip's shared send buffers and may hold them for long."""

    @property
    def reads(self) -> bool:
        """True if the poll is to ask the chip whether the socket has something to read."""

    @property
    def looks(self) -> bool:
        """True if `read_some` is to be called even if the chip reports nothing to read."""

    @property
    def sends(self) -> bool:
        """True if the socket has something to send, or is about to be closed."""

    async def send_some(self) -> bool:
        """Send one packet, or close the socket. Return False if there was nothing to do."""

    async def read_some(self) -> bool:
        """Read once from the socket. Return False if there was nothing to read."""


class Poll:
    """Lets the chip's sockets send and read in rounds, while one of them waits for something."""

    def __init__(self, driver: Driver, sockets: Sockets, clock: IReactorTime) -> None:
        self._driver = driver
        self._sockets = sockets
        self._clock = clock
        self._members: dict[Polled, None] = {}  # in order
        self._timer: IDelayedCall | None = None
        self._running = False
        self._leaked_since: float | None = None
        self._moved_at = clock.seconds()
        self._pause = POLL_S
        self._stalled = 0.0

    def add(self, member: Polled) -> None:
        """Include a socket in the rounds."""
        self._members[member] = None
        self.wake()

    def remove(self, member: Polled) -> None:
        """Leave a socket out of the rounds."""
        self._members.pop(member, None)

    def sharers(self) -> int:
        """Return how many sockets share the chip's send buffers."""
        return sum(member.shares for member in self._members)

    def wake(self) -> None:
        """Begin a round in the next turn of the reactor, because a socket has something to do."""
        self._stay_awake()
        if self._timer is not None:
            self._timer.reset(0)
        elif not self._running:
            self._timer = self._clock.callLater(0, self._begin)

    def _stay_awake(self) -> None:
        self._stalled = 0.0
        self._moved_at = self._clock.seconds()
        self._pause = POLL_S

    def _pause_after(self, moved: bool) -> float:
        if moved:
            self._stay_awake()
            return 0
        if any(one.sends for one in self._members):
            stalled, self._stalled = self._stalled, min(2 * self._stalled or STALL_S, POLL_S)
            self._moved_at, self._pause = self._clock.seconds(), POLL_S
            return stalled
        if self._clock.seconds() - self._moved_at >= QUIET_S:
            self._pause = min(2 * self._pause, POLL_CAP_S)
        return self._pause

    def stop(self) -> None:
        """Remove all sockets and make no more rounds."""
        self._members.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _begin(self) -> None:
        self._timer = None
        self._running = True
        Deferred.fromCoroutine(self._round()).addCallbacks(self._next, self._failed)

    def _next(self, moved: bool) -> None:
        self._running = False
        if any(one.reads or one.looks or one.sends for one in self._members):
            self._timer = self._clock.callLater(self._pause_after(moved), self._begin)

    def _failed(self, failure: Failure) -> None:
        """Log a failed round, except for a lost chip, which the driver reports to the radio."""
        self._running = False
        if not failure.check(ChipError):
            _log.failure("a round of the poll failed", failure)
            self._next(False)

    async def _round(self) -> bool:
        moved = await self._send()
        self._look_for_leak()
        readable = await self._readable()
        for member in list(self._members):
            ready = member.looks or (member.reads and member.sd in readable)
            if ready and member in self._members:
                moved |= await member.read_some()
        return moved

    async def _send(self) -> bool:
        moved = False
        for _ in range(PACKETS_A_ROUND):
            sent = False
            for member in list(self._members):
                sent |= await member.send_some()
            if not sent:
                break
            moved = True
        return moved

    def _look_for_leak(self) -> None:
        wanted = any(member.sends for member in self._members)
        if not (wanted and self._driver.buffers.leaked):
            self._leaked_since = None
        elif self._leaked_since is None:
            self._leaked_since = self._clock.seconds()
        elif self._clock.seconds() - self._leaked_since >= LEAK_TIMEOUT_S:
            self._leaked_since = None
            self._driver.abandon(LeakError("the chip has lost all its buffers for sending"))

    async def _readable(self) -> Collection[int]:
        reading = [member.sd for member in self._members if member.reads]
        sending = [member.sd for member in self._members if member.sends]
        if not reading and not sending:
            return ()
        try:
            return (await self._sockets.select(reading, sending)).readable
        except CommandError as fault:
            _log.debug("select: {fault}", fault=fault)
            return reading  # one of them is dead: each learns about itself when it reads
