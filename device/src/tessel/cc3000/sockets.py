"""The chip's sockets, identified by small numbers.

Each call may raise ChipError, and CommandError if the chip refuses it. The chip does not report
that there is something to read: `select` has to be called again and again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tessel.cc3000.driver import Driver
from tessel.cc3000.errors import FrameError, NoiseError
from tessel.cc3000.hci import sockets as hci
from tessel.cc3000.hci.codes import (
    AF_INET,
    OPTION_ON,
    TCP,
    UDP,
    Code,
    Option,
    SocketKind,
)
from tessel.cc3000.hci.fields import ANY_ADDRESS, SocketAddress
from tessel.cc3000.hci.names import GetHostByName
from tessel.cc3000.hci.packets import DataPacket
from tessel.cc3000.results import checked, ok

SHORTEST_SELECT_US = 5000
"""The shortest timeout of a select in microseconds: TI's driver uses none shorter."""

LARGEST_SEND = 1460
"""Bytes of TCP in one packet: a buffer of 1500 without the headers of IP and TCP."""

LARGEST_DATAGRAM = 1472
"""Bytes of UDP in one packet: a buffer of 1500 without the headers of IP and UDP."""

RECV_TIMEOUT_MS = 10
"""How long a read blocks the chip if there is nothing to read, in ms, as on the Tessel."""


@dataclass(frozen=True, slots=True)
class Ready:
    """The result of a select: which sockets can be read from, and which written to."""

    readable: frozenset[int]
    writable: frozenset[int]


class Sockets:
    """Commands about sockets. `sd` is a socket's number."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    # Opening and closing.

    async def open_stream(self) -> int:
        """Open a TCP socket and return its number.

        As on the Tessel, its reads wait for 10 ms only, and accepting does not wait.
        """
        sd = await self._open(SocketKind.STREAM, TCP)
        # The answers are ignored: a real chip answered garbage.
        await self.set_option(sd, Option.ACCEPT_NONBLOCK, OPTION_ON.to_bytes(2, "little"))
        await self.limit_reads(sd)
        return sd

    async def limit_reads(self, sd: int) -> None:
        """Limit how long a read waits: without a limit it blocks the chip until bytes come."""
        await self.set_option(sd, Option.RECV_TIMEOUT_MS, RECV_TIMEOUT_MS.to_bytes(4, "little"))

    async def open_datagram(self) -> int:
        """Open a UDP socket and return its number."""
        return await self._open(SocketKind.DATAGRAM, UDP)

    async def _open(self, kind: SocketKind, protocol: int) -> int:
        return ok("socket", await self._driver.call(hci.OpenSocket(AF_INET, kind, protocol)))

    async def close(self, sd: int) -> None:
        """Close a socket. It is no error if the chip has closed it already."""
        result = await self._driver.call(hci.CloseSocket(sd))
        self._driver.buffers.forget(sd)
        if result.value != Code.INACTIVE:
            ok("close", result)

    # Connections.

    async def connect(self, sd: int, host: str, port: int) -> None:
        """Connect a TCP socket. The chip does nothing else until it answers."""
        ok("connect", await self._driver.call(hci.Connect(sd, SocketAddress(host, port))))

    async def bind(self, sd: int, port: int, host: str = ANY_ADDRESS) -> None:
        """Bind a socket to a port."""
        ok("bind", await self._driver.call(hci.Bind(sd, SocketAddress(host, port))))

    async def listen(self, sd: int, backlog: int = 1) -> None:
        """Let a TCP socket listen. Accepting does not wait."""
        ok("listen", await self._driver.call(hci.Listen(sd, backlog)))
        await self.set_option(sd, Option.ACCEPT_NONBLOCK, OPTION_ON.to_bytes(1, "little"))

    async def accept(self, sd: int) -> tuple[int, SocketAddress] | None:
        """Return the socket and the address of a new connection, None if there is none."""
        reply = await self._driver.call(hci.Accept(sd))
        if reply.new_sd == Code.PENDING:
            return None
        return checked("accept", reply.new_sd), reply.peer

    # Bytes.

    async def send(self, sd: int, data: bytes) -> None:
        """Send at most LARGEST_SEND bytes as one packet, as soon as the chip has a free buffer.

        Returns when the chip has taken the bytes. They may still be lost on their way.
        """
        await self._driver.buffers.take(sd)
        reply = await self._driver.call(hci.Send(sd, data))
        checked("send", reply.count)

    async def receive(self, sd: int, limit: int) -> bytes:
        """Return received bytes, or b"" if there are none. Raises CommandError after the end."""
        reply, data = await self._driver.fetch(hci.Receive(sd, limit))
        checked("recv", reply.count)
        return _arrived(data).data if data is not None else b""

    async def send_to(self, sd: int, data: bytes, host: str, port: int) -> None:
        """Send a datagram of at most LARGEST_DATAGRAM bytes, as soon as a buffer is free."""
        await self._driver.buffers.take(sd)
        message = hci.SendTo(sd, data, SocketAddress(host, port))
        checked("sendto", (await self._driver.call(message)).count)

    async def receive_from(self, sd: int, limit: int) -> tuple[bytes, SocketAddress] | None:
        """Return a received datagram and its sender, None if there is none."""
        reply, data = await self._driver.fetch(hci.ReceiveFrom(sd, limit))
        checked("recvfrom", reply.count)
        if data is None:
            return None
        arrived = _arrived(data)
        return arrived.data, arrived.sender or SocketAddress()

    async def select(
        self,
        readable: Iterable[int],
        writable: Iterable[int] = (),
        timeout_us: int = SHORTEST_SELECT_US,
    ) -> Ready:
        """Return which of these sockets can be read from, and which written to.

        The chip waits for at most `timeout_us` microseconds until one of them can.
        """
        read, write = list(readable), list(writable)
        message = hci.Select(
            count=max([*read, *write], default=-1) + 1,
            readable=_bits(read),
            writable=_bits(write),
            timeout_us=max(timeout_us, SHORTEST_SELECT_US),
        )
        reply = await self._driver.call(message)
        checked("select", reply.status)
        return Ready(_numbers(reply.readable, read), _numbers(reply.writable, write))

    # Options and names.

    async def set_option(self, sd: int, option: Option, value: bytes) -> int:
        """Set an option, and return the chip's answer."""
        return (await self._driver.call(hci.SetSocketOption(sd, option, value))).value

    async def get_option(self, sd: int, option: Option) -> int:
        """Return the value of an option."""
        return (await self._driver.call(hci.GetSocketOption(sd, option))).value

    async def host_by_name(self, name: bytes) -> str:
        """Look a name up and return its address. The chip does nothing else until it answers."""
        reply = await self._driver.call(GetHostByName(name))
        checked(f"look-up of {name.decode('ascii', 'replace')}", reply.result)
        return reply.address


def _arrived(data: DataPacket) -> hci.Arrived:
    try:
        return hci.Arrived.read(data)
    except FrameError as fault:
        raise NoiseError(f"received data: {fault}") from fault


def _bits(numbers: Iterable[int]) -> int:
    bits = 0
    for number in numbers:
        bits |= 1 << number
    return bits


def _numbers(bits: int, asked: Iterable[int]) -> frozenset[int]:
    return frozenset(number for number in asked if bits >> number & 1)
