"""The chip's sockets, as the chip has them: small numbers, and results below zero.

Every call may raise ChipError; those that can be refused raise CommandError. Nothing tells that
there is something to read: `select` has to be asked, again and again.
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
from tessel.cc3000.hci.packets import DataPacket
from tessel.cc3000.results import checked, ok

SHORTEST_SELECT_US = 5000  # TI's driver asks for no less

LARGEST_SEND = 1460  # bytes: a buffer of 1500 less the headers of IP and TCP
LARGEST_DATAGRAM = 1472  # the same, of UDP
RECV_TIMEOUT_MS = 10  # the Tessel's: how long the chip waits in a read if there is nothing


@dataclass(frozen=True, slots=True)
class Ready:
    readable: frozenset[int]
    writable: frozenset[int]


class Sockets:
    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    # Opening and closing.

    async def open_stream(self) -> int:
        """As the Tessel does: reads do not wait for long, and accepting not at all."""
        sd = await self._open(SocketKind.STREAM, TCP)
        # The answers are not to be relied on (a real one was garbage), so nothing is made of them.
        await self.set_option(sd, Option.ACCEPT_NONBLOCK, OPTION_ON.to_bytes(2, "little"))
        await self.limit_reads(sd)
        return sd

    async def limit_reads(self, sd: int) -> None:
        """So that a read of nothing does not keep the chip for ever."""
        await self.set_option(sd, Option.RECV_TIMEOUT_MS, RECV_TIMEOUT_MS.to_bytes(4, "little"))

    async def open_datagram(self) -> int:
        return await self._open(SocketKind.DATAGRAM, UDP)

    async def _open(self, kind: SocketKind, protocol: int) -> int:
        return ok("socket", await self._driver.call(hci.OpenSocket(AF_INET, kind, protocol)))

    async def close(self, sd: int) -> None:
        """A socket that the chip has closed by itself is closed, too."""
        result = await self._driver.call(hci.CloseSocket(sd))
        self._driver.buffers.forget(sd)
        if result.value != Code.INACTIVE:
            ok("close", result)

    # Connections.

    async def connect(self, sd: int, host: str, port: int) -> None:
        """Nothing else goes on in the chip until this is answered."""
        ok("connect", await self._driver.call(hci.Connect(sd, SocketAddress(host, port))))

    async def bind(self, sd: int, port: int, host: str = ANY_ADDRESS) -> None:
        ok("bind", await self._driver.call(hci.Bind(sd, SocketAddress(host, port))))

    async def listen(self, sd: int, backlog: int = 1) -> None:
        ok("listen", await self._driver.call(hci.Listen(sd, backlog)))
        await self.set_option(sd, Option.ACCEPT_NONBLOCK, OPTION_ON.to_bytes(1, "little"))

    async def accept(self, sd: int) -> tuple[int, SocketAddress] | None:
        """None: nobody there."""
        reply = await self._driver.call(hci.Accept(sd))
        if reply.new_sd == Code.PENDING:
            return None
        return checked("accept", reply.new_sd), reply.peer

    # Bytes.

    async def send(self, sd: int, data: bytes) -> None:
        """One packet, when the chip has a buffer for it; at most LARGEST_SEND bytes.

        The chip has them then, which is not to say that they will arrive.
        """
        await self._driver.buffers.take(sd)
        reply = await self._driver.call(hci.Send(sd, data))
        checked("send", reply.count)

    async def receive(self, sd: int, limit: int) -> bytes:
        """None there: no bytes, as at the end. Raises CommandError once it is over."""
        reply, data = await self._driver.fetch(hci.Receive(sd, limit))
        checked("recv", reply.count)
        return _arrived(data).data if data is not None else b""

    async def send_to(self, sd: int, data: bytes, host: str, port: int) -> None:
        """At most LARGEST_DATAGRAM bytes."""
        await self._driver.buffers.take(sd)
        message = hci.SendTo(sd, data, SocketAddress(host, port))
        checked("sendto", (await self._driver.call(message)).count)

    async def receive_from(self, sd: int, limit: int) -> tuple[bytes, SocketAddress] | None:
        """None: there was none."""
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
        """Which of them can be read from and written to."""
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
        """What the chip answers."""
        return (await self._driver.call(hci.SetSocketOption(sd, option, value))).value

    async def get_option(self, sd: int, option: Option) -> int:
        return (await self._driver.call(hci.GetSocketOption(sd, option))).value

    async def host_by_name(self, name: bytes) -> str:
        """The chip's own look-up; nothing else goes on in the chip until it is answered."""
        reply = await self._driver.call(hci.GetHostByName(name))
        checked(f"look-up of {name.decode('ascii', 'replace')}", reply.result)
        return reply.address


def _arrived(data: DataPacket) -> hci.Arrived:
    try:
        return hci.Arrived.read(data)
    except FrameError as fault:
        raise NoiseError(f"what was received: {fault}") from fault


def _bits(numbers: Iterable[int]) -> int:
    bits = 0
    for number in numbers:
        bits |= 1 << number
    return bits


def _numbers(bits: int, asked: Iterable[int]) -> frozenset[int]:
    return frozenset(number for number in asked if bits >> number & 1)
