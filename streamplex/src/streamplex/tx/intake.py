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
from streamplex.schedule import SMALL_BYTES
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

    `event_bytes` is the assumed memory in bytes of the custom events in the queue. `held` counts
    all queued bytes.
    """

    __slots__ = ("_busy", "_held", "_open", "_waiting", "event_bytes")

    def __init__(self, held: Held) -> None:
        self._held = held
        # With nothing in it an empty deque would be the largest part of an idle substream.
        self._waiting: deque[Delivery | _SmallPieces] | tuple[()] = ()
        self._open = False
        self._busy = False  # a delivery is under way: later ones have to wait
        self.event_bytes = 0  # assumed cost of the custom events that wait

    def __bool__(self) -> bool:
        """Return whether the queue holds any event."""
        return bool(self._waiting)

    @property
    def is_through(self) -> bool:
        """Whether the next event would be delivered at once."""
        return self._open and not self._busy and not self._waiting

    @property
    def nbytes(self) -> int:
        """Bytes of memory that all queued events are assumed to take."""
        return sum(_cost(each) for each in self._waiting)

    def deliver(self, event: Delivery, hand_on: HandOn) -> None:
        """Deliver an event through `hand_on` now, or queue it."""
        if self._open and not self._busy and not self._waiting:  # `is_through`, without a call
            hand_on(event)
        else:
            self._wait(event)

    def _wait(self, event: Delivery) -> None:
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
        """Open the queue, make `call`, then deliver the queued events.

        Events that come during `call` wait until it returns. `call` may close the queue again.
        """
        self._open = self._busy = True
        try:
            call()
        finally:
            self._busy = False
        self._hand_on_waiting(hand_on)

    def open(self, hand_on: HandOn) -> None:
        """Deliver all queued events, and later events at once."""
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
        """Deliver all queued events even while the queue is closed.

        Called when no more events follow.
        """
        while self._waiting:
            hand_on(self._next())

    def close(self) -> None:
        """Queue later events instead of delivering them."""
        self._open = False

    def drop(self) -> int:
        """Drop all queued events. Return the number of bytes of data that were dropped."""
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
