"""What came for a substream and waits until its protocol takes it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TypeAlias

from streamplex.events import CustomReceived, DataReceived, StreamEnded, StreamFailed
from streamplex.jsontext import size_in_memory
from streamplex.tx.flow import HeldOctets

HELD_EVENT_OCTETS = 256
"""What a held event is taken to cost besides its data: about what its objects do."""

Delivery: TypeAlias = DataReceived | StreamEnded | StreamFailed | CustomReceived


class Intake:
    """Hands deliveries on in their order: at once while it is open, later else."""

    __slots__ = ("_busy", "_hand_on", "_held", "_open", "_waiting")

    def __init__(self, hand_on: Callable[[Delivery], None], held: HeldOctets) -> None:
        self._hand_on = hand_on
        self._held = held  # of the whole tunnel
        self._waiting: deque[tuple[Delivery, int]] = deque()  # with its cost
        self._open = False
        self._busy = False  # handing on: what comes meanwhile waits behind

    def __bool__(self) -> bool:
        """Does anything wait?"""
        return bool(self._waiting)

    @property
    def octets(self) -> int:
        """What waits is taken to cost so much."""
        return sum(cost for _, cost in self._waiting)

    def deliver(self, event: Delivery) -> None:
        """Something came."""
        if self._open and not self._busy and not self._waiting:
            self._hand_on(event)
        else:
            cost = _cost(event)
            self._waiting.append((event, cost))
            self._held.add(cost)

    def begin(self, call: Callable[[], None]) -> None:
        """Open, but make this call first; it may close."""
        self._open = self._busy = True
        try:
            call()
        finally:
            self._busy = False
        self._hand_on_waiting()

    def open(self) -> None:
        """Hand on what waits, and all that comes."""
        self._open = True
        if not self._busy:
            self._hand_on_waiting()

    def _hand_on_waiting(self) -> None:
        self._busy = True
        try:
            while self._open and self._waiting:
                event, cost = self._waiting.popleft()
                self._held.remove(cost)
                self._hand_on(event)
        finally:
            self._busy = False

    def hand_over(self) -> None:
        """Hand on all that waits, whoever asked to wait: nothing comes behind it."""
        while self._waiting:
            event, cost = self._waiting.popleft()
            self._held.remove(cost)
            self._hand_on(event)

    def close(self) -> None:
        """Let everything wait."""
        self._open = False

    def drop(self) -> None:
        """Forget what waits."""
        while self._waiting:
            _, cost = self._waiting.popleft()
            self._held.remove(cost)


def _cost(event: Delivery) -> int:
    match event:
        case DataReceived():
            return HELD_EVENT_OCTETS + len(event.data)
        case CustomReceived():
            return HELD_EVENT_OCTETS + size_in_memory([event.name, *event.args])
        case _:
            return HELD_EVENT_OCTETS
