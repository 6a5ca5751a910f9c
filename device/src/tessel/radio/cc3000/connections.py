"""The chip's sockets in use: who has which number, and how more are made."""

from __future__ import annotations

from collections.abc import Callable
from random import SystemRandom

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocol, IReactorTime
from twisted.internet.protocol import DatagramProtocol

from tessel.cc3000.chip import Chip
from tessel.cc3000.errors import CommandError
from tessel.cc3000.hci.events import CloseWait, SendFailed, Unsolicited
from tessel.cc3000.hci.fields import ANY_ADDRESS, SocketAddress
from tessel.radio.cc3000.faults import bind_error, open_error, radio_error
from tessel.radio.cc3000.poll import Poll
from tessel.radio.cc3000.ports import ChipPort, DatagramPort, ListeningPort
from tessel.radio.cc3000.stream import ChipStream
from tessel.radio.cc3000.workings import Sizes, Workings
from tessel.radio.interface import NoSocketError

FREE_PORTS = range(49_152, 65_536)  # RFC 6335; the chip does not tell which it would choose


class Connections:
    def __init__(self, chip: Chip, clock: IReactorTime, sizes: Sizes) -> None:
        self.poll = Poll(chip.driver, chip.sockets, clock)
        self.opened = 0
        self._chip = chip
        self._sockets = chip.sockets
        self._workings = Workings(chip.sockets, chip.driver.buffers, self.poll, clock, sizes)
        self._streams: dict[int, ChipStream] = {}
        self._ports: dict[int, ChipPort] = {}
        self._awaiting_socket: list[Deferred[None]] = []
        chip.driver.watch(self._told)

    async def dial(self, address: str, port: int) -> ChipStream:
        """A connection that stands; it is to be given something to carry, or aborted.
        Raises RadioError, ChipError.
        """
        sd = await self._open()
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
        sd = await self._open()
        number = port or self._free_port()
        try:
            await self._sockets.bind(sd, number)
            await self._sockets.listen(sd, backlog)
        except CommandError as fault:
            await self._discard(sd)
            raise bind_error(fault) from fault
        address = IPv4Address("TCP", ANY_ADDRESS, number)

        def accepted(new_sd: int, peer: SocketAddress) -> ChipStream:
            return self._stream(new_sd, IPv4Address("TCP", peer.host, peer.port), number)

        listening = ListeningPort(
            sd, address, self._workings, self._port_left, accepted=accepted, factory=factory
        )
        self._keep(listening)
        return listening

    async def bind_udp(self, port: int, protocol: DatagramProtocol) -> DatagramPort:
        """Raises RadioError, ChipError."""
        try:
            sd = await self._sockets.open_datagram()
        except CommandError as fault:
            raise open_error(fault) from fault
        number = port or self._free_port()
        try:
            await self._sockets.bind(sd, number)
        except CommandError as fault:
            await self._discard(sd)
            raise bind_error(fault) from fault
        address = IPv4Address("UDP", ANY_ADDRESS, number)
        bound = DatagramPort(sd, address, self._workings, self._port_left, protocol)
        self._keep(bound)
        protocol.makeConnection(bound)
        return bound

    def cut(self, why: Exception) -> None:
        """None of the chip's sockets is left."""
        for stream in list(self._streams.values()):
            stream.cut(why)
        for port in list(self._ports.values()):
            port.cut()
        self.poll.stop()
        self._socket_free()

    # Sockets.

    async def _open(self) -> int:
        """One for TCP. Those that are about to be closed are waited for."""
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

    def _closing(self) -> bool:
        return any(stream.leaving for stream in self._streams.values()) or any(
            port.stopping for port in self._ports.values()
        )

    async def _discard(self, sd: int) -> None:
        try:
            await self._sockets.close(sd)
        except CommandError as fault:
            raise radio_error(fault) from fault

    def _stream(self, sd: int, peer: IPv4Address, port: int) -> ChipStream:
        lease = self._chip.wlan.lease
        host = IPv4Address("TCP", lease.address if lease else ANY_ADDRESS, port)
        stream = ChipStream(sd, host, peer, self._workings, self._stream_left)
        self._streams[sd] = stream
        return stream

    def _keep(self, port: ListeningPort | DatagramPort) -> None:
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

    def _port_left(self, port: ChipPort) -> None:
        if self._ports.get(port.sd) is port:
            del self._ports[port.sd]
        self._socket_free()

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
