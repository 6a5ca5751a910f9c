"""A UDP port of the chip as a Twisted transport."""

from __future__ import annotations

import errno
from collections import deque

from twisted.internet.abstract import isIPAddress
from twisted.internet.defer import Deferred
from twisted.internet.error import InvalidAddressError, MessageLengthError
from twisted.internet.interfaces import IUDPTransport
from twisted.internet.protocol import DatagramProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from tessel.cc3000.errors import CommandError
from tessel.cc3000.hci.fields import SocketAddress
from tessel.cc3000.sockets import LARGEST_DATAGRAM
from tessel.radio.cc3000.chip_port import BoundSocket, ChipPort, PortOwner
from tessel.radio.cc3000.socket_context import SocketContext
from tessel.radio.interface import ILosablePort

DATAGRAMS_HELD = 64
"""Datagrams of one port that wait for the chip. One more is refused with ENOBUFS, so that a program
that writes faster than the chip sends notices it."""

_log = Logger(namespace="tessel.radio")


@implementer(ILosablePort, IUDPTransport)
class DatagramPort(ChipPort):
    """A UDP port of the chip, and the transport of its Twisted protocol (`IUDPTransport`)."""

    def __init__(
        self,
        bound: BoundSocket,
        context: SocketContext,
        owner: PortOwner,
        *,
        protocol: DatagramProtocol,
    ) -> None:
        super().__init__(bound, context, owner)
        self._protocol = protocol
        self._buffers = context.buffers
        self._peer: tuple[str, int] | None = None
        self._outgoing: deque[tuple[bytes, str, int]] = deque()

    # IUDPTransport.

    def write(self, packet: bytes, addr: tuple[str, int] | None = None) -> None:
        """Queue a datagram for `addr`; without it, for the address given to `connect`.

        Raises ValueError without a receiver, InvalidAddressError for a name, MessageLengthError if
        it is longer than LARGEST_DATAGRAM, OSError (ENOBUFS) if DATAGRAMS_HELD datagrams wait
        already.
        """
        to = addr or self._peer
        if to is None:
            raise ValueError("a datagram without a receiver: give an address, or connect first")
        if not isIPAddress(to[0]):
            raise InvalidAddressError(to[0], "not an IPv4 address")
        if len(packet) > LARGEST_DATAGRAM:
            raise MessageLengthError(
                f"a datagram of {len(packet)} bytes; the chip sends at most {LARGEST_DATAGRAM}"
            )
        if len(self._outgoing) >= DATAGRAMS_HELD:
            raise OSError(errno.ENOBUFS, f"{DATAGRAMS_HELD} datagrams already wait for the chip")
        if self.is_open:
            self._outgoing.append((packet, *to))
            self._poll.wake()

    def connect(self, host: str, port: int) -> None:
        """Set the only peer of the port: datagrams from other addresses are ignored.

        Raises RuntimeError at the second call.
        """
        if self._peer is not None:
            raise RuntimeError("already connected")
        self._peer = (host, port)

    def stopListening(self) -> Deferred[None]:
        return self.stop()

    def setBroadcastAllowed(self, enabled: bool) -> None:
        """Do nothing: the chip always allows broadcasts."""

    def getBroadcastAllowed(self) -> bool:
        """Return True: the chip always allows broadcasts."""
        return True

    # For the poll.

    @property
    def reads(self) -> bool:
        return not self.stopping

    @property
    def sends(self) -> bool:
        return bool(self._outgoing) or self.stopping

    async def send_some(self) -> bool:
        if self._outgoing:
            if not self._buffers.has_room():
                return False
            packet, host, port = self._outgoing.popleft()
            try:
                await self._sockets.send_to(self.sd, packet, host, port)
            except CommandError as fault:
                _log.debug("a datagram to {host} is lost: {fault}", host=host, fault=fault)
            return True
        return await super().send_some()

    async def read_some(self) -> bool:
        try:
            arrived = await self._sockets.receive_from(self.sd, LARGEST_DATAGRAM)
        except CommandError as fault:
            self.dead(fault)
            return False
        if arrived is not None and self.is_open:
            self._deliver(*arrived)
        return arrived is not None

    def _deliver(self, data: bytes, sender: SocketAddress) -> None:
        if self._peer is not None and self._peer != (sender.host, sender.port):
            return
        try:
            self._protocol.datagramReceived(data, (sender.host, sender.port))
        except Exception:  # noqa: BLE001 - as Twisted's reactors: the port goes on
            _log.failure("the program failed with a datagram", Failure())

    def gone(self) -> None:
        self._outgoing.clear()
        super().gone()
        self._protocol.doStop()
