"""Writes to a TCP or UNIX socket at once, as long as the system has room.

Twisted would join the pieces, and wait for the reactor's next turn to send them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol as Shape

from twisted.internet.tcp import Connection


class Writable(Shape):
    """A transport that can be written to."""

    def write(self, data: bytes) -> None: ...


def write_now(transport: Writable, pieces: Sequence[bytes]) -> None:
    """Write pieces in order; the transport queues what the system has no room for.

    Errors are left to the transport, which meets them again in its next turn: `connectionLost` must
    not be called inside a write. A transport other than TCP's gets an ordinary `write`.
    """
    sent = 0
    if isinstance(transport, Connection) and not _has_queued(transport):
        try:
            sent = transport.getHandle().sendmsg(pieces)
        except OSError:
            sent = 0
    rest = b"".join(_behind(sent, pieces))
    if rest:
        transport.write(rest)


def _has_queued(transport: Connection) -> bool:
    unsent = len(transport.dataBuffer) - transport.offset
    return bool(unsent or transport._tempDataBuffer or transport.disconnecting)  # noqa: SLF001 - Twisted has no other


def _behind(sent: int, pieces: Sequence[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        if sent < len(piece):
            yield piece[sent:]
        sent = max(sent - len(piece), 0)
