"""The flow control of one socket on the channel: how much may be under way in each direction."""

from __future__ import annotations

from typing import Final

from tessel.javascript.frames import FrameError

WINDOW_BYTES: Final = 128 * 1024
"""Bytes of one direction of a socket that may wait on the channel and in the other process. With
the 64 KiB that a transport may have read, a stalled program holds less than 256 KiB per socket."""

CREDIT_STEP_BYTES: Final = 32 * 1024
"""Credit is returned in steps of this size: one small frame for two reads of a socket."""


class Window:
    """Counts the bytes that may still be sent, and keeps those that may not."""

    def __init__(self) -> None:
        self._left = WINDOW_BYTES
        self._waiting: list[bytes] = []

    @property
    def full(self) -> bool:
        """True while bytes wait for credit."""
        return bool(self._waiting)

    def take(self, data: bytes) -> bytes:
        """Return the bytes that may be sent now; the rest waits for `credited`."""
        if self._waiting:
            self._waiting.append(data)
            return b""
        allowed = data[: self._left]
        if len(allowed) < len(data):
            self._waiting.append(data[len(allowed) :])
        self._left -= len(allowed)
        return allowed

    def credited(self, nbytes: int) -> bytes:
        """Add credit; return the bytes that waited and may be sent now.

        Raises:
            FrameError: it is credit for more bytes than were sent.

        """
        if self._left + nbytes > WINDOW_BYTES:
            sent = WINDOW_BYTES - self._left
            raise FrameError(f"a credit for {nbytes} bytes of a socket; allowed: up to {sent}")
        self._left += nbytes
        waiting, self._waiting = b"".join(self._waiting), []
        return self.take(waiting) if waiting else b""


class Received:
    """Counts the bytes that came, and says when to return credit for those that were consumed."""

    def __init__(self) -> None:
        self._left = WINDOW_BYTES  # that may still come without further credit
        self._owed = 0

    def came(self, nbytes: int) -> None:
        """Count bytes that came; raises FrameError if there was no credit for them."""
        if nbytes > self._left:
            raise FrameError(f"{nbytes} bytes of a socket with credit for {self._left}")
        self._left -= nbytes

    def owe(self, nbytes: int) -> None:
        """Count bytes for which `consumed` will return the credit later."""
        self._owed += nbytes

    def consumed(self, nbytes: int, *, all_of_it: bool = False) -> int:
        """Count consumed bytes; return the credit to send now, 0 if it is too little yet.

        `all_of_it`: return all that is owed, because the other side may be waiting for it.
        """
        self._owed += nbytes
        if not all_of_it and self._owed < CREDIT_STEP_BYTES:
            return 0
        owed, self._owed = self._owed, 0
        self._left += owed
        return owed
