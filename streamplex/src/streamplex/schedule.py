"""The order in which queued data is sent. No I/O.

Queued data waits in lanes, one for each channel that has any:

    urgent  ------------------------------------>  first, always: channel 0
    lane 2  [data data end]  ---+
    lane 4  [custom data]    ---+--> in turn --->  a piece of at most FAIR_TURN_BYTES while
    lane 9  [data]           ---+                  others wait, whole frames when alone

Only the urgent lane overtakes others. Within a substream the order is kept: an `end` that overtook
data would cut the stream short.

With `credit/1` a lane takes no turns while its next item is payload and it has no credit. Grants of
credit are sent in the urgent lane.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from itertools import takewhile
from typing import NamedTuple, TypeAlias, TypeGuard

from streamplex.messages import DATA_HEADER_BYTES, BytesLike, data_header

FAIR_TURN_BYTES = 16 * 1024
"""Bytes that a substream sends in one turn while others wait: one TLS record, so that a small
message on one substream waits only briefly for the bulk data of another."""

FRAME_BYTES = 4 * 16 * 1024 - DATA_HEADER_BYTES
"""Payload of a frame while no other substream waits: with its headers it fills four TLS records.
The largest possible frame would need a fifth record for one byte."""


SMALL_BYTES = 4096
"""Pieces of at most this size that wait, to be sent or for a paused consumer, are joined with the
pieces that follow: otherwise each byte read from a socket would keep a page of memory. Larger
pieces are not worth a copy."""


class Batch(NamedTuple):
    """The bytes that one call of `take` returns, and the channels whose queued data it took."""

    pieces: list[BytesLike | bytearray]
    """Bytes to send, in order. Headers and payloads are separate pieces, to be joined once."""

    served: list[int]
    """The channels whose queued data became less, each at least once."""


_Item: TypeAlias = tuple[bytes] | BytesLike | bytearray
"""A tuple is a whole frame. All other items of a lane are payload, to be cut into frames."""


def _is_small_payload(item: _Item | None) -> TypeGuard[bytes | bytearray]:
    """Return whether later payload may be joined to it. A view is the rest of a piece in use."""
    return isinstance(item, bytes | bytearray) and len(item) <= SMALL_BYTES


class _Lane:
    """The queued frames and payload of one substream."""

    __slots__ = ("_items", "frame_bytes", "nbytes")

    def __init__(self) -> None:
        self._items: deque[_Item] = deque()
        self.nbytes = 0
        self.frame_bytes = 0  # of these, in whole frames

    def append_frame(self, frame: bytes) -> None:
        nbytes = len(frame)
        self._items.append((frame,))
        self.nbytes += nbytes
        self.frame_bytes += nbytes

    def keep(self) -> None:
        items, self._items = self._items, deque()
        self.nbytes = self.frame_bytes = 0
        for item in items:
            if isinstance(item, tuple):
                self.append_frame(item[0])
            else:
                self.append_payload(bytes(item) if isinstance(item, memoryview) else item)

    def append_payload(self, payload: BytesLike | bytearray) -> None:
        self.nbytes += len(payload)
        last = self._items[-1] if self._items else None
        if len(payload) > SMALL_BYTES or not _is_small_payload(last):
            self._items.append(payload)
        elif isinstance(last, bytearray):
            last += payload
        else:
            self._items[-1] = bytearray(last + payload)

    def replace_payload(self, frame: bytes) -> None:
        items = list(self._items)
        frames = [item for item in items if isinstance(item, tuple)]
        before = sum(1 for _ in takewhile(lambda item: isinstance(item, tuple), items))
        self._items = deque([*frames[:before], (frame,), *frames[before:]])
        self.frame_bytes += len(frame)
        self.nbytes = self.frame_bytes

    def drop_payload(self) -> None:
        self._items = deque(item for item in self._items if isinstance(item, tuple))
        self.nbytes = self.frame_bytes

    @property
    def needs_credit(self) -> bool:
        """Whether the next item is payload."""
        return bool(self._items) and not isinstance(self._items[0], tuple)

    def take(
        self, channel: int, turn_bytes: int, credit: int, into: list[BytesLike | bytearray]
    ) -> int:
        """Move about `turn_bytes` into `into`, framed, with at most `credit` bytes of payload.

        Returns the number of bytes taken.
        """
        taken = 0
        while self._items and taken < turn_bytes:
            first = self._items[0]
            if isinstance(first, tuple):
                (frame,) = first
                self._items.popleft()
                into.append(frame)
                taken += len(frame)
                self.frame_bytes -= len(frame)
            elif credit:
                payload = self._take_payload(channel, min(turn_bytes - taken, credit), into)
                credit -= payload
                taken += payload
            else:
                break
        self.nbytes -= taken
        return taken

    def _take_payload(
        self, channel: int, turn_bytes: int, into: list[BytesLike | bytearray]
    ) -> int:
        """Make one data frame of the payload in front: small writes share a frame."""
        room = limit = min(turn_bytes, FRAME_BYTES)
        header_at = len(into)
        into.append(b"")
        while room and self._items:
            item = self._items[0]
            if isinstance(item, tuple):
                break
            if len(item) > room:
                view = memoryview(item)
                self._items[0], item = view[room:], view[:room]
            else:
                self._items.popleft()
            into.append(item)
            room -= len(item)
        into[header_at] = data_header(channel, limit - room)
        return limit - room


def _alone(room: int) -> int:
    """Return the bytes of a turn while no other lane waits: whole frames, if one fits."""
    return room + -room % FRAME_BYTES if room >= FRAME_BYTES else max(room, FAIR_TURN_BYTES)


class Scheduler:
    """Queues frames and payload of one tunnel, and decides the order in which they are sent.

    `frame_bytes` is the number of queued bytes of whole frames, that is, other than payload.
    """

    __slots__ = ("_aside", "_credits", "_lanes", "_pong", "_urgent", "frame_bytes")

    def __init__(self) -> None:
        self._urgent: list[bytes] = []  # an empty deque would take 600 bytes of each tunnel
        self._pong = b""  # the answer to a ping that is due, if any
        self._lanes: OrderedDict[int, _Lane] = OrderedDict()  # in the order of their turns
        self._aside: dict[int, _Lane] = {}  # lanes that wait for credit
        self._credits: dict[int, int] = {}  # by channel; others have no limit
        self.frame_bytes = 0  # bytes of whole frames that wait, in all lanes

    def __bool__(self) -> bool:
        """Return whether `take` would return anything now."""
        return bool(self._urgent or self._pong or self._lanes)

    @property
    def has_waiting(self) -> bool:
        """Whether anything is queued, including payload that waits for credit."""
        return bool(self._urgent or self._pong or self._lanes or self._aside)

    def waiting_bytes(self, channel: int) -> int:
        """Return the number of queued bytes of a substream."""
        lane = self._lanes.get(channel) or self._aside.get(channel)
        return lane.nbytes if lane else 0

    def limit(self, channel: int, credit: int) -> None:
        """Require credit for the payload of a substream from now on.

        `credit`: bytes it may send at first.
        """
        self._credits[channel] = credit

    def credit_of(self, channel: int) -> int | None:
        """Return the bytes of payload that a substream may send now; None: no limit."""
        return self._credits.get(channel)

    def unlimit(self, channel: int) -> None:
        """Remove the credit of a substream.

        Called when nothing of the substream is queued any more.
        """
        self._credits.pop(channel, None)

    def add_urgent(self, frame: bytes) -> None:
        """Queue a whole frame that is sent before the frames and payload of all substreams."""
        self._urgent.append(frame)
        self.frame_bytes += len(frame)

    def owe_pong(self, frame: bytes) -> None:
        """Queue the answer to a ping. It replaces an answer that is still queued.

        Otherwise the answers to a peer that sends pings and does not read would accumulate (the
        fault of CVE-2024-32984 in another multiplexer).
        """
        self.frame_bytes += len(frame) - len(self._pong)
        self._pong = frame

    def add_frame(self, channel: int, frame: bytes) -> None:
        """Queue a whole frame of a substream behind everything that the substream has queued."""
        lane = self._lanes.get(channel) or self._aside.get(channel)
        if lane is None:
            lane = self._lanes[channel] = _Lane()
        lane.append_frame(frame)
        self.frame_bytes += len(frame)

    def add_payload(self, channel: int, payload: BytesLike) -> None:
        """Queue payload of any size behind everything that the substream has queued."""
        if payload:
            waits = self._credits.get(channel) == 0
            self._lane(channel, self._aside if waits else self._lanes).append_payload(payload)

    def keep(self, channel: int) -> None:
        """Copy queued memoryviews of a substream into bytes, so that their buffer may be reused."""
        lane = self._lanes.get(channel) or self._aside.get(channel)
        if lane is not None:
            lane.keep()

    def replace_payload(self, channel: int, frame: bytes) -> None:
        """Drop the queued payload of a substream and queue `frame`. Other queued frames stay.

        `frame` takes the place of the first payload. Behind a queued `end` it would come too late:
        the peer would take the cut data for complete.
        """
        self._lane(channel, self._lanes).replace_payload(frame)
        self.frame_bytes += len(frame)
        self._call_back(channel)

    def drop_payload(self, channel: int) -> None:
        """Drop the queued payload of a substream. Its queued frames stay."""
        lane = self._lanes.get(channel) or self._aside.get(channel)
        if lane is None:
            return
        lane.drop_payload()
        self._call_back(channel)
        if not lane.nbytes:
            del self._lanes[channel]

    def grant(self, channel: int, credit: int) -> None:
        """Set the number of bytes of payload that a substream may send from now on to `credit`."""
        self._credits[channel] = credit
        self._call_back(channel)

    def _call_back(self, channel: int) -> None:
        """Let a lane that waited for credit take turns again, behind the others."""
        lane = self._aside.pop(channel, None)
        if lane is not None:
            self._lanes[channel] = lane

    def _lane(self, channel: int, otherwise: dict[int, _Lane]) -> _Lane:
        """Return the substream's lane; a new lane is added to `otherwise`."""
        lane = self._lanes.get(channel) or self._aside.get(channel)
        if lane is None:
            lane = otherwise[channel] = _Lane()
        return lane

    def take(self, max_bytes: int) -> Batch:
        """Remove from the queues and return the bytes that are to be sent next.

        These are about `max_bytes`: the last turn may exceed it. Fewer are returned if less can be
        sent.
        """
        pieces: list[BytesLike | bytearray] = []
        served: list[int] = []
        room = max_bytes
        if self._pong:
            pieces.append(self._pong)
            self.frame_bytes -= len(self._pong)
            room -= len(self._pong)
            self._pong = b""
        if self._urgent:
            room -= self._take_urgent(room, pieces)
        while self._lanes and room > 0:
            channel, lane = next(iter(self._lanes.items()))
            room -= self._take_turn(channel, lane, room, pieces)
            served.append(channel)
        return Batch(pieces, served)

    def _take_urgent(self, room: int, into: list[BytesLike | bytearray]) -> int:
        """Move urgent frames into `into` until `room` bytes are used; return their bytes."""
        taken = count = 0
        for frame in self._urgent:
            if taken >= room:
                break
            taken += len(frame)
            count += 1
        into += self._urgent[:count]
        del self._urgent[:count]
        self.frame_bytes -= taken
        return taken

    def _take_turn(
        self, channel: int, lane: _Lane, room: int, pieces: list[BytesLike | bytearray]
    ) -> int:
        turn = FAIR_TURN_BYTES if len(self._lanes) > 1 else _alone(room)
        frame_bytes = lane.frame_bytes
        credit = self._credits.get(channel)
        taken = lane.take(channel, turn, turn if credit is None else credit, pieces)
        frame_bytes -= lane.frame_bytes
        self.frame_bytes -= frame_bytes
        if credit is not None:
            credit -= taken - frame_bytes
            self._credits[channel] = credit
        if not lane.nbytes:
            del self._lanes[channel]
        elif credit == 0 and lane.needs_credit:
            del self._lanes[channel]
            self._aside[channel] = lane
        else:
            self._lanes.move_to_end(channel)
        return taken
