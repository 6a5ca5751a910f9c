"""Commands about sockets, and the data packets that belong to them. `sd` is a socket's number.

A docstring lists the arguments on the wire where they are more than the fields. Constants among
them, such as 0x0c, say where in the message a part begins.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import ClassVar, Self

from tessel.cc3000.hci.codes import AF_INET, OPTION_LEVEL, DataOpcode, EventOpcode, Opcode
from tessel.cc3000.hci.command import Command, DataMessage
from tessel.cc3000.hci.fields import SocketAddress, span, unpacked, words
from tessel.cc3000.hci.packets import DataPacket
from tessel.cc3000.hci.replies import (
    Accepted,
    Bits,
    Received,
    Result,
    Selected,
    Sent,
)


@dataclass(frozen=True, slots=True)
class OpenSocket(Command[Result]):
    """Open a socket. The chip answers with its number or a negative `Code`."""

    OPCODE = Opcode.SOCKET
    REPLY = Result
    FORMAT = words(3)
    family: int = AF_INET
    kind: int = 1
    protocol: int = 6


@dataclass(frozen=True, slots=True)
class _Addressed(Command[Result]):
    """A command about an address: sd, 8, 8, address(8)."""

    HEAD: ClassVar[struct.Struct] = words(3)
    sd: int
    address: SocketAddress

    def args(self) -> bytes:
        return self.HEAD.pack(self.sd, 8, 8) + self.address.encode()

    @classmethod
    def parse(cls, args: bytes) -> Self:
        sd, _, _ = unpacked(cls.HEAD, args)
        return cls(sd, SocketAddress.decode(args[cls.HEAD.size :]))


class Bind(_Addressed):
    """Bind a socket to a local port. The chip ignores the IP address."""

    __slots__ = ()
    OPCODE = Opcode.BIND
    REPLY = Result


class Connect(_Addressed):
    """Connect a socket to an address.

    The chip does nothing else until the attempt has succeeded or failed, and then answers.
    """

    __slots__ = ()
    OPCODE = Opcode.CONNECT
    REPLY = Result


@dataclass(frozen=True, slots=True)
class Listen(Command[Result]):
    """Let a socket listen for connections."""

    OPCODE = Opcode.LISTEN
    REPLY = Result
    FORMAT = words(2)
    sd: int
    backlog: int = 1


@dataclass(frozen=True, slots=True)
class Accept(Command[Accepted]):
    """Accept a waiting connection. The chip answers with the number of a new socket."""

    OPCODE = Opcode.ACCEPT
    REPLY = Accepted
    FORMAT = words(1)
    sd: int


@dataclass(frozen=True, slots=True)
class Receive(Command[Received]):
    """Read at most `limit` bytes of a TCP connection. The bytes follow in a data packet."""

    OPCODE = Opcode.RECV
    REPLY = Received
    FORMAT = words(3)
    sd: int
    limit: int
    flags: int = 0

    @classmethod
    def follows(cls, reply: Received) -> int | None:
        return DataOpcode.RECEIVED if reply.count > 0 else None


@dataclass(frozen=True, slots=True)
class ReceiveFrom(Command[Received]):
    """Read a datagram, at most `limit` bytes of it. It follows in a data packet."""

    OPCODE = Opcode.RECV_FROM
    REPLY = Received
    FORMAT = words(3)
    sd: int
    limit: int
    flags: int = 0

    @classmethod
    def follows(cls, reply: Received) -> int | None:
        return DataOpcode.RECEIVED_FROM if reply.count > 0 else None


@dataclass(frozen=True, slots=True)
class Select(Command[Selected]):
    """Wait until one of several sockets is ready, for at most `timeout_us` microseconds.

    `timeout_us` None waits without a limit. The chip's shortest timeout is 5 ms.

    count, 0x14 x 4, blocking, three sets, seconds, microseconds
    """

    OPCODE = Opcode.SELECT
    REPLY = Selected
    FORMAT = words(11)
    count: int  # the highest number + 1
    readable: int
    writable: int = 0
    exceptional: int = 0
    timeout_us: int | None = 5000

    def args(self) -> bytes:
        blocking = self.timeout_us is None
        seconds, micros = divmod(self.timeout_us or 0, 1_000_000)
        sets = (self.readable, self.writable, self.exceptional)
        return self.FORMAT.pack(self.count, *(0x14,) * 4, blocking, *sets, seconds, micros)

    @classmethod
    def parse(cls, args: bytes) -> Select:
        count, *_, blocking, read, write, other, seconds, micros = unpacked(cls.FORMAT, args)
        timeout_us = None if blocking else seconds * 1_000_000 + micros
        return cls(count, read, write, other, timeout_us)


@dataclass(frozen=True, slots=True)
class SetSocketOption(Command[Result]):
    """Set an option of a socket.

    sd, 0xffff, option, 8, length, value
    """

    OPCODE = Opcode.SET_SOCKET_OPTION
    REPLY = Result
    HEAD: ClassVar[struct.Struct] = words(5)
    sd: int
    option: int
    value: bytes

    def args(self) -> bytes:
        head = (self.sd, OPTION_LEVEL, self.option, 8, len(self.value))
        return self.HEAD.pack(*head) + self.value

    @classmethod
    def parse(cls, args: bytes) -> SetSocketOption:
        sd, _, option, _, length = unpacked(cls.HEAD, args)
        return cls(sd, option, span(args, cls.HEAD.size, length))


@dataclass(frozen=True, slots=True)
class GetSocketOption(Command[Bits]):
    """Request the value of a socket's option."""

    OPCODE = Opcode.GET_SOCKET_OPTION
    REPLY = Bits
    HEAD: ClassVar[struct.Struct] = words(3)
    sd: int
    option: int

    def args(self) -> bytes:
        return self.HEAD.pack(self.sd, OPTION_LEVEL, self.option)

    @classmethod
    def parse(cls, args: bytes) -> GetSocketOption:
        sd, _, option = unpacked(cls.HEAD, args)
        return cls(sd, option)


