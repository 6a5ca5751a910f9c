"""Opens, binds and closes sockets of the chip, and waits or fails if none is free."""

from __future__ import annotations

from collections.abc import Callable, Collection, Coroutine
from random import SystemRandom

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from tessel.cc3000.errors import CommandError
from tessel.cc3000.sockets import Sockets
from tessel.radio.cc3000.command_errors import bind_error, open_error
from tessel.radio.interface import AddressInUseError, NoSocketError

FREE_PORTS = range(49_152, 65_536)
"""RFC 6335's dynamic ports. The radio chooses one itself, because the chip cannot report which
port it has chosen."""

PORT_TRIES = 16
"""Of these ports, before an open fails: those of a simulated chip may be in use on this machine."""

_log = Logger(namespace="tessel.radio")


class SocketOpener:
    """Opens and closes sockets of the chip, which has only four."""

    def __init__(self, sockets: Sockets, is_closing: Callable[[], bool]) -> None:
        """`is_closing` returns True while some socket is about to be closed."""
        self._sockets = sockets
        self._is_closing = is_closing
        self._awaiting_socket: list[Deferred[None]] = []

    async def open_stream(self) -> int:
        """Open a TCP socket and return its number.

        If no socket is free, it waits for a socket that is about to be closed. Raises NoSocketError
        if there is none, RadioError, ChipError.
        """
        while True:
            try:
                return await self._sockets.open_stream()
            except CommandError as fault:
                error = open_error(fault)
                if not isinstance(error, NoSocketError) or not self._is_closing():
                    raise error from fault
            free: Deferred[None] = Deferred()
            self._awaiting_socket.append(free)
            await free

    async def open_listening(self, port: int, backlog: int) -> int:
        """Open a TCP socket that listens on `port` and return its number.

        `backlog`: how many connections may wait to be accepted. Raises RadioError, ChipError.
        """
        sd = await self.open_stream()
        try:
            await self._sockets.bind(sd, port)
            await self._sockets.listen(sd, backlog)
        except CommandError as fault:
            await self.discard(sd)
            raise bind_error(fault) from fault
        return sd

    async def open_datagrams(self, port: int) -> int:
        """Open a UDP socket bound to `port`; return its number. Raises RadioError, ChipError."""
        try:
            sd = await self._sockets.open_datagram()
        except CommandError as fault:
            raise open_error(fault) from fault
        try:
            await self._sockets.bind(sd, port)
        except CommandError as fault:
            await self.discard(sd)
            raise bind_error(fault) from fault
        return sd

    async def discard(self, sd: int) -> None:
        """Close a socket. An error that the chip reports is only logged."""
        try:
            await self._sockets.close(sd)
        except CommandError as fault:
            _log.debug("socket {sd}: {fault}", sd=sd, fault=fault)

    async def discard_all(self, sds: Collection[int]) -> None:
        """Close several sockets one after the other. Errors of the chip are only logged."""
        for sd in sds:
            await self.discard(sd)

    def socket_free(self) -> None:
        """Called when a socket was closed: the calls that wait for a free socket try again."""
        waiting, self._awaiting_socket = self._awaiting_socket, []
        for one in waiting:
            one.callback(None)


async def open_at_port(
    port: int,
    taken: Callable[[], Collection[int]],
    open_at: Callable[[int], Coroutine[Deferred[object], object, int]],
) -> tuple[int, int]:
    """Open a socket at `port` (0: any free port) and return the socket's number and the port.

    `open_at` opens it at a given port. `taken` returns the ports that the radio uses already.
    Raises RadioError, ChipError.
    """
    tries = 1 if port else PORT_TRIES
    while True:
        number = port or _free_port(taken())
        try:
            return await open_at(number), number
        except AddressInUseError:
            tries -= 1
            if not tries:
                raise


def _free_port(taken: Collection[int]) -> int:
    while (number := SystemRandom().choice(FREE_PORTS)) in taken:
        pass
    return number
