"""The base of the chip's two kinds of port: `ListeningPort` and `DatagramPort`."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger

from tessel.cc3000.errors import CommandError
from tessel.radio.cc3000.socket_context import SocketContext
from tessel.radio.interface import RadioError

_log = Logger(namespace="tessel.radio")


class PortOwner(Protocol):
    """The methods that a port calls on the object that opened it."""

    def port_left(self, port: ChipPort) -> None:
        """Called when the port is closed and will not be opened again."""

    def port_dead(self, port: ChipPort) -> None:
        """Called when the chip has closed the port's socket, so that the port needs another one."""


class _State(Enum):
    """OPEN -> SUSPENDED -> OPEN, as sockets of the chip are lost and opened again.

    OPEN -> CLOSING -> CLOSED when the program stops the port; any state -> CLOSED at once when the
    port is cut.
    """

    OPEN = auto()
    SUSPENDED = auto()  # the chip's socket is lost; the port waits for another
    CLOSING = auto()  # the chip has been asked to close the socket
    CLOSED = auto()


@dataclass(frozen=True, slots=True)
class BoundSocket:
    """A socket of the chip that is bound to a port: `sd` is its number.

    `open_again` opens another socket at the same port and returns its number.
    """

    sd: int
    address: IPv4Address
    open_again: Callable[[], Coroutine[Deferred[object], object, int]]


class ChipPort:
    """A port on a socket of the chip, until the program stops the port.

    The port can outlive its socket: when the network is lost, the port is suspended, and it resumes
    with another socket when there is a network again.
    """

    shares = False

    def __init__(self, bound: BoundSocket, context: SocketContext, owner: PortOwner) -> None:
        """Take over an open socket."""
        self.sd = bound.sd
        self.open_again = bound.open_again
        self._address = bound.address
        self._sockets = context.sockets
        self._poll = context.poll
        self._owner = owner
        self._state = _State.OPEN
        self._stopping: Deferred[None] | None = None
        self._loss_watchers: list[Callable[[RadioError], None]] = []

    # IRadioPort, ILosablePort.

    def getHost(self) -> IPv4Address:
        return self._address

    def stop(self) -> Deferred[None]:
        if not self.is_open:
            return succeed(None)
        if self._state is _State.SUSPENDED:
            self.cut()
            return succeed(None)
        if self._stopping is None:
            self._stopping = Deferred()
            self._poll.wake()
        stopped: Deferred[None] = Deferred()
        self._stopping.addCallback(lambda _: stopped.callback(None))
        return stopped

    def watch_loss(self, lost: Callable[[RadioError], None]) -> None:
        self._loss_watchers.append(lost)

    # For the poll.

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
        """Close the socket if the program has stopped the port; return whether it did."""
        if not self.stopping:
            return False
        await self._close()
        return True

    async def read_some(self) -> bool:
        raise NotImplementedError

    # For the owner.

    @property
    def is_open(self) -> bool:
        """True until the port is being closed; also True while the port is suspended."""
        return self._state in (_State.OPEN, _State.SUSPENDED)

    @property
    def stopping(self) -> bool:
        """True from the call of `stop` until the socket is closed."""
        return self._stopping is not None

    def suspend(self) -> None:
        """Called when the chip has lost the port's socket: wait for another one.

        A port that is being stopped is closed instead.
        """
        self._poll.remove(self)
        if self._state is _State.OPEN:
            self._state = _State.SUSPENDED
        if self.stopping:
            self.cut()

    def resume(self, sd: int) -> None:
        """Continue a suspended port with the socket number `sd`."""
        self.sd = sd
        self._state = _State.OPEN

    def lost(self, fault: RadioError) -> None:
        """Report `fault` to the watchers: the port could not be opened again."""
        watchers, self._loss_watchers = self._loss_watchers, []
        for watcher in watchers:
            watcher(fault)

    def cut(self) -> None:
        """Close the port at once, without a command to the chip."""
        self._leave()

    # For the kinds of port.

    def dead(self, fault: CommandError) -> None:
        """Report to the owner that the port's socket was closed, but not by the program.

        The chip, its timer or the network has closed it. `fault` is logged.
        """
        if self._state is _State.OPEN:
            _log.warn(
                "the socket of port {port} was closed: {fault}",
                port=self._address.port,
                fault=fault,
            )
            self._owner.port_dead(self)

    async def _close(self) -> None:
        self._state = _State.CLOSING
        try:
            await self._sockets.close(self.sd)
        except CommandError as fault:
            _log.debug("port {port}: {fault}", port=self._address.port, fault=fault)
        self._leave()

    def _leave(self) -> None:
        """Only once: the network may be lost while the chip is asked to close the socket."""
        if self._state is not _State.CLOSED:
            self._state = _State.CLOSED
            self.gone()

    def gone(self) -> None:
        """Clean up after the port is closed. Subclasses extend this method."""
        self._poll.remove(self)
        self._owner.port_left(self)
        stopping, self._stopping = self._stopping, None
        if stopping is not None:
            stopping.callback(None)
