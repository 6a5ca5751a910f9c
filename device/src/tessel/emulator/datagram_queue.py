"""The UDP port of this machine behind a socket of the chip."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from twisted.internet.error import MessageLengthError
from twisted.internet.interfaces import IUDPTransport
from twisted.internet.protocol import DatagramProtocol
from twisted.logger import Logger

from tessel.cc3000.hci.fields import SocketAddress

_log = Logger()


class DatagramQueue(DatagramProtocol):
    """Holds received datagrams that the chip has not read, and sends datagrams.

    New datagrams are dropped while the queue is full.
    """

    transport: IUDPTransport

    def __init__(self, held: int, changed: Callable[[], None]) -> None:
        """Hold at most `held` datagrams. `changed` is called after each new one."""
        self._held = held
        self._changed = changed
        self.arrived: deque[tuple[bytes, SocketAddress]] = deque()
        self.peer: SocketAddress | None = None  # if set, datagrams of others are dropped

    def startProtocol(self) -> None:
        self.transport.setBroadcastAllowed(enabled=True)

    def datagramReceived(self, datagram: bytes, addr: tuple[str, int]) -> None:
        self.deliver(datagram, SocketAddress(*addr))

    def deliver(self, datagram: bytes, sender: SocketAddress) -> None:
        """Add a received datagram to the queue.

        It is dropped if the queue is full, or if `peer` is set and is not the sender.
        """
        if self.peer not in (None, sender) or len(self.arrived) >= self._held:
            return
        self.arrived.append((datagram, sender))
        self._changed()

    def send(self, data: bytes, receiver: SocketAddress) -> None:
        """Send a datagram. If this machine refuses to send it, it is lost without an error."""
        try:
            self.transport.write(data, (receiver.host, receiver.port))
        except (OSError, MessageLengthError) as fault:
            _log.debug("a datagram to {to} is lost: {fault}", to=receiver.host, fault=fault)
