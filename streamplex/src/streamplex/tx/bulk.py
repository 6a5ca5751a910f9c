"""A TCP connection of Twisted's, driven for bulk: more at once, written without a detour, and with
a short queue.

Twisted reads 64 KiB at a time, and queues what is written until its poll says that there is room:
a turn of the reactor and two calls of epoll_ctl for each piece of a bulk transfer, and a turn's
delay for each key pressed. Most of the time there is room.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from errno import EAGAIN, ENOBUFS, EPIPE
from functools import partial
from socket import IPPROTO_TCP, TCP_NOTSENT_LOWAT
from typing import Protocol as Interface
from typing import cast

from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IPushProducer
from twisted.internet.main import CONNECTION_DONE, CONNECTION_LOST
from twisted.internet.tcp import Connection

from streamplex.tx.tcp import tcp_below

READ_BYTES = 4 * 65531
"""How much is read at once, so that the costs of a turn are paid for four frames. What a target
sends in bulk is cut into frames of 65,536 bytes, headers included, which fill four TLS records
each; with one byte more there would be a fifth."""


UNSENT_BYTES = 64 * 1024
"""What the kernel takes before it has sent what it took earlier: one batch of a tunnel's. Nothing
can overtake what it has taken; by itself it takes megabytes."""


_TELLS_NOTHING = (EAGAIN, ENOBUFS, EPIPE)
"""Errors of a write that leave what a read would find: no room, or an end that has been told."""


MAX_PIECES = 16
"""More are joined: small ones cost the kernel more than the copy, and it takes 1,024 at most."""


class Writable(Interface):
    """What every transport can do."""

    def write(self, data: bytes) -> None: ...


class HalfCloseable(Interface):
    """What a transport can do that ends in one direction alone."""

    def loseWriteConnection(self) -> None: ...


_came = memoryview(bytearray(READ_BYTES))


def read_views_in_bulk(transport: object, hand_on: Callable[[memoryview], None]) -> None:
    """Read much at once, if this is TCP, and hand it on as `read_view` does."""
    if isinstance(transport, Connection):
        transport.bufferSize = READ_BYTES
        transport.doRead = partial(read_view, transport, hand_on)  # type: ignore[method-assign]


def read_view(
    transport: Connection, hand_on: Callable[[memoryview], None]
) -> ConnectionLost | ConnectionDone | None:
    """Read at most `bufferSize` bytes, into one buffer for all transports; as doRead does.

    A view of it is handed on, valid for the time of the call. Memory that was just used is in the
    processor's cache; what is allocated for each read is not.
    """
    try:
        nbytes = transport.getHandle().recv_into(_came, min(transport.bufferSize, READ_BYTES))
    except BlockingIOError:
        return None
    except OSError:
        return CONNECTION_LOST
    if not nbytes:
        return CONNECTION_DONE
    hand_on(_came[:nbytes])
    return None


def keep_queue_short(transport: object) -> None:
    """Let bytes wait above the kernel, where others can overtake them, if this is over TCP."""
    connection = tcp_below(transport)
    if connection is not None:
        connection.getHandle().setsockopt(IPPROTO_TCP, TCP_NOTSENT_LOWAT, UNSENT_BYTES)


def write_at_once(transport: Writable, pieces: Sequence[bytes | memoryview]) -> None:
    """Write; what the kernel has no room for waits in the transport, as ever.

    Then whoever produces it is paused at once: what waits here, nothing can overtake. Whoever
    writes to a transport in this way need not always do so: the order is kept. What waits is a
    copy, the bytes of a view may change after the call.
    """
    if not isinstance(transport, Connection) or not _takes_more(transport):
        transport.write(b"".join(pieces))
        return
    if len(pieces) > MAX_PIECES:
        pieces = (b"".join(pieces),)
    # Whatever is wrong, the transport finds it again in a turn of its own: nobody who writes
    # expects to be told inside the call.
    sent = 0
    try:
        sent = transport.getHandle().sendmsg(pieces)
    except OSError as why:
        if why.errno not in _TELLS_NOTHING:
            _read_no_end(transport)
    if sent < sum(map(len, pieces)):
        transport.write(b"".join(_behind(sent, pieces)))
        _pause_producer(transport)


def _read_no_end(transport: Connection) -> None:
    """Let the loss of the connection not look like its end.

    The system tells each error once: who reads after a reset that a write was told of finds the
    end of what came, as if the peer had said all.
    """
    read = transport.doRead

    def read_until_lost() -> ConnectionLost | ConnectionDone | None:
        why = read()
        return CONNECTION_LOST if why is CONNECTION_DONE else why

    transport.doRead = read_until_lost  # type: ignore[method-assign]


def _behind(sent: int, pieces: Sequence[bytes | memoryview]) -> Iterator[bytes | memoryview]:
    for piece in pieces:
        yield piece[sent:]
        sent = max(sent - len(piece), 0)


def end_at_once(transport: HalfCloseable) -> None:
    """Half close, behind what waits; if nothing does, without a turn of the reactor for it.

    The protocol may be told inside the call that its end has left.
    """
    if not isinstance(transport, Connection) or transport.disconnecting:
        transport.loseWriteConnection()
    elif _takes_more(transport):
        transport._writeDisconnecting = True  # noqa: SLF001 -- as Twisted does when all has left
        transport._writeDisconnected = True  # noqa: SLF001
        transport._closeWriteConnection()  # noqa: SLF001
    else:
        transport.loseWriteConnection()


def _takes_more(transport: Connection) -> bool:
    """Does it take bytes, with none in front?

    No public name of Twisted's tells; with a queue of its own beside Twisted's, this module would
    have two to keep in order.
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
    """As Twisted does when more than it reads at a time waits; it resumes the producer itself."""
    producer = transport.producer
    if producer is not None and transport.streamingProducer and not transport.producerPaused:
        transport.producerPaused = True
        cast("IPushProducer", producer).pauseProducing()
