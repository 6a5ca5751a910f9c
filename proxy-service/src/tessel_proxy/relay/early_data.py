"""Early data: what a device sends before its target is connected, kept until it is.

An original device sends the data of its first request before it says where to connect. The tunnel
cannot hold that data back, because the connect request follows it.
"""

from __future__ import annotations

from typing import Final

from streamplex.messages import BytesLike

PAUSE_BYTES = 64 * 1024
"""Bytes kept for one substream until its device is paused while the target is opened: a frame."""

TUNNEL_BYTES = 1024 * 1024
"""Bytes kept for all substreams of a tunnel: such devices do not have the memory for more."""

_NOTHING: Final = bytearray()
"""Shared and never changed: most substreams keep no data, or only for a moment."""


class Allowance:
    """`left` is the number of bytes of early data that a tunnel's substreams may still keep."""

    __slots__ = ("left",)

    def __init__(self, nbytes: int = TUNNEL_BYTES) -> None:
        self.left = nbytes


class EarlyData:
    """The early data of one substream.

    `nbytes` is its size; `ended`: the device has ended its direction.
    """

    __slots__ = ("_allowance", "_data", "ended", "nbytes")

    def __init__(self, allowance: Allowance) -> None:
        self._allowance = allowance
        self._data = _NOTHING  # a bytearray while there is something
        self.nbytes = 0
        self.ended = False

    def add(self, data: BytesLike) -> bool:
        """Keep data; return False, and do not keep it, if the tunnel's Allowance is too small."""
        nbytes = len(data)
        if nbytes > self._allowance.left:
            return False
        self._allowance.left -= nbytes
        self.nbytes += nbytes
        if not self._data:
            self._data = bytearray()  # one buffer for all pieces
        self._data += data
        return True

    def hand_over(self) -> bytes:
        """Return all kept data, and give its bytes back to the Allowance."""
        data = bytes(self._data)
        self._data = _NOTHING
        self._allowance.left += self.nbytes
        self.nbytes = 0
        return data
