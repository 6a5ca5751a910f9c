"""The order in which queued data is sent. No I/O.

    urgent  ------------------------------------>  first, always: channel 0
    next    [end 4] [data 8] [event 6] --------->  small frames that found nobody waiting
    lane 2  [data data end]  ---+
    lane 4  [custom data]    ---+--> in turn --->  a piece of at most FAIR_TURN_BYTES while
    lane 9  [data]           ---+                  others wait, whole frames when alone

Most substreams send a few small messages. Such a message goes into the list `next`, ready to be
sent, if its substream has nothing else queued, no lane waits for its turn, and the list is shorter
than one turn. So it delays nobody for more than a turn. All else waits in lanes, one for each
substream. What a substream has queued is in one of the two, never in both.

Only the urgent frames overtake others. Within a substream the order is kept: an `end` that overtook
data would cut the stream short.

With `credit/1` a lane takes no turns while its next item is payload and it has no credit. Grants of
credit are urgent frames.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

from streamplex.lane import FRAME_BYTES, SMALL_BYTES, Lane, Pieces
from streamplex.messages import DATA, FRAME_HEADER, HEADER_BYTES, BytesLike

FAIR_TURN_BYTES = 16 * 1024
"""Bytes that a substream sends in one turn while others wait: one TLS record, so that a small
message on one substream waits only briefly for the bulk data of another."""


_NO_LANES: OrderedDict[int, Lane] = OrderedDict()
_NO_FRAMES: list[bytes] = []
_NONE_NEXT: list[tuple[Lane, bytes]] = []
"""Shared and never changed: empty ones would take 250 bytes of each idle tunnel."""


class Batch(NamedTuple):
    """The bytes that one call of `take` returns, and the channels whose queued data it took."""

    pieces: Pieces

    served: list[int]
    """The channels whose queued data became less, each at least once."""


def _alone(room: int) -> int:
    """Return the bytes of a turn while no other lane waits: whole frames, if one fits."""
    return room + -room % FRAME_BYTES if room >= FRAME_BYTES else max(room, FAIR_TURN_BYTES)


class Scheduler:
    """Queues frames and payload of one tunnel, and decides the order in which they are sent.

    `frame_bytes` is the number of queued bytes of whole frames, that is, other than payload.
    `has_more` is False if `take` would return nothing; right after data was dropped it may be True
    without reason.
    """

    __slots__ = (
        "_aside",
        "_lanes",
        "_next",
        "_next_bytes",
        "_pong",
        "_urgent",
        "frame_bytes",
        "has_more",
    )

    def __init__(self) -> None:
        self._urgent = _NO_FRAMES
        self._pong = b""  # the answer to a ping that is due, if any
        self._next = _NONE_NEXT  # at most FAIR_TURN_BYTES, sent before lanes
        self._next_bytes = 0
        self._lanes = _NO_LANES  # in the order of their turns
        self._aside = 0  # how many lanes wait for credit
        self.frame_bytes = 0
        self.has_more = False

    def __bool__(self) -> bool:
        """Return whether `take` would return anything now."""
        return bool(self._urgent or self._pong or self._next or self._lanes)

    @property
    def has_waiting(self) -> bool:
        """Whether anything is queued, including payload that waits for credit."""
        return bool(self) or self._aside > 0

    def clear(self) -> None:
        """Drop everything that is queued, because nothing can be sent any more."""
        self._urgent = _NO_FRAMES
        self._pong = b""
        self._next = _NONE_NEXT
        self._lanes = OrderedDict()  # its own: a lane that waits may still be granted credit
        self._aside = self._next_bytes = self.frame_bytes = 0
        self.has_more = False

    def add_urgent(self, frame: bytes) -> None:
        """Queue a whole frame that is sent before the frames and payload of all substreams."""
        if self._urgent:
            self._urgent.append(frame)
        else:
            self._urgent = [frame]
        self.frame_bytes += len(frame)
        self.has_more = True

    def owe_pong(self, frame: bytes) -> None:
        """Queue the answer to a ping. It replaces an answer that is still queued.

        Otherwise the answers to a peer that sends pings and does not read would accumulate (the
        fault of CVE-2024-32984 in another multiplexer).
        """
        self.frame_bytes += len(frame) - len(self._pong)
        self._pong = frame
        self.has_more = True

    def add_frame(self, lane: Lane, frame: bytes) -> None:
        """Queue a whole frame of a substream behind everything that the substream has queued."""
        nbytes = len(frame)
        self.frame_bytes += nbytes
        if lane.items or self._lanes or self._next_bytes + nbytes > FAIR_TURN_BYTES:
            self._wait(lane)
            lane.append_frame(frame)
        else:
            if self._next:
                self._next.append((lane, frame))
            else:
                self._next = [(lane, frame)]
            self._next_bytes += nbytes
            lane.nbytes += nbytes
            lane.frame_bytes += nbytes
        self.has_more = True

    def add_payload(self, lane: Lane, payload: BytesLike) -> None:
        """Queue payload of any size behind everything that the substream has queued."""
        nbytes = len(payload)
        if not nbytes:
            return
        credit = lane.credit
        if (
            nbytes > SMALL_BYTES
            or lane.nbytes
            or self._lanes
            or self._next_bytes + nbytes > FAIR_TURN_BYTES
            or (credit is not None and credit < nbytes)
        ):
            self._wait(lane)
            lane.append_payload(payload)
            self._set_aside(lane)
        else:
            header = FRAME_HEADER.pack(nbytes + HEADER_BYTES, lane.channel, DATA)
            if self._next:
                self._next.append((lane, header + payload))
            else:
                self._next = [(lane, header + payload)]
            self._next_bytes += nbytes
            lane.nbytes = nbytes
            if credit is not None:
                lane.credit = credit - nbytes
        self.has_more = True

    def _wait(self, lane: Lane) -> None:
        """Let a lane take turns, with what it has in `next`, unless it waits for credit."""
        if lane.items:
            return
        if lane.nbytes:
            self._recall(lane)
        if self._lanes is _NO_LANES:
            self._lanes = OrderedDict()
        self._lanes[lane.channel] = lane

    def _recall(self, lane: Lane) -> None:
        """Move what a substream has in `next` back to its lane."""
        frames = [frame for owner, frame in self._next if owner is lane]
        self._next = [each for each in self._next if each[0] is not lane]
        self._next_bytes -= sum(map(len, frames))
        lane.put_back(frames)

    def replace_payload(self, lane: Lane, frame: bytes) -> None:
        """Drop the queued payload of a substream and queue `frame`. Other queued frames stay.

        `frame` takes the place of the first payload. Behind a queued `end` it would come too late:
        the peer would take the cut data for complete.
        """
        self._wait(lane)
        lane.replace_payload(frame)
        self.frame_bytes += len(frame)
        self._call_back(lane)
        self.has_more = True

    def drop_payload(self, lane: Lane) -> None:
        """Drop the queued payload of a substream. Its queued frames stay."""
        if not lane.nbytes:
            return
        self._wait(lane)
        lane.drop_payload()
        self._call_back(lane)
        if not lane.items:
            del self._lanes[lane.channel]

    def grant(self, lane: Lane, credit: int) -> None:
        """Set the number of bytes of payload that a substream may send from now on to `credit`."""
        lane.credit = credit
        self._call_back(lane)

    def _call_back(self, lane: Lane) -> None:
        """Let a lane that waited for credit take turns again, behind the others."""
        if lane.is_aside:
            lane.is_aside = False
            self._aside -= 1
            self._lanes[lane.channel] = lane
            self.has_more = True

    def take(self, max_bytes: int) -> Batch:
        """Remove from the queues and return the bytes that are to be sent next.

        These are about `max_bytes`: the last turn may exceed it. Fewer are returned if less can be
        sent.
        """
        pieces: Pieces = []
        served: list[int] = []
        room = max_bytes
        if self._pong:
            pieces.append(self._pong)
            self.frame_bytes -= len(self._pong)
            room -= len(self._pong)
            self._pong = b""
        if self._urgent:
            room -= self._take_urgent(room, pieces)
        if self._next and room > 0:
            room -= self._next_bytes
            for lane, frame in self._next:
                pieces.append(frame)
                served.append(lane.channel)
                self.frame_bytes -= lane.frame_bytes
                lane.nbytes = lane.frame_bytes = 0
            self._next = _NONE_NEXT
            self._next_bytes = 0
        while self._lanes and room > 0:
            lane = next(iter(self._lanes.values()))
            room -= self._take_turn(lane, room, pieces)
            served.append(lane.channel)
        self.has_more = bool(self._lanes or self._next or self._urgent)
        return Batch(pieces, served)

    def _take_urgent(self, room: int, into: Pieces) -> int:
        """Move urgent frames into `into` until `room` bytes are used; return their bytes."""
        taken = count = 0
        for frame in self._urgent:
            if taken >= room:
                break
            taken += len(frame)
            count += 1
        if count == len(self._urgent):
            into += self._urgent
            self._urgent = _NO_FRAMES
        else:
            into += self._urgent[:count]
            del self._urgent[:count]
        self.frame_bytes -= taken
        return taken

    def _take_turn(self, lane: Lane, room: int, pieces: Pieces) -> int:
        turn = FAIR_TURN_BYTES if len(self._lanes) > 1 else _alone(room)
        self.frame_bytes -= lane.frame_bytes
        taken = lane.take(turn, pieces)
        self.frame_bytes += lane.frame_bytes
        if not lane.items:
            del self._lanes[lane.channel]
        elif not self._set_aside(lane):
            self._lanes.move_to_end(lane.channel)
        return taken

    def _set_aside(self, lane: Lane) -> bool:
        """Let a lane take no turns while it needs credit and has none. Return whether it does."""
        if lane.credit != 0 or not lane.needs_credit:
            return False
        self._lanes.pop(lane.channel, None)
        if not lane.is_aside:
            lane.is_aside = True
            self._aside += 1
        return True
