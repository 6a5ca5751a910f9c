"""Ports of the chip: one that listens, and one for datagrams. The chip cannot tell which port it
chose, so the radio chooses.
"""

from __future__ import annotations

import errno
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Protocol

from twisted.internet.abstract import isIPAddress
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import InvalidAddressError, MessageLengthError
from twisted.internet.interfaces import IProtocol, IUDPTransport
from twisted.internet.protocol import DatagramProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from tessel.cc3000.errors import CommandError
from tessel.cc3000.hci.fields import SocketAddress
from tessel.cc3000.sockets import LARGEST_DATAGRAM
from tessel.radio.cc3000.poll import POLL_S
from tessel.radio.cc3000.socket_context import SocketContext
from tessel.radio.cc3000.stream import ChipStream
from tessel.radio.interface import ILosablePort, RadioError

DATAGRAMS_HELD = 64  # to be sent; what comes on top is refused with ENOBUFS

_log = Logger(namespace="tessel.radio")


class PortOwner(Protocol):
    def port_left(self, port: ChipPort) -> None:
        """It is no more."""

    def port_dead(self, port: ChipPort) -> None:
        """Nothing will come to its socket any more: it wants another."""


class ChipPort:
    """What both kinds have: a socket of the chip that is asked in each round until it is closed."""

    shares = False

    @property
    def reads(self) -> bool:
        return False

    @property
    def looks(self) -> bool:
        return False

    @property
    def sends(self) -> bool:
        return self.stopping

    async def send_some(self) -> bool:
        """Close, if that is what is wanted."""
        if not self.stopping:
            return False
        await self.close()
        return True

    async def read_some(self) -> bool:
        raise NotImplementedError

    def __init__(
        self,
        sd: int,
        address: IPv4Address,
        context: SocketContext,
        owner: PortOwner,
        open_again: Callable[[], Coroutine[Deferred[object], object, int]],
    ) -> None:
        """`open_again` gives it another socket."""
        self.sd = sd
        self._address = address
        self._sockets = context.sockets
        self._poll = context.poll
        self._owner = owner
        self._stopping: Deferred[None] | None = None
        self._suspended = False
        self.open_again = open_again
        self._loss_watchers: list[Callable[[RadioError], None]] = []
        self.is_open = True
        self._gone = False

    def getHost(self) -> IPv4Address:
        return self._address

    def stop(self) -> Deferred[None]:
        if not self.is_open:
            return succeed(None)
        if self._suspended:
            self.cut()
            return succeed(None)
        if self._stopping is None:
            self._stopping = Deferred()
            self._poll.wake()
        told: Deferred[None] = Deferred()
        self._stopping.addCallback(lambda _: told.callback(None))
        return told

    def watch_loss(self, lost: Callable[[RadioError], None]) -> None:
        self._loss_watchers.append(lost)

    def lost(self, fault: RadioError) -> None:
        """It could not be opened again."""
        watchers, self._loss_watchers = self._loss_watchers, []
        for watcher in watchers:
            watcher(fault)

    @property
    def stopping(self) -> bool:
        return self._stopping is not None

    async def close(self) -> None:
        """On the chip."""
        self.is_open = False
        try:
            await self._sockets.close(self.sd)
        except CommandError as fault:
            _log.debug("port {port}: {fault}", port=self._address.port, fault=fault)
        self._leave()

    def dead(self, fault: CommandError) -> None:
        """Its timer, or the network, has closed it."""
        if self.is_open and not self._suspended:
            _log.warn("port {port} is dead: {fault}", port=self._address.port, fault=fault)
            self._owner.port_dead(self)

    def suspend(self) -> None:
        """The chip's socket is no more; the port waits for another."""
        self._suspended = True
        self._poll.remove(self)
        if self.stopping:
            self.cut()

    def resume(self, sd: int) -> None:
        self.sd = sd
        self._suspended = False

    def cut(self) -> None:
        """It is no more."""
        self.is_open = False
        self._leave()

    def _leave(self) -> None:
        """Once: the network may go while the chip is asked to close."""
        if not self._gone:
            self._gone = True
            self.gone()

    def gone(self) -> None:
        self._poll.remove(self)
        self._owner.port_left(self)
        stopping, self._stopping = self._stopping, None
        if stopping is not None:
            stopping.callback(None)


