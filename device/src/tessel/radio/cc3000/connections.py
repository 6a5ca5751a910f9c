"""The chip's sockets in use: who has which number, and how more are made."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial
from random import SystemRandom
from weakref import WeakSet

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.interfaces import IProtocol, IReactorTime
from twisted.internet.protocol import DatagramProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from tessel.cc3000.chip import Chip
from tessel.cc3000.errors import ChipError, CommandError
from tessel.cc3000.hci.events import CloseWait, SendFailed, Unsolicited
from tessel.cc3000.hci.fields import ANY_ADDRESS, SocketAddress
from tessel.radio.cc3000.command_errors import bind_error, open_error, radio_error
from tessel.radio.cc3000.poll import Poll
from tessel.radio.cc3000.ports import ChipPort, DatagramPort, ListeningPort
from tessel.radio.cc3000.socket_context import SocketContext, TransferSizes
from tessel.radio.cc3000.stream import ChipStream
from tessel.radio.interface import (
    AddressInUseError,
    NetworkUnreachableError,
    NoSocketError,
    RadioError,
    ResetError,
)

FREE_PORTS = range(49_152, 65_536)  # RFC 6335; the chip does not tell which it would choose
PORT_TRIES = 16  # of these; a simulated chip's may be in use on this machine

_log = Logger(namespace="tessel.radio")

REOPEN_S = 1.0  # until a port that the chip closed is opened again, if the network is there


class Connections:
    def __init__(self, chip: Chip, clock: IReactorTime, sizes: TransferSizes) -> None:
        self.poll = Poll(chip.driver, chip.sockets, clock)
        self.blocking = DeferredLock()  # held by a command that keeps the chip from all else
        self.opened = 0
        self._chip = chip
        self._sockets = chip.sockets
        self._clock = clock
        self._workings = SocketContext(chip.sockets, chip.driver.buffers, self.poll, clock, sizes)
        self._streams: dict[int, ChipStream] = {}
        self._ports: dict[int, ChipPort] = {}
        self._passing: WeakSet[ChipPort] = WeakSet()
        self._suspended: list[ChipPort] = []
        self._ended = False
        self._awaiting_socket: list[Deferred[None]] = []
        chip.driver.watch(self._told)

    async def dial(self, address: str, port: int, given_up: Callable[[], bool]) -> ChipStream:
        """A connection that stands; it is to be given something to carry, or declined.
        Raises RadioError, ChipError.
        """
        sd = await self._open()
        await self.blocking.acquire()
        try:
            return await self._connected(sd, address, port, given_up)
        finally:
            self.blocking.release()

    async def _connected(
        self, sd: int, address: str, port: int, given_up: Callable[[], bool]
    ) -> ChipStream:
        if given_up():  # while it waited: nobody else is to wait for a connect in vain
            await self._discard(sd)
            raise RadioError(f"the connection to {address} was given up")
        try:
            await self._sockets.connect(sd, address, port)
        except CommandError as fault:
            await self._discard(sd)
            raise radio_error(fault) from fault
        self.opened += 1
        return self._stream(sd, IPv4Address("TCP", address, port), port=0)

    async def listen(
        self, port: int, factory: Callable[[], IProtocol], backlog: int
    ) -> ListeningPort:
        """Raises RadioError, ChipError."""
        sd, number = await self._opened(port, partial(self._open_listening, backlog=backlog))
        address = IPv4Address("TCP", ANY_ADDRESS, number)
        open_again = partial(self._open_listening, number, backlog)

        def accepted(new_sd: int, peer: SocketAddress) -> ChipStream:
            return self._stream(new_sd, IPv4Address("TCP", peer.host, peer.port), number)

        listening = ListeningPort(
            sd,
            address,
            self._workings,
            self,
            open_again,
            accepted=accepted,
            factory=factory,
        )
        self._keep(listening)
        return listening

    async def bind_udp(self, port: int, protocol: DatagramProtocol) -> DatagramPort:
        """Raises RadioError, ChipError."""
        sd, number = await self._opened(port, self._open_datagrams)
        address = IPv4Address("UDP", ANY_ADDRESS, number)
        open_again = partial(self._open_datagrams, number)
        bound = DatagramPort(
            sd,
            address,
            self._workings,
            self,
            open_again,
            protocol=protocol,
        )
        self._keep(bound)
        protocol.makeConnection(bound)
        return bound

    async def bind_passing(self, protocol: DatagramProtocol) -> DatagramPort:
        """A port that soon stops by itself, so that connections may wait for its socket, and that
        does not wait for the next network.
        """
        bound = await self.bind_udp(0, protocol)
        self._passing.add(bound)
        return bound

    # The network goes and comes.

    def cut(self, why: Exception) -> None:
        """The chip's sockets are of no use any more. Ports wait for `restore`."""
        sds = [*self._streams, *self._ports]
        for stream in list(self._streams.values()):
            stream.cut(why)
        for port in list(self._ports.values()):
            if port in self._passing:
                port.cut()
            else:
                port.suspend()
        self._suspended += self._ports.values()
        self._ports.clear()
        self.poll.stop()
        if self._chip.driver.running:
            # Dead they are, but their numbers are taken until they are closed.
            Deferred.fromCoroutine(self._close_all(sds)).addErrback(_expected)
        self._socket_free()

    def restore(self) -> None:
        """There is a network again: open its ports again."""
        self._ended = False
        suspended, self._suspended = self._suspended, []
        Deferred.fromCoroutine(self._restore(suspended)).addErrback(_expected)

    def port_dead(self, port: ChipPort) -> None:
        self._set_aside(port)
        Deferred.fromCoroutine(self._discard(port.sd)).addErrback(_expected)

    def _set_aside(self, port: ChipPort) -> None:
        """Until it is opened again."""
        self._forget(port)
        port.suspend()
        self._suspended.append(port)
        self._clock.callLater(REOPEN_S, self._reopen)

    def _reopen(self) -> None:
        if self._chip.wlan.lease is not None:
            self.restore()

    def end(self) -> None:
        """The radio goes off, and its ports with it."""
        self.cut(NetworkUnreachableError("the radio is off"))
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
        gone_again = self._chip.wlan.lease is None
        if gone_again or isinstance(fault, NoSocketError):
            self._set_aside(port)
        else:
            _log.warn("port {port} is lost: {fault}", port=port.getHost().port, fault=fault)
            port.cut()
            port.lost(fault)

    async def _resume(self, port: ChipPort, sd: int) -> None:
        if port.is_open:
            port.resume(sd)
            self._keep(port)
        else:
            await self._discard(sd)

    async def _close_all(self, sds: list[int]) -> None:
        for sd in sds:
            await self._discard(sd)

    # Sockets.

    async def _open(self) -> int:
        """One for TCP. Waits for those that are about to be closed, also of look-ups."""
        while True:
            try:
                return await self._sockets.open_stream()
            except CommandError as fault:
                error = open_error(fault)
                if not isinstance(error, NoSocketError) or not self._closing():
                    raise error from fault
            free: Deferred[None] = Deferred()
            self._awaiting_socket.append(free)
            await free

    async def _opened(
        self, port: int, open_at: Callable[[int], Coroutine[Deferred[object], object, int]]
    ) -> tuple[int, int]:
        """A socket and its port. Where any port will do, one in use is no reason to give up."""
        tries = 1 if port else PORT_TRIES
        while True:
            number = port or self._free_port()
            try:
                return await open_at(number), number
            except AddressInUseError:
                tries -= 1
                if not tries:
                    raise

    async def _open_listening(self, port: int, backlog: int) -> int:
        sd = await self._open()
        try:
            await self._sockets.bind(sd, port)
            await self._sockets.listen(sd, backlog)
        except CommandError as fault:
            await self._discard(sd)
            raise bind_error(fault) from fault
        return sd

    async def _open_datagrams(self, port: int) -> int:
        try:
            sd = await self._sockets.open_datagram()
        except CommandError as fault:
            raise open_error(fault) from fault
        try:
            await self._sockets.bind(sd, port)
        except CommandError as fault:
            await self._discard(sd)
            raise bind_error(fault) from fault
        return sd

    def _closing(self) -> bool:
        return any(stream.leaving for stream in self._streams.values()) or any(
            port.stopping or port in self._passing for port in self._ports.values()
        )

    async def _discard(self, sd: int) -> None:
        """Whether it could be closed or not, it is not ours any more."""
        try:
            await self._sockets.close(sd)
        except CommandError as fault:
            _log.debug("socket {sd}: {fault}", sd=sd, fault=fault)

    def _stream(self, sd: int, peer: IPv4Address, port: int) -> ChipStream:
        lease = self._chip.wlan.lease
        host = IPv4Address("TCP", lease.address if lease else ANY_ADDRESS, port)
        self._make_way(sd)
        stream = ChipStream(sd, host, peer, self._workings, self._stream_left)
        self._streams[sd] = stream
        return stream

    def _make_way(self, sd: int) -> None:
        """A chip that gives a number again has closed the socket that had it, without a word."""
        if sd in self._streams:
            self._streams[sd].cut(ResetError("the chip has closed its socket"))
        if sd in self._ports:
            self._set_aside(self._ports[sd])

    def _keep(self, port: ChipPort) -> None:
        self._make_way(port.sd)
        self._ports[port.sd] = port
        self.poll.add(port)

    def _free_port(self) -> int:
        taken = {port.getHost().port for port in self._ports.values()}
        while (number := SystemRandom().choice(FREE_PORTS)) in taken:
            pass
        return number

    def _stream_left(self, stream: ChipStream) -> None:
        if self._streams.get(stream.sd) is stream:
            del self._streams[stream.sd]
        self._socket_free()

    def port_left(self, port: ChipPort) -> None:
        self._forget(port)
        self._socket_free()

    def _forget(self, port: ChipPort) -> None:
        """Its number may be another's by now."""
        if self._ports.get(port.sd) is port:
            del self._ports[port.sd]

    def _socket_free(self) -> None:
        waiting, self._awaiting_socket = self._awaiting_socket, []
        for one in waiting:
            one.callback(None)

    def _told(self, event: Unsolicited) -> None:
        match event:
            case CloseWait(sd) if sd in self._streams:
                self._streams[sd].close_wait()
            case SendFailed(sd) if sd in self._streams:
                self._streams[sd].send_failed()
            case _:
                pass


def _expected(failure: Failure) -> None:
    """A chip that is lost is lost for all, and the radio knows."""
    if not failure.check(ChipError):
        _log.failure("the radio's ports", failure)
