"""Conversion between bytes and frame bodies: layer 1 of the protocol (docs/wire.md).

+----------------+---------------------+
| length: uint16 | body: length bytes |        big-endian; length counts the body alone
+----------------+---------------------+
"""

from __future__ import annotations

from struct import Struct

from streamplex.errors import LocalError, RemoteError, in_bytes

MAX_BODY_BYTES = 0xFFFF
PREFIX_BYTES = 2

_LENGTH = Struct(">H")


def encode_frame(body: bytes) -> bytes:
    """Return the frame that carries `body`. Raises LocalError if `body` is empty or too long."""
    if not 0 < len(body) <= MAX_BODY_BYTES:
        raise LocalError(f"frame body of {in_bytes(len(body))}; allowed: 1 to {MAX_BODY_BYTES}")
    return _LENGTH.pack(len(body)) + body


class FrameReader:
    """Cuts a stream that arrives in arbitrary pieces into frame bodies.

    Holds less than one frame between calls, whatever the peer sends. An empty body is returned
    like any other: the layer above reports the fault.
    """

    __slots__ = ("_missing", "_partial")

    def __init__(self) -> None:
        self._partial: bytearray | None = None  # an empty one would take 60 bytes of each tunnel
        self._missing = 0  # bytes until it is worth looking at the partial frame again

    def feed(self, data: bytes | memoryview) -> list[memoryview]:
        """Return the frame bodies that `data` completes, in order.

        The bodies are views of `data` where possible: copy those that are kept after `data`
        changes.
        """
        view = memoryview(data)
        while self._partial:
            # Collected in place and looked at only when it can be whole: a frame that comes
            # one byte at a time costs its length, not the square of it. What follows the frame
            # is not moved.
            missing, self._missing = self._missing, self._missing - len(view)
            self._partial += view[:missing]
            if self._missing > 0:
                return []
            view = view[missing:]
            partial, self._partial = self._partial, None
            if bodies := self._cut(memoryview(partial)):
                return bodies + self._cut(view)
        return self._cut(view)

    def _cut(self, view: memoryview) -> list[memoryview]:
        bodies = []
        at, stop, end = 0, PREFIX_BYTES, len(view)
        while stop <= end:
            start = stop
            stop = start + (view[at] << 8 | view[at + 1])
            if stop > end:
                break
            bodies.append(view[start:stop])
            at, stop = stop, stop + PREFIX_BYTES
        if at < end:
            self._partial = bytearray(view[at:])
            self._missing = stop - end
        return bodies

    def end(self) -> None:
        """Check that the peer's bytes end with a whole frame, when no more bytes will come.

        Raises RemoteError if the last frame is incomplete.
        """
        if self._partial:
            raise RemoteError(
                f"the stream ends inside a frame, after {in_bytes(len(self._partial))} of it"
            )
