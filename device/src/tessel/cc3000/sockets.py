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
    """The result of a select: the sockets ready to be read, and those ready to be written."""

    readable: frozenset[int]
    writable: frozenset[int]


class Sockets:
    """Sends the commands about sockets. `sd` is a socket's number.

    Each method may raise ChipError, and CommandError if the chip refuses the command.
    """

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    # Opening and closing.

    async def open_stream(self) -> int:
        """Open a TCP socket and return its number.

        As on the Tessel, a read waits at most RECV_TIMEOUT_MS, and an accept does not wait.
        """
        sd = await self._open(SocketKind.STREAM, TCP)
        # The answers are ignored: a real chip answered garbage.
        await self.set_option(sd, Option.ACCEPT_NONBLOCK, OPTION_ON.to_bytes(2, "little"))
        await self.limit_reads(sd)
        return sd

    async def limit_reads(self, sd: int) -> None:
        """Limit a read on this socket to RECV_TIMEOUT_MS without data.

        Without the limit, a read blocks the whole chip until bytes come.
        """
        await self.set_option(sd, Option.RECV_TIMEOUT_MS, RECV_TIMEOUT_MS.to_bytes(4, "little"))

    async def open_datagram(self) -> int:
        """Open a UDP socket and return its number."""
        return await self._open(SocketKind.DATAGRAM, UDP)

    async def _open(self, kind: SocketKind, protocol: int) -> int:
        return ok("socket", await self._driver.call(hci.OpenSocket(AF_INET, kind, protocol)))

    async def close(self, sd: int) -> None:
        """Close a socket. No error is raised if the chip has already closed it."""
        result = await self._driver.call(hci.CloseSocket(sd))
        self._driver.buffers.forget(sd)
        if result.value != Code.INACTIVE:
            ok("close", result)

    # Connections.

    async def connect(self, sd: int, host: str, port: int) -> None:
        """Connect a TCP socket to `host`, an IPv4 address, and `port`.

        The chip does nothing else until the attempt has succeeded or failed.
        """
        ok("connect", await self._driver.call(hci.Connect(sd, SocketAddress(host, port))))

    async def bind(self, sd: int, port: int, host: str = ANY_ADDRESS) -> None:
        """Bind a socket to a local port. The chip ignores `host`."""
        ok("bind", await self._driver.call(hci.Bind(sd, SocketAddress(host, port))))

    async def listen(self, sd: int, backlog: int = 1) -> None:
        """Let a TCP socket listen for connections; `accept` does not wait for them.

        `backlog` is passed to the chip.
        """
        ok("listen", await self._driver.call(hci.Listen(sd, backlog)))
        await self.set_option(sd, Option.ACCEPT_NONBLOCK, OPTION_ON.to_bytes(1, "little"))

    async def accept(self, sd: int) -> tuple[int, SocketAddress] | None:
        """Accept a waiting connection; return its new socket and the peer's address.

        Returns None if no connection is waiting.
        """
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
        """Return at most `limit` received bytes, or b"" if there are none.

        Raises CommandError after the end of the connection.
        """
        reply, data = await self._driver.fetch(hci.Receive(sd, limit))
        checked("recv", reply.count)
        return _arrived(data).data if data is not None else b""

    async def send_to(self, sd: int, data: bytes, host: str, port: int) -> None:
        """Send a datagram of at most LARGEST_DATAGRAM bytes, as soon as a buffer is free.

        `host` is an IPv4 address.
        """
        await self._driver.buffers.take(sd)
        message = hci.SendTo(sd, data, SocketAddress(host, port))
        checked("sendto", (await self._driver.call(message)).count)

    async def receive_from(self, sd: int, limit: int) -> tuple[bytes, SocketAddress] | None:
        """Return a received datagram and its sender, or None if there is none.

        A datagram longer than `limit` bytes is cut.
        """
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
        """Wait until one of these sockets is ready, and return the ready ones.

        `readable` and `writable` are socket numbers. The chip waits for at most `timeout_us`
        microseconds, and at least for SHORTEST_SELECT_US.
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
        """Set an option of a socket, and return the chip's result, negative for an error.

        `value` is the encoded value, little-endian. The result is not checked.
        """
        return (await self._driver.call(hci.SetSocketOption(sd, option, value))).value

    async def get_option(self, sd: int, option: Option) -> int:
        """Return the value of a socket's option."""
        return (await self._driver.call(hci.GetSocketOption(sd, option))).value

    async def host_by_name(self, name: bytes) -> str:
        """Look up a name with the chip's own command and return its IPv4 address.

        The chip does nothing else until it answers.
        """
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
