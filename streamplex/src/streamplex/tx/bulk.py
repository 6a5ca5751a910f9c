"""Faster reads and writes on Twisted's TCP connections, with a short queue in the kernel.

Twisted reads 64 KiB at a time. It queues written bytes until the reactor reports that there is
room, which takes a turn of the reactor and two calls of epoll_ctl for each piece, although most of
the time there is room. The functions here read 256 KiB at a time and write at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from errno import EAGAIN, ENOBUFS, EPIPE
from socket import IPPROTO_TCP, TCP_NOTSENT_LOWAT
from types import MethodType
from typing import Protocol as Interface
from typing import cast

from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IPushProducer
from twisted.internet.main import CONNECTION_DONE, CONNECTION_LOST
from twisted.internet.tcp import Connection

from streamplex.spaced import spaces
from streamplex.tx.tcp import tcp_below

READ_BYTES = 4 * 65531
"""Bytes to read at once: four frames share the cost of a turn of the reactor. Bulk data is cut into
frames of 65,536 bytes, headers included, and each fills exactly four TLS records."""


SEALED_READ_BYTES = 4 * (65536 + 4 * 22)
"""Bytes to read of a tunnel at once: the same frames as TLS 1.3 sends them, with 22 bytes more for
each record. A read that cuts no frame saves the copy of one."""


UNSENT_BYTES = 64 * 1024
"""Unsent bytes that the kernel may queue: one batch of a tunnel. Nothing can overtake queued bytes,
and without this limit the kernel queues megabytes."""


TELLS_NOTHING = (EAGAIN, ENOBUFS, EPIPE)
"""Errors of a write after which a read still finds the cause: no room, or a known end."""


MAX_PIECES = 16
"""More pieces are joined: small ones cost more than a copy, and the kernel takes 1,024 at most."""


class Writable(Interface):
    """A transport that can be written to."""

    def write(self, data: bytes) -> None: ...


shared_buffer = memoryview(bytearray(SEALED_READ_BYTES))
"""Holds what was read last, of any connection: one buffer stays in the processor's cache."""

room_for_data = spaces(shared_buffer[: 4 * 65536])
"""The parts of `shared_buffer` for READ_BYTES of data that is read as SpacedData."""


def read_views_in_bulk(transport: object) -> None:
    """Let a TCP transport read SEALED_READ_BYTES at once and pass views of them to its protocol.

    Transports that do not read as Twisted's are not changed. A view is valid only for the time of
    the call.
    """
    if isinstance(transport, Connection) and type(transport).doRead is Connection.doRead:
        transport.bufferSize = SEALED_READ_BYTES
        # A method: a `partial` with its arguments would take 200 bytes more of each tunnel.
        transport.doRead = MethodType(_read_for_protocol, transport)  # type: ignore[method-assign]


def _read_for_protocol(transport: Connection) -> ConnectionLost | ConnectionDone | None:
    return read_view(transport, transport.protocol.dataReceived)  # type: ignore[arg-type]  # views


def read_view(
    transport: Connection, hand_on: Callable[[memoryview], None]
) -> ConnectionLost | ConnectionDone | None:
    """Read up to `bufferSize` bytes and pass a view of them to `hand_on`. Replaces `doRead`.

    `bufferSize` is at most SEALED_READ_BYTES. Returns None, or the reason why the connection ended.
    All transports share one buffer, which stays in the processor's cache, so the view is valid only
    for the time of the call.
    """
    try:
        nbytes = transport.socket.recv_into(shared_buffer, transport.bufferSize)
    except BlockingIOError:
        return None
    except OSError:
        return CONNECTION_LOST
    if not nbytes:
        return CONNECTION_DONE
    hand_on(shared_buffer[:nbytes])
    return None


def keep_queue_short(transport: object) -> None:
    """Limit the unsent bytes that the kernel queues for a transport to UNSENT_BYTES.

    Urgent bytes cannot overtake bytes in the kernel's queue. Does nothing if the transport is not
    TCP or over TCP.
    """
    connection = tcp_below(transport)
    if connection is not None:
        connection.getHandle().setsockopt(IPPROTO_TCP, TCP_NOTSENT_LOWAT, UNSENT_BYTES)


def write_at_once(transport: Writable, data: memoryview) -> None:
    """Write `data` to the kernel now.

    The transport queues the bytes that the kernel has no room for. In that case the transport's
    producer is paused at once, because nothing can overtake queued bytes. The order is kept, also
    with the transport's own `write`. Queued bytes are a copy: the bytes of the view may change
    after the call. A transport other than TCP gets an ordinary `write`.
    """
    if not isinstance(transport, Connection) or not _takes_more(transport):
        transport.write(bytes(data))
        return
    # The transport meets any error again in its next turn: connectionLost must not be called
    # inside a write.
    sent = 0
    try:
        sent = transport.socket.send(data)
    except OSError as why:
        if why.errno not in TELLS_NOTHING:
            _read_no_end(transport)
    if sent < len(data):
        transport.write(bytes(data[sent:]))
        _pause_producer(transport)


def _read_no_end(transport: Connection) -> None:
    """Report a later end of the connection as a loss.

    The system reports each error once. After a reset that a write has reported, a read finds the
    end of the data, as if the peer had ended in order.
    """
    read = transport.doRead

    def read_until_lost() -> ConnectionLost | ConnectionDone | None:
        why = read()
        return CONNECTION_LOST if why is CONNECTION_DONE else why

    transport.doRead = read_until_lost  # type: ignore[method-assign]


def behind(sent: int, pieces: Sequence[bytes | memoryview]) -> Iterator[bytes | memoryview]:
    """Yield what is left of `pieces` when their first `sent` bytes are sent."""
    for piece in pieces:
        yield piece[sent:]
        sent = max(sent - len(piece), 0)


def _takes_more(transport: Connection) -> bool:
    """Return whether bytes can go to the kernel now, since none wait and nothing is closing.

    Twisted has no public name for that (test_bulk.py checks the private ones). A second queue
    in this module would have to be kept in order with Twisted's.
    """
    return bool(
        transport.connected
        and not transport._tempDataLen  # noqa: SLF001 -- as above, and below
        and len(transport.dataBuffer) == transport.offset
        and not transport._writeDisconnecting  # noqa: SLF001
        and not transport._writeDisconnected  # noqa: SLF001
        and not transport._aborting  # noqa: SLF001
    )


def _pause_producer(transport: Connection) -> None:
    """Pause the producer, as Twisted does above its limit. Twisted resumes it when all has left."""
    producer = transport.producer
    if producer is not None and transport.streamingProducer and not transport.producerPaused:
        transport.producerPaused = True
        cast("IPushProducer", producer).pauseProducing()
