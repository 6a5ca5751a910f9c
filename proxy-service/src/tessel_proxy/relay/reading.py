"""How much of a target is read at once; pure.

Much, so that bulk is cheap. But while much is read, encrypted and sent, whatever is typed beside it
waits, several times on its way there and back. So one small piece from a device on any substream
has the next reads of all targets of its tunnel be short.
"""

from __future__ import annotations

from streamplex.credit import is_message
from streamplex.messages import DATA_HEADER_BYTES
from streamplex.tx.bulk import READ_BYTES

SHORT_READ_BYTES = 2 * 16 * 1024 - DATA_HEADER_BYTES
"""What is read while somebody types: a frame that fills two TLS records."""

SHORT_READS = 32
"""So many of them follow a small piece: some milliseconds of bulk on a fast network, so that who
exchanges small messages waits for no long one, and who types does not slow bulk down."""


class Reading:
    """The reads of one tunnel's targets."""

    __slots__ = ("_short",)

    def __init__(self) -> None:
        self._short = 0  # reads that are still to be so

    def came(self, nbytes: int, before: int) -> None:
        """So much came at once from the device, and so much before it.

        What targets send tells nothing: of bulk, too, a read may find little.
        """
        if is_message(nbytes, before):
            self._short = SHORT_READS

    def next_bytes(self) -> int:
        """What is to be read of a target next."""
        if not self._short:
            return READ_BYTES
        self._short -= 1
        return SHORT_READ_BYTES
