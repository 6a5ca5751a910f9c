"""A TCP port of the chip that accepts connections."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from tessel.cc3000.errors import CommandError
from tessel.cc3000.hci.fields import SocketAddress
from tessel.radio.cc3000.chip_port import BoundSocket, ChipPort, PortOwner
from tessel.radio.cc3000.poll import POLL_S
from tessel.radio.cc3000.socket_context import SocketContext
from tessel.radio.cc3000.stream import ChipStream
from tessel.radio.interface import ILosablePort

_log = Logger(namespace="tessel.radio")


@implementer(ILosablePort)
class ListeningPort(ChipPort):
    """A TCP port of the chip that accepts connections.

    It asks the chip for a new connection every 10 ms, as the Tessel's firmware did.
    """

    def __init__(
        self,
        bound: BoundSocket,
        context: SocketContext,
        owner: PortOwner,
        *,
        accepted: Callable[[int, SocketAddress], ChipStream],
        factory: Callable[[], IProtocol],
    ) -> None:
        """`accepted` makes a stream of a new socket and its peer; `factory` makes its protocol."""
        super().__init__(bound, context, owner)
        self._clock = context.clock
        self._next_look = 0.0
        self._accepted = accepted
        self._factory = factory

    @property
    def looks(self) -> bool:
        return not self.stopping

    async def read_some(self) -> bool:
        if self._clock.seconds() < self._next_look:
            return False  # busy streams make rounds more often than every 10 ms
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
        except Exception:  # noqa: BLE001 - as Twisted's reactors: the port goes on listening
            _log.failure("the program failed with an accepted connection", Failure())
            stream.decline()
        return True
