"""What came for a substream and waits until its protocol takes it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TypeAlias

from streamplex.events import (
    CustomReceived,
    DataReceived,
    StreamEnded,
    StreamFailed,
    StreamReset,
)
from streamplex.jsontext import size_in_memory
from streamplex.tx.interfaces import Held

HELD_EVENT_BYTES = 256
"""What a held event is taken to cost besides its data: about what its objects do."""

SMALL_BYTES = 4096
"""Held data of at most this size is put together with what follows it: a window full of single
bytes would take hundreds of times its size. Larger pieces are not worth a copy."""

Delivery: TypeAlias = DataReceived | StreamEnded | StreamFailed | CustomReceived | StreamReset


class _SmallPieces:
    """Data of a substream, of several messages."""

    __slots__ = ("channel", "data")

    def __init__(self, first: DataReceived) -> None:
        self.channel = first.channel
        self.data = bytearray(first.data)


HandOn: TypeAlias = Callable[[Delivery], None]
"""To whom: told at each call, for who keeps a method of its owner keeps that until a collection."""


class Intake:
    """Hands deliveries on in their order: at once while it is open, later else."""

    __slots__ = ("_busy", "_held", "_open", "_waiting", "event_bytes")

    def __init__(self, held: Held) -> None:
        self._held = held
        # With nothing in it an empty deque would be the largest part of an idle substream.
        self._waiting: deque[Delivery | _SmallPieces] | tuple[()] = ()
        self._open = False
        self._busy = False  # handing on: what comes meanwhile waits behind
        self.event_bytes = 0  # what the custom events that wait are taken to cost

    def __bool__(self) -> bool:
        """Does anything wait?"""
        return bool(self._waiting)

    @property
    def is_through(self) -> bool:
        """Would what comes now be handed on at once?"""
        return self._open and not self._busy and not self._waiting

    @property
    def nbytes(self) -> int:
        """What waits is taken to cost so much."""
        return sum(_cost(each) for each in self._waiting)

    def deliver(self, event: Delivery, hand_on: HandOn) -> None:
        """Something came."""
        if self.is_through:
            hand_on(event)
        else:
            self._wait(event)

    def _wait(self, event: Delivery) -> None:
        if isinstance(event, DataReceived) and len(event.data) <= SMALL_BYTES:
            self._wait_small(event)
            return
        if isinstance(event, DataReceived):
            event = DataReceived(event.channel, bytes(event.data))  # a view keeps more than itself
        self._append(event)
        cost = _cost(event)
        self._held.add(cost)
        if isinstance(event, CustomReceived):
            self.event_bytes += cost

    def _wait_small(self, event: DataReceived) -> None:
        last = self._waiting[-1] if self._waiting else None
        if isinstance(last, _SmallPieces) and len(last.data) < SMALL_BYTES:
            last.data += event.data
            self._held.add(len(event.data))
        else:
            self._append(_SmallPieces(event))
            self._held.add(HELD_EVENT_BYTES + len(event.data))

    def _append(self, event: Delivery | _SmallPieces) -> None:
        if isinstance(self._waiting, tuple):
            self._waiting = deque()
        self._waiting.append(event)

    def begin(self, call: Callable[[], None], hand_on: HandOn) -> None:
        """Open, but make this call first; it may close."""
        self._open = self._busy = True
        try:
            call()
        finally:
            self._busy = False
        self._hand_on_waiting(hand_on)

    def open(self, hand_on: HandOn) -> None:
        """Hand on what waits, and all that comes."""
        self._open = True
        if not self._busy:
            self._hand_on_waiting(hand_on)

    def _hand_on_waiting(self, hand_on: HandOn) -> None:
        self._busy = True
        try:
            while self._open and self._waiting:
                hand_on(self._next())
        finally:
            self._busy = False

    def _next(self) -> Delivery:
        assert isinstance(self._waiting, deque)  # noqa: S101 -- something waits
        waited = self._waiting.popleft()
        if not self._waiting:
            self._waiting = ()
        cost = _cost(waited)
        self._held.remove(cost)
        if isinstance(waited, CustomReceived):
            self.event_bytes -= cost
        elif isinstance(waited, _SmallPieces):
            return DataReceived(waited.channel, bytes(waited.data))
        return waited

    def hand_over(self, hand_on: HandOn) -> None:
        """Hand on all that waits, whoever asked to wait: nothing comes behind it."""
        while self._waiting:
            hand_on(self._next())

    def close(self) -> None:
        """Let everything wait."""
        self._open = False

    def drop(self) -> int:
        """Forget what waits. Returns how many bytes of data that were."""
        nbytes = 0
        while self._waiting:
            event = self._next()
            if isinstance(event, DataReceived):
                nbytes += len(event.data)
        return nbytes


def _cost(waits: Delivery | _SmallPieces) -> int:
    match waits:
        case DataReceived():
            return HELD_EVENT_BYTES + len(waits.data)
        case _SmallPieces():
            return HELD_EVENT_BYTES + len(waits.data)
        case CustomReceived():
            return HELD_EVENT_BYTES + size_in_memory([waits.name, *waits.args])
        case _:
            return HELD_EVENT_BYTES
