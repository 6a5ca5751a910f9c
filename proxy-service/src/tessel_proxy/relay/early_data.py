"""What a device sends before its target stands, kept until it does.

An original device sends its first request's data before it says where to, so what is kept cannot
simply be left with the tunnel: the request waits behind it.
"""

from __future__ import annotations

from typing import Final

from streamplex.messages import BytesLike

PAUSE_BYTES = 64 * 1024
"""Kept for one substream whose target is on its way before its device is paused: a full frame."""

TUNNEL_BYTES = 1024 * 1024
"""Kept for all substreams of a tunnel together: no device of this kind has the memory for more."""

_NOTHING: Final = bytearray()
"""One for all, and nobody's to add to: most substreams keep something for a moment or never."""


class Allowance:
    """What a tunnel may still keep."""

    def __init__(self, nbytes: int = TUNNEL_BYTES) -> None:
        self._left = nbytes

    def take(self, nbytes: int) -> bool:
        """Take so much of it, if there is as much."""
        if nbytes > self._left:
            return False
        self._left -= nbytes
        return True

    def give_back(self, nbytes: int) -> None:
        self._left += nbytes


class EarlyData:
    """One substream's data, and whether its end has come too."""

    __slots__ = ("_allowance", "_data", "ended")

    def __init__(self, allowance: Allowance) -> None:
        self._allowance = allowance
        self._data = _NOTHING  # a bytearray while there is something
        self.ended = False

    def add(self, data: BytesLike) -> bool:
        """Keep it, unless the tunnel keeps too much already."""
        if not self._allowance.take(len(data)):
            return False
        if not self._data:
            self._data = bytearray()  # one piece, however many it comes in
        self._data += data
        return True

    @property
    def is_much(self) -> bool:
        return len(self._data) >= PAUSE_BYTES

    def hand_over(self) -> bytes:
        """All that was kept. Nothing is kept after."""
        data = bytes(self._data)
        self._data = _NOTHING
        self._allowance.give_back(len(data))
        return data
