"""The chip's buffers for sending, as the host counts them.

Each packet takes one, whatever its size. The chip says in `FreeBuffers` what it has done with:
late, and at times for a socket that is closed and whose number another has by then. A chip that is
given more than it has buffers for hangs.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence

from twisted.internet.defer import Deferred

from tessel.cc3000.errors import ChipError

RESERVE = 1  # TI's driver for the Tessel goes on only while two are free


class SendBuffers:
    def __init__(self) -> None:
        self._usable = 0
        self._free = 0
        self._held: Counter[int] = Counter()
        self._waiting: deque[Deferred[None]] = deque()

    @property
    def wanted(self) -> bool:
        """Someone waits for one. The chip tells of free ones when it is asked for something."""
        return bool(self._waiting)

    @property
    def leaked(self) -> bool:
        """None is free and nobody holds one: those of closed sockets did not come back."""
        return self._free <= 0 and not any(self._held.values())

    def held(self, sd: int) -> int:
        """How many packets of this socket the chip has not done with."""
        return self._held[sd]

    def room(self, sharers: int) -> int:
        """How many one of so many sockets may hold, so that the others, stuck, leave it one."""
        return self._usable if sharers <= 1 else max(1, (self._usable - 1) // (sharers - 1))

    async def take(self, sd: int) -> None:
        """One, when there is one. Raises ChipError if the chip goes away meanwhile."""
        while self._free <= 0:
            waiting: Deferred[None] = Deferred()
            self._waiting.append(waiting)
            await waiting
        self._free -= 1
        self._held[sd] += 1

    def has_room(self) -> bool:
        return self._free > 0

    def freed(self, entries: Sequence[tuple[int, int]]) -> None:
        for sd, count in entries:
            self._held[sd] = max(0, self._held[sd] - count)
            self._free = min(self._usable, self._free + count)
        for _ in range(min(self._free, len(self._waiting))):
            self._waiting.popleft().callback(None)

    def forget(self, sd: int) -> None:
        """The socket is closed. What it held is not free before the chip says so."""
        del self._held[sd]

    def reset(self, count: int) -> None:
        """A chip that was just started."""
        self._usable = self._free = max(1, count - RESERVE)
        self._held.clear()

    def fail(self, error: ChipError) -> None:
        waiting, self._waiting = self._waiting, deque()
        for one in waiting:
            one.errback(error)
