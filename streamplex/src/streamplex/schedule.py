"""Whose turn it is to be sent; pure.

What is to be sent waits in lanes, one for each channel that has something:

    urgent  ------------------------------------>  first, always: channel 0
    lane 2  [data data end]  ---+
    lane 4  [custom data]    ---+--> in turn --->  a piece of at most FAIR_TURN_OCTETS while
    lane 9  [data]           ---+                  others wait, whole frames when alone

Only the urgent lane overtakes. Everything on a substream keeps its place behind that
substream's own data: an `end` that passed data would cut the stream short.

With `credit/1` a lane whose next is payload that the peer has no room for stands aside, out of the
turns, until there is credit. The grants of credit themselves are urgent.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from itertools import takewhile
from typing import NamedTuple, TypeGuard

from streamplex.messages import DATA_HEADER_OCTETS, Octets, data_header

FAIR_TURN_OCTETS = 16 * 1024
"""Octets a substream may send in its turn while others wait: one TLS record, so that a key
pressed in one waits for little of the bulk in another."""

FRAME_OCTETS = 4 * 16 * 1024 - DATA_HEADER_OCTETS
"""Octets in a frame of a substream that is alone: it fills four TLS records, headers included. The
largest frame would need a fifth, for one octet."""


SMALL_OCTETS = 4096
"""Payload of at most this size that waits is put together with what follows it: by itself an octet
that was read from a socket keeps a page of memory. Larger pieces are not worth a copy."""


class Batch(NamedTuple):
    """What one call of `take` hands out."""

    pieces: list[Octets | bytearray]
    """Octets for the wire, in order; headers and payloads apart, to be joined once."""

    served: list[int]
    """The channels whose lanes grew shorter, each at least once."""


class _Frame(bytes):
    """A whole frame in a lane; what is not one is payload, to be cut into frames."""

    __slots__ = ()


def _is_small_payload(item: Octets | bytearray | None) -> TypeGuard[bytes | bytearray]:
    """Not of a view either: the rest of a piece that was begun belongs to what has left."""
    if not isinstance(item, bytes | bytearray) or isinstance(item, _Frame):
        return False
    return len(item) <= SMALL_OCTETS


class _Lane:
    """What one substream has to send."""

    __slots__ = ("_items", "frame_octets", "octets")

    def __init__(self) -> None:
        self._items: deque[Octets | bytearray] = deque()
        self.octets = 0
        self.frame_octets = 0  # of these, in whole frames

    def append_frame(self, frame: bytes) -> None:
        self._items.append(_Frame(frame))
        self.octets += len(frame)
        self.frame_octets += len(frame)

    def keep(self) -> None:
        items, self._items = self._items, deque()
        self.octets = self.frame_octets = 0
        for item in items:
            if isinstance(item, _Frame):
                self.append_frame(item)
            else:
                self.append_payload(bytes(item) if isinstance(item, memoryview) else item)

    def append_payload(self, payload: Octets | bytearray) -> None:
        self.octets += len(payload)
        last = self._items[-1] if self._items else None
        if len(payload) > SMALL_OCTETS or not _is_small_payload(last):
            self._items.append(payload)
        elif isinstance(last, bytearray):
            last += payload
        else:
            self._items[-1] = bytearray(last + payload)

    def replace_payload(self, frame: bytes) -> None:
        items = list(self._items)
        frames = [item for item in items if isinstance(item, _Frame)]
        before = sum(1 for _ in takewhile(lambda item: isinstance(item, _Frame), items))
        self._items = deque([*frames[:before], _Frame(frame), *frames[before:]])
        self.frame_octets += len(frame)
        self.octets = self.frame_octets

    def drop_payload(self) -> None:
        self._items = deque(item for item in self._items if isinstance(item, _Frame))
        self.octets = self.frame_octets

    @property
    def needs_credit(self) -> bool:
        """Is what goes next payload?"""
        return bool(self._items) and not isinstance(self._items[0], _Frame)

    def take(
        self, channel: int, turn_octets: int, credit: int, into: list[Octets | bytearray]
    ) -> int:
        """Move about a turn's octets out, framed, at most `credit` of payload. Returns how many."""
        taken = 0
        while self._items and taken < turn_octets:
            if isinstance(self._items[0], _Frame):
                frame = self._items.popleft()
                into.append(frame)
                taken += len(frame)
                self.frame_octets -= len(frame)
            elif credit:
                payload = self._take_payload(channel, min(turn_octets - taken, credit), into)
                credit -= payload
                taken += payload
            else:
                break
        self.octets -= taken
        return taken

    def _take_payload(self, channel: int, turn_octets: int, into: list[Octets | bytearray]) -> int:
        """One data frame of all payload in front: small writes share a frame."""
        room = limit = min(turn_octets, FRAME_OCTETS)
        header_at = len(into)
        into.append(b"")
        while room and self._items and not isinstance(self._items[0], _Frame):
            item = self._items.popleft()
            if len(item) > room:
                view = memoryview(item)
                self._items.appendleft(view[room:])
                item = view[:room]
            into.append(item)
            room -= len(item)
        into[header_at] = data_header(channel, limit - room)
        return limit - room


def _alone(room: int) -> int:
    """A turn without others: all that there is room for, in whole frames if it is for one."""
    return room + -room % FRAME_OCTETS if room >= FRAME_OCTETS else max(room, FAIR_TURN_OCTETS)


