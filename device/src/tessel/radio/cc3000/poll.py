"""Asking the chip, again and again, which sockets have something: it does not tell by itself.

Also the only place from which sockets send, in turns: a chip hands buffers back while it is asked.
One round: everybody may send a little; one `select`; who has something to read reads once.
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

POLL_S = 0.010  # between two rounds in which nothing happened; the Tessel's
STALL_S = 0.001
"""The pause of a connection that waits for a buffer of the chip; the first time there is none, then
it doubles up to POLL_S. A simulated chip gives buffers back within a turn of the reactor, a real
one with the next command."""
QUIET_S = 1.0  # after which the pauses double: a conversation's own gaps are shorter
POLL_CAP_S = 0.040  # the longest pause: idle it costs 1.4 % of a core, not 4.5; nobody feels it
LEAK_TIMEOUT_S = 5.0
"""How long nobody can send, with no socket left that could hold the buffers, before they count as
lost. A chip told of late ones within 0.2 s."""
PACKETS_A_ROUND = 4  # each may send before the chip is asked for what came

_log = Logger(namespace="tessel.radio")


class Polled(Protocol):
    """A socket, as the poll sees it. Its methods raise ChipError only."""

    @property
    def sd(self) -> int: ...

    @property
    def shares(self) -> bool:
        """It may hold buffers of the chip for long."""

    @property
    def reads(self) -> bool:
        """Ask the chip whether there is something to read."""

    @property
    def looks(self) -> bool:
        """Something may be to do that the chip does not tell of: `read_some` in any case."""

    @property
    def sends(self) -> bool:
        """Something is to be sent, or was sent and its buffers are awaited."""

    async def send_some(self) -> bool:
        """Send a packet, or close, as it may be. Was there something to do?"""

    async def read_some(self) -> bool: ...


class Poll:
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
        self._members[member] = None
        self.wake()

    def remove(self, member: Polled) -> None:
        self._members.pop(member, None)

    def sharers(self) -> int:
        """How many share the chip's buffers."""
        return sum(member.shares for member in self._members)

    def wake(self) -> None:
        """There is something new to do. It is done from the reactor, and not at once."""
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
        """The radio knows of a lost chip by itself."""
        self._running = False
        if not failure.check(ChipError):
            _log.failure("a round through the sockets", failure)
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
            self._driver.abandon(LeakError("the chip has lost all its buffers"))

    async def _readable(self) -> Collection[int]:
        reading = [member.sd for member in self._members if member.reads]
        sending = [member.sd for member in self._members if member.sends]
        if not reading and not sending:
            return ()
        try:
            return (await self._sockets.select(reading, sending)).readable
        except CommandError as fault:
            _log.debug("select: {fault}", fault=fault)
            return reading  # one of them is dead: each finds out for itself
