"""The chip's buffers for sending, as the host counts them.

Each packet takes one buffer, whatever its size. The chip reports freed buffers with `FreeBuffers`:
late, and sometimes for a closed socket whose number another socket has by then. A chip that gets
more packets than it has buffers hangs.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence

from twisted.internet.defer import Deferred

from tessel.cc3000.errors import ChipError

RESERVE = 1
"""Buffers never used: TI's driver for the Tessel sends only while two are free."""


class SendBuffers:
    """Counts the free buffers, and those that each socket holds."""

    def __init__(self) -> None:
        self._usable = 0
        self._free = 0
        self._held: Counter[int] = Counter()
        self._waiting: deque[Deferred[None]] = deque()

    @property
    def wanted(self) -> bool:
        """True if a send waits for a buffer. The chip reports free ones when it gets a command."""
        return bool(self._waiting)

    @property
    def leaked(self) -> bool:
        """True if none is free though no open socket holds one: the chip did not report them."""
        return self._free <= 0 and not any(self._held.values())

    def held(self, sd: int) -> int:
        """Return how many buffers this socket holds."""
        return self._held[sd]

    def room(self, sharers: int) -> int:
        """Return how many buffers each of `sharers` sockets may hold.

        The limit leaves one buffer for each socket even if all the others are stuck.
        """
        return self._usable if sharers <= 1 else max(1, (self._usable - 1) // (sharers - 1))

    async def take(self, sd: int) -> None:
        """Take a buffer for the socket as soon as one is free.

        Raises ChipError if the chip is lost in the meantime.
        """
        while self._free <= 0:
            waiting: Deferred[None] = Deferred()
            self._waiting.append(waiting)
            await waiting
        self._free -= 1
        self._held[sd] += 1

    def has_room(self) -> bool:
        """True if a buffer is free."""
        return self._free > 0

    def freed(self, entries: Sequence[tuple[int, int]]) -> None:
        """The chip has reported free buffers: pairs of a socket and a count."""
        for sd, count in entries:
            self._held[sd] = max(0, self._held[sd] - count)
            self._free = min(self._usable, self._free + count)
        for _ in range(min(self._free, len(self._waiting))):
            self._waiting.popleft().callback(None)

    def forget(self, sd: int) -> None:
        """The socket is closed. Its buffers are free only when the chip reports them."""
        del self._held[sd]

    def reset(self, count: int) -> None:
        """The chip was just started and has `count` buffers."""
        self._usable = self._free = max(1, count - RESERVE)
        self._held.clear()

    def fail(self, error: ChipError) -> None:
        """The chip is lost: fail all that wait for a buffer."""
        waiting, self._waiting = self._waiting, deque()
        for one in waiting:
            one.errback(error)