@implementer(ILosablePort)
class ListeningPort(ChipPort):
    """Asks for connections every 10 ms, as the Tessel did."""

    def __init__(
        self,
        sd: int,
        address: IPv4Address,
        context: SocketContext,
        owner: PortOwner,
        open_again: Callable[[], Coroutine[Deferred[object], object, int]],
        *,
        accepted: Callable[[int, SocketAddress], ChipStream],
        factory: Callable[[], IProtocol],
    ) -> None:
        super().__init__(sd, address, context, owner, open_again)
        self._clock = context.clock
        self._next_look = 0.0
        self._accepted = accepted
        self._factory = factory

    @property
    def looks(self) -> bool:
        return not self.stopping

    async def read_some(self) -> bool:
        if self._clock.seconds() < self._next_look:
            return False  # others keep the rounds going: no need to ask in each
        self._next_look = self._clock.seconds() + POLL_S
        try:
            arrived = await self._sockets.accept(self.sd)
        except CommandError as fault:
            self.dead(fault)
            return False
        if arrived is None:
            return False
        stream = self._accepted(*arrived)
        await self._sockets.limit_reads(stream.sd)
        try:
            stream.carry(self._factory())
        except Exception:  # noqa: BLE001 - as Twisted's reactors do: the next may be dealt with
            _log.failure("an accepted connection was not dealt with", Failure())
            stream.decline()
        return True


@implementer(ILosablePort, IUDPTransport)
class DatagramPort(ChipPort):
    """Datagrams of a protocol, through the chip."""

    def __init__(
        self,
        sd: int,
        address: IPv4Address,
        context: SocketContext,
        owner: PortOwner,
        open_again: Callable[[], Coroutine[Deferred[object], object, int]],
        *,
        protocol: DatagramProtocol,
    ) -> None:
        super().__init__(sd, address, context, owner, open_again)
        self._protocol = protocol
        self._buffers = context.buffers
        self._peer: tuple[str, int] | None = None
        self._outgoing: deque[tuple[bytes, str, int]] = deque()

    # IUDPTransport.

    def write(self, packet: bytes, addr: tuple[str, int] | None = None) -> None:
        to = addr or self._peer
        if to is None:
            raise ValueError("a datagram to nobody: neither an address nor a connect")
        if not isIPAddress(to[0]):
            raise InvalidAddressError(to[0], "no IPv4 address")
        if len(packet) > LARGEST_DATAGRAM:
            raise MessageLengthError(f"{len(packet)} bytes; allowed are {LARGEST_DATAGRAM}")
        if len(self._outgoing) >= DATAGRAMS_HELD:
            raise OSError(errno.ENOBUFS, f"{DATAGRAMS_HELD} datagrams wait for the chip already")
        if self.is_open:
            self._outgoing.append((packet, *to))
            self._poll.wake()

    def connect(self, host: str, port: int) -> None:
        if self._peer is not None:
            raise RuntimeError("already connected")
        self._peer = (host, port)

    def stopListening(self) -> Deferred[None]:
        return self.stop()

    def setBroadcastAllowed(self, enabled: bool) -> None:
        """The chip always allows it."""

    def getBroadcastAllowed(self) -> bool:
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
            came = await self._sockets.receive_from(self.sd, LARGEST_DATAGRAM)
        except CommandError as fault:
            self.dead(fault)
            return False
        if came is not None and self.is_open:
            nbytes, sender = came
            self._deliver(nbytes, sender)
        return came is not None

    def _deliver(self, data: bytes, sender: SocketAddress) -> None:
        if self._peer is not None and self._peer != (sender.host, sender.port):
            return
        try:
            self._protocol.datagramReceived(data, (sender.host, sender.port))
        except Exception:  # noqa: BLE001 - as Twisted's reactors do: the next may be dealt with
            _log.failure("a datagram was not dealt with", Failure())

    def gone(self) -> None:
        self._outgoing.clear()
        super().gone()
        self._protocol.doStop()
