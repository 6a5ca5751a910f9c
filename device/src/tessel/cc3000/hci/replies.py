"""The chip's answers: the arguments of the events that answer a command."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import ClassVar

from tessel.cc3000.hci.fields import (
    Fields,
    SocketAddress,
    as_reversed,
    reversed_address,
    span,
    unpacked,
    words,
)


class Reply(Fields):
    """The base class of the chip's answers."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Done(Reply):
    """An answer without arguments: the command was carried out."""


@dataclass(frozen=True, slots=True)
class Result(Reply):
    """An answer with one number. A negative `value` is an error, a `Code`."""

    FORMAT = struct.Struct("<i")
    value: int = 0


@dataclass(frozen=True, slots=True)
class Bits(Reply):
    """An answer with four bytes that are no error code: a status or an option's value."""

    FORMAT = words(1)
    value: int


@dataclass(frozen=True, slots=True)
class BufferSize(Reply):
    """The number of the chip's send buffers and the size of each, in bytes."""

    FORMAT = struct.Struct("<BH")
    count: int
    size: int


@dataclass(frozen=True, slots=True)
class ServicePack(Reply):
    """The version of the chip's firmware, which TI calls a service pack."""

    FORMAT = struct.Struct("<xxBB")
    major: int
    minor: int

    def args(self) -> bytes:
        return bytes((0, 6, self.major, self.minor))

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


@dataclass(frozen=True, slots=True)
class Sent(Reply):
    """The answer to a send. `count`: bytes that the chip accepted; if negative, a `Code`."""

    FORMAT = struct.Struct("<Ii")
    sd: int
    count: int


@dataclass(frozen=True, slots=True)
class Received(Reply):
    """The answer to a read. `count`: bytes in the data packet that follows.

    A negative `count` is a `Code`.
    """

    FORMAT = struct.Struct("<IiI")
    sd: int
    count: int
    flags: int = 0


@dataclass(frozen=True, slots=True)
class Accepted(Reply):
    """The answer to an accept: the new socket and its peer. A negative `new_sd` is a `Code`."""

    sd: int
    new_sd: int
    peer: SocketAddress

    HEAD: ClassVar[struct.Struct] = struct.Struct("<Ii")

    def args(self) -> bytes:
        return self.HEAD.pack(self.sd, self.new_sd) + self.peer.encode() + bytes(8)

    @classmethod
    def parse(cls, args: bytes) -> Accepted:
        sd, new_sd = unpacked(cls.HEAD, args)
        return cls(sd, new_sd, SocketAddress.decode(args[cls.HEAD.size :]))


@dataclass(frozen=True, slots=True)
class Selected(Reply):
    """The answer to a select. `status`: how many sockets are ready; if negative, a `Code`.

    Each set of sockets is a bit mask with one bit for each socket number.
    """

    FORMAT = struct.Struct("<iIII")
    status: int
    readable: int
    writable: int
    exceptional: int = 0


@dataclass(frozen=True, slots=True)
class HostByName(Reply):
    """The answer to a name look-up. A negative `result` is a `Code`."""

    result: int
    address: str

    HEAD: ClassVar[struct.Struct] = struct.Struct("<i")

    def args(self) -> bytes:
        return self.HEAD.pack(self.result) + as_reversed(self.address)

    @classmethod
    def parse(cls, args: bytes) -> HostByName:
        (result,) = unpacked(cls.HEAD, args)
        return cls(result, reversed_address(span(args, 4, 4)))


@dataclass(frozen=True, slots=True)
class Lease:
    """The chip's IPv4 addresses in a network; on the wire 20 bytes.

    Each address has its last byte first.
    """

    address: str
    mask: str
    gateway: str
    dhcp_server: str
    name_server: str

    SIZE: ClassVar[int] = 20

    def encode(self) -> bytes:
        return b"".join(as_reversed(getattr(self, name)) for name in self.__match_args__)

    @classmethod
    def decode(cls, data: bytes) -> Lease:
        data = span(data, 0, cls.SIZE)
        return cls(*(reversed_address(data[at : at + 4]) for at in range(0, cls.SIZE, 4)))


@dataclass(frozen=True, slots=True)
class IpConfig(Reply):
    """The chip's addresses and the name of its network: lease(20) mac(6) ssid(32)."""

    lease: Lease
    mac: bytes
    ssid: bytes

    def args(self) -> bytes:
        return self.lease.encode() + self.mac + self.ssid.ljust(32, b"\0")

    @classmethod
    def parse(cls, args: bytes) -> IpConfig:
        rest = span(args, Lease.SIZE, 38)
        return cls(Lease.decode(args), rest[:6], rest[6:].rstrip(b"\0"))


@dataclass(frozen=True, slots=True)
class ScanResult(Reply):
    """A network that a scan found.

    `age`: 0 found by an earlier scan, 1 found by this scan, 2 no network.
    """

    count: int  # results left, including this one
    age: int
    valid: bool
    rssi: int  # 7 bits, as the chip sends it
    security: int
    ssid: bytes
    bssid: bytes
    time: int = 0

    HEAD: ClassVar[struct.Struct] = struct.Struct("<IIBBH")

    def args(self) -> bytes:
        quality = self.valid | self.rssi << 1
        name = self.security | len(self.ssid) << 2
        head = self.HEAD.pack(self.count, self.age, quality, name, self.time)
        return head + self.ssid.ljust(32, b"\0") + self.bssid

    @classmethod
    def parse(cls, args: bytes) -> ScanResult:
        count, age, quality, name, time = unpacked(cls.HEAD, args)
        rest = span(args, cls.HEAD.size, 38)
        return cls(
            count=count,
            age=age,
            valid=bool(quality & 1),
            rssi=quality >> 1,
            security=name & 3,
            ssid=rest[: min(32, name >> 2)],
            bssid=rest[32:],
            time=time,
        )
