"""The chip's sockets in use: opens connections and ports, and knows the owner of each socket."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.interfaces import IProtocol, IReactorTime
from twisted.internet.protocol import DatagramProtocol

from tessel.cc3000.chip import Chip
from tessel.cc3000.errors import CommandError
from tessel.cc3000.hci.events import CloseWait, SendFailed, Unsolicited
from tessel.cc3000.hci.fields import ANY_ADDRESS, SocketAddress
from tessel.radio.cc3000.chip_port import BoundSocket
from tessel.radio.cc3000.command_errors import radio_error
from tessel.radio.cc3000.datagram_port import DatagramPort
from tessel.radio.cc3000.listening_port import ListeningPort
from tessel.radio.cc3000.poll import Poll
from tessel.radio.cc3000.ports import Ports, ignore_lost_chip
from tessel.radio.cc3000.socket_context import SocketContext, TransferSizes
from tessel.radio.cc3000.socket_opener import SocketOpener, open_at_port
from tessel.radio.cc3000.stream import ChipStream
from tessel.radio.interface import NetworkUnreachableError, RadioError, ResetError


class Connections:
    """All TCP connections and ports of one chip."""

    def __init__(self, chip: Chip, clock: IReactorTime, sizes: TransferSizes) -> None:
        self.poll = Poll(chip.driver, chip.sockets, clock)
        self.blocking = DeferredLock()
        """Held during a command (connect, look-up) during which the chip does nothing else."""
        self.opened = 0
        self._chip = chip
        self._context = SocketContext(chip.sockets, chip.driver.buffers, self.poll, clock, sizes)
        self._streams: dict[int, ChipStream] = {}
        self._opener = SocketOpener(chip.sockets, self._is_closing)
        self._ports = Ports(
            self._opener,
            self.poll,
            clock,
            has_network=lambda: chip.wlan.lease is not None,
            cut_stream=self._cut_stream,
        )
        chip.driver.watch(self._event_came)

    async def dial(self, address: str, port: int, given_up: Callable[[], bool]) -> ChipStream:
        """Connect to a target and return the stream; the caller must `carry` or `decline` it.

        `given_up` returns True when the caller does not want the connection any more. Raises
        RadioError, ChipError.
        """
        sd = await self._opener.open_stream()
        await self.blocking.acquire()
        try:
            return await self._connected(sd, address, port, given_up)
        finally:
            self.blocking.release()

    async def _connected(
        self, sd: int, address: str, port: int, given_up: Callable[[], bool]
    ) -> ChipStream:
        if given_up():  # while it waited: others need not wait for a useless connect
            await self._opener.discard(sd)
            raise RadioError(f"the connection to {address} was given up")
        try:
            await self._chip.sockets.connect(sd, address, port)
        except CommandError as fault:
            await self._opener.discard(sd)
            raise radio_error(fault) from fault
        self.opened += 1
        return self._stream(sd, IPv4Address("TCP", address, port), port=0)

    async def listen(
        self, port: int, factory: Callable[[], IProtocol], backlog: int
    ) -> ListeningPort:
        """Accept TCP connections on `port` (0: any free port) and return the open port.

        `factory` makes the protocol of each connection. Raises RadioError, ChipError.
        """
        open_at = partial(self._opener.open_listening, backlog=backlog)
        sd, number = await open_at_port(port, lambda: self._ports.numbers, open_at)

        def accepted(new_sd: int, peer: SocketAddress) -> ChipStream:
            return self._stream(new_sd, IPv4Address("TCP", peer.host, peer.port), number)

        listening = ListeningPort(
            BoundSocket(sd, IPv4Address("TCP", ANY_ADDRESS, number), partial(open_at, number)),
            self._context,
            self._ports,
            accepted=accepted,
            factory=factory,
        )
        self._ports.keep(listening)
        return listening

    async def bind_udp(self, port: int, protocol: DatagramProtocol) -> DatagramPort:
        """Bind a UDP port (0: any free port) for `protocol` and return it.

        Raises RadioError, ChipError.
        """
        open_at = self._opener.open_datagrams
        sd, number = await open_at_port(port, lambda: self._ports.numbers, open_at)
        bound = DatagramPort(
            BoundSocket(sd, IPv4Address("UDP", ANY_ADDRESS, number), partial(open_at, number)),
            self._context,
            self._ports,
            protocol=protocol,
        )
        self._ports.keep(bound)
        protocol.makeConnection(bound)
        return bound

    async def bind_short_lived(self, protocol: DatagramProtocol) -> DatagramPort:
        """Bind a UDP port that soon stops by itself.

        Connections may wait for its socket, and it is not opened again in the next network.
        Raises RadioError, ChipError.
        """
        bound = await self.bind_udp(0, protocol)
        self._ports.mark_short_lived(bound)
        return bound

    # The network goes and comes.

    def cut(self, why: Exception) -> None:
        """End all streams with the reason `why`, and suspend the ports until `restore`.

        Call it when the chip's sockets are lost.
        """
        sds = [*self._streams, *self._ports.sockets]
        for stream in list(self._streams.values()):
            stream.cut(why)
        self._ports.suspend()
        self.poll.stop()
        if self._chip.driver.running:
            # The sockets are dead, but the chip keeps their numbers until they are closed.
            Deferred.fromCoroutine(self._opener.discard_all(sds)).addErrback(ignore_lost_chip)
        self._opener.socket_free()

    def restore(self) -> None:
        """Open the suspended ports again. Call it when there is a network again."""
        self._ports.restore()

    def end(self) -> None:
        """End all streams and ports. Call it when the radio is switched off."""
        self.cut(NetworkUnreachableError("the radio is off"))
        self._ports.end()

    # Streams.

    def _is_closing(self) -> bool:
        return any(stream.leaving for stream in self._streams.values()) or self._ports.is_closing

    def _stream(self, sd: int, peer: IPv4Address, port: int) -> ChipStream:
        lease = self._chip.wlan.lease
        host = IPv4Address("TCP", lease.address if lease else ANY_ADDRESS, port)
        self._cut_stream(sd)
        self._ports.make_way(sd)
        stream = ChipStream(sd, host, peer, self._context, self._stream_left)
        self._streams[sd] = stream
        return stream

    def _cut_stream(self, sd: int) -> None:
        """End the stream that had this socket number, which the chip has now given again.

        The chip has closed the earlier socket without reporting it.
        """
        if sd in self._streams:
            self._streams[sd].cut(ResetError("the chip has closed its socket"))

    def _stream_left(self, stream: ChipStream) -> None:
        if self._streams.get(stream.sd) is stream:
            del self._streams[stream.sd]
        self._opener.socket_free()

    def _event_came(self, event: Unsolicited) -> None:
        match event:
            case CloseWait(sd) if sd in self._streams:
                self._streams[sd].close_wait()
            case SendFailed(sd) if sd in self._streams:
                self._streams[sd].send_failed()
            case _:
                pass
