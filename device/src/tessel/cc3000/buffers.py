"""The chip's buffers for sending, as the host counts them.

Each packet takes one buffer, whatever its size. The chip reports freed buffers with `FreeBuffers`.
The report comes late: the socket may be closed by then, and a new socket may have its number. A
chip that gets more packets than it has buffers hangs.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence

from twisted.internet.defer import Deferred

from tessel.cc3000.errors import ChipError

RESERVE = 1
"""Buffers never used: TI's driver for the Tessel sends only while two are free."""


class SendBuffers:
    """Counts the chip's free send buffers and the buffers that each socket holds."""

    def __init__(self) -> None:
        self._usable = 0
        self._free = 0
        self._held: Counter[int] = Counter()
        self._waiting: deque[Deferred[None]] = deque()

    @property
    def wanted(self) -> bool:
        """True while at least one send waits for a buffer.

        The chip reports freed buffers when it gets a command, so the caller should then send one.
        """
        return bool(self._waiting)

    @property
    def leaked(self) -> bool:
        """True if no buffer is free although no open socket holds one: the chip lost them."""
        return self._free <= 0 and not any(self._held.values())

    def held(self, sd: int) -> int:
        """Return how many send buffers the socket `sd` holds."""
        return self._held[sd]

    def room(self, sharers: int) -> int:
        """Return how many buffers each of `sharers` sockets may hold.

        The limit leaves one buffer for each socket even if all other sockets are stuck.
        """
        return self._usable if sharers <= 1 else max(1, (self._usable - 1) // (sharers - 1))

    async def take(self, sd: int) -> None:
        """Take one buffer for the socket `sd`, waiting until one is free.

        Raises ChipError if the chip is lost while the caller waits.
        """
        while self._free <= 0:
            waiting: Deferred[None] = Deferred()
            self._waiting.append(waiting)
            await waiting
        self._free -= 1
        self._held[sd] += 1

    def has_room(self) -> bool:
        """Return True if at least one buffer is free."""
        return self._free > 0

    def freed(self, entries: Sequence[tuple[int, int]]) -> None:
        """Mark buffers as free and wake waiting sends. Called when the chip reports them.

        Each entry is a socket number and the number of its freed buffers.
        """
        for sd, count in entries:
            self._held[sd] = max(0, self._held[sd] - count)
            self._free = min(self._usable, self._free + count)
        for _ in range(min(self._free, len(self._waiting))):
            self._waiting.popleft().callback(None)

    def forget(self, sd: int) -> None:
        """Forget the closed socket `sd`. Its buffers stay in use until the chip reports them."""
        del self._held[sd]

    def reset(self, count: int) -> None:
        """Start counting anew. Called when the chip has just started with `count` buffers."""
        self._usable = self._free = max(1, count - RESERVE)
        self._held.clear()

    def fail(self, error: ChipError) -> None:
        """Make all sends that wait for a buffer raise `error`. Called when the chip is lost."""
        waiting, self._waiting = self._waiting, deque()
        for one in waiting:
            one.errback(error)
