"""The queue of one substream: frames and payload in the order of their writing. No I/O."""

from __future__ import annotations

from collections import deque
from itertools import takewhile
from typing import TypeAlias, TypeGuard

from streamplex.messages import DATA, DATA_HEADER_BYTES, BytesLike, data_header

FRAME_BYTES = 4 * 16 * 1024 - DATA_HEADER_BYTES
"""Payload of a frame while no other substream waits: with its headers it fills four TLS records.
The largest possible frame would need a fifth record for one byte."""

SMALL_BYTES = 4096
"""Pieces of at most this size that wait, to be sent or for a paused consumer, are joined with the
pieces that follow: otherwise each byte read from a socket would keep a page of memory. Larger
pieces are not worth a copy."""

Pieces: TypeAlias = list[BytesLike | bytearray]
"""Bytes to send, in order. Headers and payloads are separate pieces, to be joined once."""

_Item: TypeAlias = tuple[bytes] | BytesLike | bytearray
"""A tuple is a whole frame. All other items of a lane are payload, to be cut into frames."""


def _is_small_payload(item: _Item | None) -> TypeGuard[bytes | bytearray]:
    """Return whether later payload may be joined to it. A view is the rest of a piece in use."""
    return isinstance(item, bytes | bytearray) and len(item) <= SMALL_BYTES


class Lane:
    """The queued frames and payload of one substream, and its credit.

    `credit` is the number of bytes of payload that may be sent now; None: no limit. `nbytes` is the
    number of queued bytes, `frame_bytes` how many of them are in whole frames. `is_aside` is True
    while the lane takes no turns, because it waits for credit. The Scheduler changes them; while it
    has what is queued in its own list, the lane's `items` are empty.
    """

    __slots__ = ("channel", "credit", "frame_bytes", "is_aside", "items", "nbytes")

    def __init__(self, channel: int, credit: int | None) -> None:
        self.channel = channel
        self.credit = credit
        # An empty deque would be the largest part of an idle substream.
        self.items: deque[_Item] | tuple[()] = ()
        self.nbytes = 0
        self.frame_bytes = 0
        self.is_aside = False

    def append_frame(self, frame: bytes) -> None:
        """Queue a whole frame behind everything else."""
        nbytes = len(frame)
        self._append((frame,))
        self.nbytes += nbytes
        self.frame_bytes += nbytes

    def append_payload(self, payload: BytesLike | bytearray) -> None:
        """Queue payload behind everything else. Small pieces are joined."""
        self.nbytes += len(payload)
        last = self.items[-1] if self.items else None
        if len(payload) > SMALL_BYTES or not _is_small_payload(last):
            self._append(payload)
        elif isinstance(last, bytearray):
            last += payload
        else:
            assert isinstance(self.items, deque)  # noqa: S101 -- it has a last item
            self.items[-1] = bytearray(last + payload)

    def _append(self, item: _Item) -> None:
        if isinstance(self.items, tuple):
            self.items = deque()
        self.items.append(item)

    def keep(self) -> None:
        """Copy queued memoryviews into bytes, so that their buffer may be reused."""
        if self.items:
            self.items = deque(
                bytes(item) if isinstance(item, memoryview) else item for item in self.items
            )

    def put_back(self, frames: list[bytes]) -> None:
        """Queue frames that were already made, data among them, in a lane without items."""
        self.nbytes = self.frame_bytes = 0
        for frame in frames:
            if frame[DATA_HEADER_BYTES - 1] == DATA:
                payload = frame[DATA_HEADER_BYTES:]
                self.append_payload(payload)
                if self.credit is not None:
                    self.credit += len(payload)
            else:
                self.append_frame(frame)

    def replace_payload(self, frame: bytes) -> None:
        """Drop the payload; `frame` takes the place of the first of it. Other frames stay."""
        items = list(self.items)
        frames = [item for item in items if isinstance(item, tuple)]
        before = sum(1 for _ in takewhile(lambda item: isinstance(item, tuple), items))
        self.items = deque([*frames[:before], (frame,), *frames[before:]])
        self.frame_bytes += len(frame)
        self.nbytes = self.frame_bytes

    def drop_payload(self) -> None:
        """Drop the payload. Frames stay."""
        self.items = deque(item for item in self.items if isinstance(item, tuple)) or ()
        self.nbytes = self.frame_bytes

    @property
    def needs_credit(self) -> bool:
        """Whether the next item is payload."""
        return not isinstance(self.items[0], tuple) if self.items else False

    def take(self, turn_bytes: int, into: Pieces) -> int:
        """Move about `turn_bytes` into `into`, framed, and no more payload than there is credit.

        Returns the number of bytes taken.
        """
        taken = 0
        while self.items and taken < turn_bytes:
            first = self.items[0]
            if isinstance(first, tuple):
                (frame,) = first
                self._drop_first()
                into.append(frame)
                taken += len(frame)
                self.frame_bytes -= len(frame)
            elif self.credit is None:
                taken += self._take_payload(turn_bytes - taken, into)
            elif self.credit:
                payload = self._take_payload(min(turn_bytes - taken, self.credit), into)
                self.credit -= payload
                taken += payload
            else:
                break
        self.nbytes -= taken
        return taken

    def _drop_first(self) -> None:
        assert isinstance(self.items, deque)  # noqa: S101 -- it has a first item
        self.items.popleft()
        if not self.items:
            self.items = ()

    def _take_payload(self, turn_bytes: int, into: Pieces) -> int:
        """Make one data frame of the payload in front: small writes share a frame."""
        room = limit = min(turn_bytes, FRAME_BYTES)
        header_at = len(into)
        into.append(b"")
        while room and self.items:
            item = self.items[0]
            if isinstance(item, tuple):
                break
            if len(item) > room:
                view = memoryview(item)
                assert isinstance(self.items, deque)  # noqa: S101 -- it has a first item
                self.items[0], item = view[room:], view[:room]
            else:
                self._drop_first()
            into.append(item)
            room -= len(item)
        into[header_at] = data_header(self.channel, limit - room)
        return limit - room
