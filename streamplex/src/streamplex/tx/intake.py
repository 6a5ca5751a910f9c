"""The queue for data and events received on a substream, until its protocol takes them."""

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
from streamplex.lane import SMALL_BYTES
from streamplex.tx.interfaces import Held

HELD_EVENT_BYTES = 256
"""Bytes of memory that a held event is assumed to take besides its data."""

Delivery: TypeAlias = DataReceived | StreamEnded | StreamFailed | CustomReceived | StreamReset


class _SmallPieces:
    """Small pieces of data, joined."""

    __slots__ = ("channel", "data")

    def __init__(self, first: DataReceived) -> None:
        self.channel = first.channel
        self.data = bytearray(first.data)


HandOn: TypeAlias = Callable[[Delivery], None]
"""Delivers one event. Passed with each call: a stored bound method would be a reference cycle."""


class Intake:
    """A queue that delivers received events in order: at once while it is open, later otherwise.

    `is_through` is True while nothing waits and nothing has to: the owner then delivers an event
    itself, else it calls `wait`. `waiting` are the queued events, `event_bytes` the assumed memory
    in bytes of the custom events among them. `held` counts all queued bytes.
    """

    __slots__ = ("_busy", "_held", "_open", "event_bytes", "is_through", "waiting")

    def __init__(self, held: Held) -> None:
        self._held = held
        # With nothing in it an empty deque would be the largest part of an idle substream.
        self.waiting: deque[Delivery | _SmallPieces] | tuple[()] = ()
        self._open = False
        self._busy = False  # a delivery of queued events is under way: later ones have to wait
        self.is_through = False
        self.event_bytes = 0

    @property
    def nbytes(self) -> int:
        """Bytes of memory that all queued events are assumed to take."""
        return sum(_cost(each) for each in self.waiting)

    def wait(self, event: Delivery) -> None:
        """Queue an event. Called while `is_through` is False."""
        if isinstance(event, DataReceived) and len(event.data) <= SMALL_BYTES:
            self._wait_small(event)
            return
        if isinstance(event, DataReceived):
            event = DataReceived(event.channel, bytes(event.data))  # a view keeps a whole buffer
        self._append(event)
        cost = _cost(event)
        self._held.add(cost)
        if isinstance(event, CustomReceived):
            self.event_bytes += cost

    def _wait_small(self, event: DataReceived) -> None:
        last = self.waiting[-1] if self.waiting else None
        if isinstance(last, _SmallPieces) and len(last.data) < SMALL_BYTES:
            last.data += event.data
            self._held.add(len(event.data))
        else:
            self._append(_SmallPieces(event))
            self._held.add(HELD_EVENT_BYTES + len(event.data))

    def _append(self, event: Delivery | _SmallPieces) -> None:
        if isinstance(self.waiting, tuple):
            self.waiting = deque()
        self.waiting.append(event)

    def begin(self) -> None:
        """Let events wait until `begun`, while the protocol is connected."""
        self._open = self._busy = True

    def begun(self, hand_on: HandOn) -> None:
        """Deliver the queued events, unless the queue was closed since `begin`."""
        self._busy = False
        if self.waiting:
            self._hand_on_waiting(hand_on)
        else:
            self.is_through = self._open

    def open(self, hand_on: HandOn) -> None:
        """Deliver all queued events, and later events at once."""
        self._open = True
        if not self._busy:
            self._hand_on_waiting(hand_on)

    def _hand_on_waiting(self, hand_on: HandOn) -> None:
        self._busy = True
        try:
            while self._open and self.waiting:
                hand_on(self._next())
        finally:
            self._busy = False
            self.is_through = self._open and not self.waiting

    def _next(self) -> Delivery:
        assert isinstance(self.waiting, deque)  # noqa: S101 -- something waits
        waited = self.waiting.popleft()
        if not self.waiting:
            self.waiting = ()
        cost = _cost(waited)
        self._held.remove(cost)
        if isinstance(waited, CustomReceived):
            self.event_bytes -= cost
        elif isinstance(waited, _SmallPieces):
            return DataReceived(waited.channel, bytes(waited.data))
        return waited

    def hand_over(self, hand_on: HandOn) -> None:
        """Deliver all queued events even while the queue is closed.

        Called when no more events follow.
        """
        while self.waiting:
            hand_on(self._next())

    def close(self) -> None:
        """Queue later events instead of delivering them."""
        self._open = self.is_through = False

    def drop(self) -> int:
        """Drop all queued events. Return the number of bytes of data that were dropped."""
        nbytes = 0
        while self.waiting:
            event = self._next()
            if isinstance(event, DataReceived):
                nbytes += len(event.data)
        self.is_through = self._open and not self._busy
        return nbytes


def _cost(waits: Delivery | _SmallPieces) -> int:
    match waits:
        case DataReceived() | _SmallPieces():
            return HELD_EVENT_BYTES + len(waits.data)
        case CustomReceived():
            return HELD_EVENT_BYTES + size_in_memory([waits.name, *waits.args])
        case _:
            return HELD_EVENT_BYTES