class Scheduler:
    """The order in which queued frames and payload leave."""

    __slots__ = ("_aside", "_credits", "_lanes", "_pong", "_urgent", "frame_octets")

    def __init__(self) -> None:
        self._urgent: deque[bytes] = deque()
        self._pong = b""  # the one that is owed, if any
        self._lanes: OrderedDict[int, _Lane] = OrderedDict()  # in the order of their turns
        self._aside: dict[int, _Lane] = {}  # those that wait for credit
        self._credits: dict[int, int] = {}  # by channel; those that are not here have no limit
        self.frame_octets = 0  # octets of whole frames that wait, in all lanes

    def __bool__(self) -> bool:
        """Is there anything to take?"""
        return bool(self._urgent or self._pong or self._lanes)

    @property
    def has_waiting(self) -> bool:
        """Is there anything to take, now or when there is credit?"""
        return bool(self._urgent or self._pong or self._lanes or self._aside)

    def waiting_octets(self, channel: int) -> int:
        """Octets that wait in a substream's lane."""
        lane = self._lanes.get(channel) or self._aside.get(channel)
        return lane.octets if lane else 0

    def limit(self, channel: int, credit: int) -> None:
        """From now on the substream's payload needs credit, of which there is so much."""
        self._credits[channel] = credit

    def credit_of(self, channel: int) -> int | None:
        """Payload that the substream may send; None: any number of octets."""
        return self._credits.get(channel)

    def unlimit(self, channel: int) -> None:
        """Count a substream's credit no longer: nothing of it waits."""
        self._credits.pop(channel, None)

    def add_urgent(self, frame: bytes) -> None:
        """Queue a whole frame that overtakes every substream."""
        self._urgent.append(frame)
        self.frame_octets += len(frame)

    def owe_pong(self, frame: bytes) -> None:
        """Queue the answer to a ping in place of an older one.

        Else a peer that asks and does not read would have its answers pile up here
        (CVE-2024-32984, of another multiplexer).
        """
        self.frame_octets += len(frame) - len(self._pong)
        self._pong = frame

    def add_frame(self, channel: int, frame: bytes) -> None:
        """Queue a whole frame behind what the substream has queued before."""
        self._lane(channel, self._lanes).append_frame(frame)
        self.frame_octets += len(frame)

    def add_payload(self, channel: int, payload: Octets) -> None:
        """Queue payload of any size behind what the substream has queued before."""
        if payload:
            waits = self._credits.get(channel) == 0
            self._lane(channel, self._aside if waits else self._lanes).append_payload(payload)

    def keep(self, channel: int) -> None:
        """Copy what waits of views: their octets are about to change."""
        lane = self._lanes.get(channel) or self._aside.get(channel)
        if lane is not None:
            lane.keep()

    def replace_payload(self, channel: int, frame: bytes) -> None:
        """Forget the payload that a substream has queued; its frames stay.

        `frame` goes where the first of it was: an `end` that came first would make what is
        cut look whole.
        """
        self._lane(channel, self._lanes).replace_payload(frame)
        self.frame_octets += len(frame)
        self._call_back(channel)

    def drop_payload(self, channel: int) -> None:
        """Forget the payload that a substream has queued; its frames stay."""
        lane = self._lanes.get(channel) or self._aside.get(channel)
        if lane is None:
            return
        lane.drop_payload()
        self._call_back(channel)
        if not lane.octets:
            del self._lanes[channel]

    def grant(self, channel: int, credit: int) -> None:
        """The substream may send so much payload now."""
        self._credits[channel] = credit
        self._call_back(channel)

    def _call_back(self, channel: int) -> None:
        """A lane that stood aside may take its turns again, behind the others."""
        lane = self._aside.pop(channel, None)
        if lane is not None:
            self._lanes[channel] = lane

    def _lane(self, channel: int, otherwise: dict[int, _Lane]) -> _Lane:
        """Where the substream's octets wait; a new lane goes among `otherwise`."""
        lane = self._lanes.get(channel) or self._aside.get(channel)
        if lane is None:
            lane = otherwise[channel] = _Lane()
        return lane

    def take(self, max_octets: int) -> Batch:
        """Hand out what goes next: at most one turn more than `max_octets`."""
        pieces: list[Octets | bytearray] = []
        served: list[int] = []
        room = max_octets
        if self._pong:
            pieces.append(self._pong)
            self.frame_octets -= len(self._pong)
            room -= len(self._pong)
            self._pong = b""
        while self._urgent and room > 0:
            frame = self._urgent.popleft()
            pieces.append(frame)
            self.frame_octets -= len(frame)
            room -= len(frame)
        while self._lanes and room > 0:
            channel, lane = next(iter(self._lanes.items()))
            room -= self._take_turn(channel, lane, room, pieces)
            served.append(channel)
        return Batch(pieces, served)

    def _take_turn(
        self, channel: int, lane: _Lane, room: int, pieces: list[Octets | bytearray]
    ) -> int:
        turn = FAIR_TURN_OCTETS if len(self._lanes) > 1 else _alone(room)
        frame_octets = lane.frame_octets
        credit = self._credits.get(channel)
        taken = lane.take(channel, turn, turn if credit is None else credit, pieces)
        frame_octets -= lane.frame_octets
        self.frame_octets -= frame_octets
        if credit is not None:
            credit -= taken - frame_octets
            self._credits[channel] = credit
        if not lane.octets:
            del self._lanes[channel]
        elif credit == 0 and lane.needs_credit:
            del self._lanes[channel]
            self._aside[channel] = lane
        else:
            self._lanes.move_to_end(channel)
        return taken
