"""Octets -> the kernel in the same turn of the reactor, if nothing waits before them.

Twisted queues what is written until its poll says that there is room: a turn of the reactor and two
calls of epoll_ctl for each piece of a bulk transfer, and a turn's delay for each key pressed. Most
of the time there is room.
"""

from __future__ import annotations

from typing import Protocol as Interface

from twisted.internet.tcp import Connection


class Writable(Interface):
    """What every transport can do."""

    def write(self, data: bytes) -> None: ...


def write_at_once(transport: Writable, data: bytes) -> None:
    """Write; what the kernel has no room for waits in the transport, as ever.

    Whoever writes to a transport in this way need not always do so: the order is kept.
    """
    if isinstance(transport, Connection) and _is_idle(transport):
        sent = transport.writeSomeData(data)
        # Whatever is wrong, the transport finds it again in a turn of its own: nobody who writes
        # expects to be told inside the call.
        if isinstance(sent, int) and sent:
            if sent == len(data):
                return
            data = data[sent:]
    transport.write(data)


def _is_idle(transport: Connection) -> bool:
    """Does it take octets, with none in front?

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