@dataclass(frozen=True, slots=True)
class CloseSocket(Command[Result]):
    """Close a socket."""

    OPCODE = Opcode.CLOSE_SOCKET
    REPLY = Result
    FORMAT = words(1)
    sd: int


@dataclass(frozen=True, slots=True)
class Send(DataMessage[Sent]):
    """Send bytes of a TCP connection.

    sd, 0x0c, length, flags; then the bytes
    """

    OPCODE = DataOpcode.SEND
    ANSWER = EventOpcode.SENT
    REPLY = Sent
    sd: int
    data: bytes
    flags: int = 0

    def args(self) -> bytes:
        return words(4).pack(self.sd, 0x0C, len(self.data), self.flags)

    def payload(self) -> bytes:
        return self.data

    @classmethod
    def read(cls, packet: DataPacket) -> Send:
        sd, _, length, flags = unpacked(words(4), packet.args)
        return cls(sd, span(packet.payload, 0, length), flags)


@dataclass(frozen=True, slots=True)
class SendTo(DataMessage[Sent]):
    """Send a datagram to an address.

    sd, 0x14, length, flags, length + 8, 8; then the bytes, the address(8)
    """

    OPCODE = DataOpcode.SEND_TO
    ANSWER = EventOpcode.SENT_TO
    REPLY = Sent
    sd: int
    data: bytes
    address: SocketAddress
    flags: int = 0

    def args(self) -> bytes:
        length = len(self.data)
        return words(6).pack(self.sd, 0x14, length, self.flags, length + 8, 8)

    def payload(self) -> bytes:
        return self.data + self.address.encode()

    @classmethod
    def read(cls, packet: DataPacket) -> SendTo:
        sd, _, length, flags, _, _ = unpacked(words(6), packet.args)
        address = SocketAddress.decode(packet.payload[length:])
        return cls(sd, span(packet.payload, 0, length), address, flags)


@dataclass(frozen=True, slots=True)
class Arrived:
    """Bytes received from a peer, which the chip sends after the answer `Received`.

    sd, 0x0c, length, flags, address(8); then the bytes
    """

    sd: int
    data: bytes
    sender: SocketAddress | None = None  # None for bytes of a connection

    def packet(self) -> DataPacket:
        opcode = DataOpcode.RECEIVED if self.sender is None else DataOpcode.RECEIVED_FROM
        address = bytes(8) if self.sender is None else self.sender.encode()
        args = words(4).pack(self.sd, 0x0C, len(self.data), 0) + address
        return DataPacket(opcode, args, self.data)

    @classmethod
    def read(cls, packet: DataPacket) -> Arrived:
        sd, _, length, _ = unpacked(words(4), packet.args)
        is_datagram = packet.opcode == DataOpcode.RECEIVED_FROM
        sender = SocketAddress.decode(packet.args[16:]) if is_datagram else None
        return cls(sd, span(packet.payload, 0, length), sender)
