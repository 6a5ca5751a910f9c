"""What came for a substream and waits until its protocol takes it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TypeAlias

from streamplex.events import CustomReceived, DataReceived, StreamEnded, StreamFailed
from streamplex.tx.flow import HeldOctets

HELD_EVENT_OCTETS = 256
"""What a held event without data is taken to cost: about what its objects do."""

Delivery: TypeAlias = DataReceived | StreamEnded | StreamFailed | CustomReceived


class Intake:
    """Hands deliveries on in their order: at once while it is open, later else."""

    __slots__ = ("_busy", "_hand_on", "_held", "_open", "_waiting")

    def __init__(self, hand_on: Callable[[Delivery], None], held: HeldOctets) -> None:
        self._hand_on = hand_on
        self._held = held  # of the whole tunnel
        self._waiting: deque[Delivery] = deque()
        self._open = False
        self._busy = False  # handing on: what comes meanwhile waits behind

    def deliver(self, event: Delivery) -> None:
        """Something came."""
        if self._open and not self._busy and not self._waiting:
            self._hand_on(event)
        else:
            self._waiting.append(event)
            self._held.add(_cost(event))

    def open(self) -> None:
        """Hand on what waits, and all that comes."""
        self._open = True
        if self._busy:
            return
        self._busy = True
        try:
            while self._open and self._waiting:
                event = self._waiting.popleft()
                self._held.remove(_cost(event))
                self._hand_on(event)
        finally:
            self._busy = False

    def close(self) -> None:
        """Let everything wait."""
        self._open = False

    def drop(self) -> None:
        """Forget what waits."""
        while self._waiting:
            self._held.remove(_cost(self._waiting.popleft()))


def _cost(event: Delivery) -> int:
    return len(event.data) if isinstance(event, DataReceived) else HELD_EVENT_OCTETS
