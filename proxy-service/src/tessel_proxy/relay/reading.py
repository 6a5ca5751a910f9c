"""The size of the reads from targets; pure.

Long reads make bulk data cheap. But while much data is read, encrypted and sent, a small message
beside it waits several times. So after a small piece of data from a device on any substream, the
next reads from all targets of its tunnel are short.
"""

from __future__ import annotations

from streamplex.credit import is_message
from streamplex.messages import DATA_HEADER_BYTES
from streamplex.tx.bulk import READ_BYTES

SHORT_READ_BYTES = 2 * 16 * 1024 - DATA_HEADER_BYTES
"""Bytes to read at once while small messages are exchanged: a frame that fills two TLS records."""

SHORT_READS = 32
"""Short reads after a small message: some milliseconds of bulk data on a fast network. So a small
message waits for no long read, and occasional typing does not slow bulk data down."""


class Reading:
    """Chooses the size of the reads from the targets of one tunnel: short after small messages."""

    __slots__ = ("_short",)

    def __init__(self) -> None:
        self._short = 0  # short reads left

    def came(self, nbytes: int, before: int) -> None:
        """Note the sizes in bytes of the last two pieces of data from the device on a substream.

        `nbytes` is the last, `before` the one before it. Data from targets is not considered: a
        read of bulk data may find few bytes, too.
        """
        if is_message(nbytes, before):
            self._short = SHORT_READS

    def next_bytes(self) -> int:
        """Return the maximum number of bytes for the next read from a target.

        Each call uses up one of the SHORT_READS after a small message.
        """
        if not self._short:
            return READ_BYTES
        self._short -= 1
        return SHORT_READ_BYTES
