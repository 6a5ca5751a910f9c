"""Bytes that a stream reads from the chip, and holds while its protocol has paused."""

from __future__ import annotations

from tessel.cc3000.errors import CommandError
from tessel.cc3000.sockets import Sockets
from tessel.radio.cc3000.socket_context import TransferSizes


class Incoming:
    """Reads the bytes of one socket of the chip, and holds them while the protocol has paused."""

    def __init__(self, sd: int, sockets: Sockets, sizes: TransferSizes) -> None:
        self._sd = sd
        self._sockets = sockets
        self._limit = sizes.largest_read
        self._reads = sizes.reads
        self.unread = b""
        self.paused = False

    async def read(self) -> bytes:
        """Return the bytes of one read, and of the reads after it as long as each was full.

        A full read is followed by another without asking the chip whether there is more. Returns
        b"" if there is nothing. Raises CommandError at the end, ChipError.
        """
        limit = self._limit
        data = await self._sockets.receive(self._sd, limit)
        if len(data) < limit or self._reads == 1:
            return data
        pieces = [data]
        while len(data) == limit and len(pieces) < self._reads:
            try:
                data = await self._sockets.receive(self._sd, limit)
            except CommandError:
                break  # the end: the next read gets the same answer
            pieces.append(data)
        return b"".join(pieces)

    def take(self) -> bytes:
        """Remove and return the bytes that were read and held."""
        data, self.unread = self.unread, b""
        return data
