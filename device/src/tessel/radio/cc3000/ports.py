"""The ports of the CC3000 radio: suspended while there is no network, then opened again."""

from __future__ import annotations

from collections.abc import Callable, Collection
from weakref import WeakSet

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from tessel.cc3000.errors import ChipError
from tessel.radio.cc3000.chip_port import ChipPort
from tessel.radio.cc3000.poll import Poll
from tessel.radio.cc3000.socket_opener import SocketOpener
from tessel.radio.interface import NoSocketError, RadioError

REOPEN_S = 1.0
"""Seconds until a port whose socket the chip closed is opened again, if there is a network."""

_log = Logger(namespace="tessel.radio")


class Ports:
    """Holds the open ports of a chip by their socket numbers, and the suspended ports."""

    def __init__(
        self,
        opener: SocketOpener,
        poll: Poll,
        clock: IReactorTime,
        *,
        has_network: Callable[[], bool],
        cut_stream: Callable[[int], None],
    ) -> None:
        """`cut_stream` ends the stream that still has a socket number, if one does."""
        self._opener = opener
        self._poll = poll
        self._clock = clock
        self._has_network = has_network
        self._cut_stream = cut_stream
        self._open: dict[int, ChipPort] = {}
        self._short_lived: WeakSet[ChipPort] = WeakSet()
        self._suspended: list[ChipPort] = []
        self._ended = False

    def keep(self, port: ChipPort) -> None:
        """Add an open port, and poll the chip for the data or connections that arrive at it.

        An earlier stream with the same socket number is ended; an earlier port is set aside.
        """
        self._cut_stream(port.sd)
        self.make_way(port.sd)
        self._open[port.sd] = port
        self._poll.add(port)

    def mark_short_lived(self, port: ChipPort) -> None:
        """Mark a port that soon stops by itself.

        Connections may wait for its socket, and it is not opened again in the next network.
        """
        self._short_lived.add(port)

    def make_way(self, sd: int) -> None:
        """Suspend the port with the socket number `sd`, because the chip gave this number again.

        The chip has closed the earlier socket without reporting it.
        """
        if sd in self._open:
            self._set_aside(self._open[sd])

    @property
    def sockets(self) -> Collection[int]:
        """The socket numbers of the open ports."""
        return tuple(self._open)

    @property
    def numbers(self) -> Collection[int]:
        """The TCP and UDP port numbers that are in use."""
        return {port.getHost().port for port in self._open.values()}

    @property
    def is_closing(self) -> bool:
        """True if the socket of a port will soon be free: a port is stopping or short-lived."""
        return any(port.stopping or port in self._short_lived for port in self._open.values())

    # The network goes and comes.

    def suspend(self) -> None:
        """Suspend all ports until `restore`. Call it when the chip's sockets are lost."""
        for port in list(self._open.values()):
            if port in self._short_lived:
                port.cut()
            else:
                port.suspend()
        self._suspended += self._open.values()
        self._open.clear()

    def restore(self) -> None:
        """Open the suspended ports again. Call it when there is a network again."""
        self._ended = False
        suspended, self._suspended = self._suspended, []
        Deferred.fromCoroutine(self._restore(suspended)).addErrback(ignore_lost_chip)

    def end(self) -> None:
        """Close the suspended ports. Call it when the radio is switched off."""
        self._ended = True
        self._cut_suspended()

    def _cut_suspended(self) -> None:
        suspended, self._suspended = self._suspended, []
        for port in suspended:
            port.cut()

    async def _restore(self, suspended: list[ChipPort]) -> None:
        while suspended:
            port = suspended.pop()
            if not port.is_open:
                continue
            try:
                sd = await port.open_again()
            except RadioError as fault:
                self._not_open(port, fault)
            except ChipError:
                self._suspended += [port, *suspended]
                if self._ended:
                    self._cut_suspended()
                raise
            else:
                await self._resume(port, sd)

    def _not_open(self, port: ChipPort, fault: RadioError) -> None:
        if not self._has_network() or isinstance(fault, NoSocketError):
            self._set_aside(port)
        else:
            _log.warn("port {port} is lost: {fault}", port=port.getHost().port, fault=fault)
            port.cut()
            port.lost(fault)

    async def _resume(self, port: ChipPort, sd: int) -> None:
        if port.is_open:
            port.resume(sd)
            self.keep(port)
        else:
            await self._opener.discard(sd)

    # PortOwner.

    def port_left(self, port: ChipPort) -> None:
        """Called when a port is closed: forget it, and let a waiting connection use its socket."""
        self._forget(port)
        self._opener.socket_free()

    def port_dead(self, port: ChipPort) -> None:
        """Called when the chip has closed a port's socket: open the port again after REOPEN_S."""
        self._set_aside(port)
        Deferred.fromCoroutine(self._opener.discard(port.sd)).addErrback(ignore_lost_chip)

    def _set_aside(self, port: ChipPort) -> None:
        """Suspend the port, and try to open it again after REOPEN_S."""
        self._forget(port)
        port.suspend()
        self._suspended.append(port)
        self._clock.callLater(REOPEN_S, self._reopen)

    def _reopen(self) -> None:
        if self._has_network():
            self.restore()

    def _forget(self, port: ChipPort) -> None:
        """The socket's number may be another port's by now, which stays."""
        if self._open.get(port.sd) is port:
            del self._open[port.sd]


def ignore_lost_chip(failure: Failure) -> None:
    """Log a failure of background work, unless the chip was lost. To be used as an errback.

    The driver reports a lost chip to the radio itself.
    """
    if not failure.check(ChipError):
        _log.failure("the radio failed with its ports", failure)
