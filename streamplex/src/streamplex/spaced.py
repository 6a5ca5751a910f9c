"""Received data that lies in a buffer as its frames will: behind room for their headers. No I/O.

So bulk data can be sent without a copy into frames.
"""

from __future__ import annotations

from streamplex.lane import FRAME_BYTES
from streamplex.messages import DATA, DATA_HEADER_BYTES, FRAME_HEADER, HEADER_BYTES

_STEP = DATA_HEADER_BYTES + FRAME_BYTES


def spaces(buffer: memoryview) -> list[memoryview]:
    """Return the parts of `buffer` for data: FRAME_BYTES each, behind room for a header."""
    return [
        buffer[at + DATA_HEADER_BYTES : at + _STEP]
        for at in range(0, len(buffer) - _STEP + 1, _STEP)
    ]


class SpacedData:
    """`nbytes` bytes of data in the `spaces` of a buffer, valid until the buffer is used again."""

    __slots__ = ("_buffer", "_nbytes")

    def __init__(self, buffer: memoryview, nbytes: int) -> None:
        self._buffer = buffer
        self._nbytes = nbytes

    def __len__(self) -> int:
        return self._nbytes

    def framed(self, channel: int) -> memoryview:
        """Write the headers of data frames of `channel`, and return a view of the frames."""
        left, at = self._nbytes, 0
        while left > 0:
            nbytes = min(left, FRAME_BYTES)
            FRAME_HEADER.pack_into(self._buffer, at, nbytes + HEADER_BYTES, channel, DATA)
            at += DATA_HEADER_BYTES + nbytes
            left -= nbytes
        return self._buffer[:at]

    def parts(self) -> list[memoryview]:
        """Return views of the data, without the room, in order."""
        whole, rest = divmod(self._nbytes, FRAME_BYTES)
        parts = spaces(self._buffer)[: whole + bool(rest)]
        if rest:
            parts[-1] = parts[-1][:rest]
        return parts
