"""Reads of a TCP connection that carries bulk: each no sooner than there is enough for it.

A turn of the reactor costs much the same for 64 KiB as for 256. Who keeps up with its peer finds
little at each turn, and takes the more of them the less there is to do. So while reads bring much,
the kernel tells of a whole read only (SO_RCVLOWAT), and of an end or an error at once:

            --- a read of BULK_OCTETS ----------->
    of all that comes                     of READ_OCTETS
            <-- no such read within GATHER_S -----
"""

from __future__ import annotations

from collections.abc import Callable
from socket import SO_RCVLOWAT, SOL_SOCKET

from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.tcp import Connection

from streamplex.tx.bulk import READ_OCTETS, read_view

BULK_OCTETS = READ_OCTETS * 3 // 4
"""A read that brings so much is one of bulk. More than a substream may send at a time while small
messages come beside it (`credit.SPARING_OCTETS`), so that they wait for nothing to be gathered."""

GATHER_S = 0.001
"""The last of a transfer waits so long, or twice, and so does who types when bulk begins to be
slower than 200 MB/s: it is less than a network's round trip, and as fine as the reactor's clock."""


class Reads:
    """Those of one connection. `hand_on` is given views, as by `read_view`."""

    __slots__ = ("_clock", "_hand_on", "_look", "_much_came", "_transport")

    def __init__(
        self, transport: Connection, hand_on: Callable[[memoryview], None], clock: IReactorTime
    ) -> None:
        self._transport = transport
        self._hand_on = hand_on
        self._clock = clock
        self._much_came = False  # since the last look
        self._look: IDelayedCall | None = None  # while they are gathered
        transport.bufferSize = READ_OCTETS
        transport.doRead = self._read  # type: ignore[method-assign]

    def _read(self) -> ConnectionLost | ConnectionDone | None:
        return read_view(self._transport, self._came)

    def _came(self, octets: memoryview) -> None:
        if len(octets) >= BULK_OCTETS:
            self._much_came = True
            if self._look is None:
                self._tell_of(READ_OCTETS)
                self._look_later()
        self._hand_on(octets)

    def _look_later(self) -> None:
        self._look = self._clock.callLater(GATHER_S, self._gather_on)

    def _gather_on(self) -> None:
        if self._much_came:
            self._much_came = False
            self._look_later()
        else:
            self._look = None
            self._tell_of(1)

    def _tell_of(self, octets: int) -> None:
        self._transport.getHandle().setsockopt(SOL_SOCKET, SO_RCVLOWAT, octets)

    def stop(self) -> None:
        """The connection is gone."""
        if self._look is not None and self._look.active():
            self._look.cancel()
