"""The arguments of commands and events as fields of a dataclass.

Addresses of hosts are text such as "192.168.1.20"; on the wire they are four bytes, in network
order towards the chip and last byte first from it. What a message holds beyond its fields
(constants that tell where in the message something begins) its own module says.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cache
from socket import inet_aton, inet_ntoa
from typing import ClassVar, Self

from tessel.cc3000.errors import FrameError
from tessel.cc3000.hci.codes import AF_INET

ANY_ADDRESS = "0.0.0.0"  # noqa: S104 - the chip's word for "none" as well


class Fields:
    """Fields packed one after the other, in the dataclass's order; none without a FORMAT."""

    __slots__ = ()
    FORMAT: ClassVar[struct.Struct] = struct.Struct("")

    def args(self) -> bytes:
        return self.FORMAT.pack(*[getattr(self, name) for name in self.__match_args__])

    @classmethod
    def parse(cls, args: bytes) -> Self:
        """Raises FrameError. What follows the fields is passed over: chips send more at times."""
        return cls(*unpacked(cls.FORMAT, args))

    __match_args__: ClassVar[tuple[str, ...]] = ()


@cache
def words(count: int) -> struct.Struct:
    """So many unsigned numbers of 32 bits."""
    return struct.Struct(f"<{count}I")


def unpacked(form: struct.Struct, data: bytes) -> tuple[int, ...]:
    if len(data) < form.size:
        raise FrameError(f"{len(data)} bytes of arguments of {form.size}")
    return form.unpack_from(data)


def span(data: bytes, start: int, length: int) -> bytes:
    if len(data) < start + length:
        raise FrameError(f"{max(0, len(data) - start)} bytes of {length}")
    return data[start : start + length]


def reversed_address(data: bytes) -> str:
    return inet_ntoa(data[::-1])


def as_reversed(address: str) -> bytes:
    return inet_aton(address)[::-1]


@dataclass(frozen=True, slots=True)
class SocketAddress:
    """family(2) port(2, network order) address(4, network order)"""

    host: str = ANY_ADDRESS
    port: int = 0

    SIZE: ClassVar[int] = 8

    def encode(self) -> bytes:
        return _ADDRESS_HEAD.pack(AF_INET) + self.port.to_bytes(2, "big") + inet_aton(self.host)

    @classmethod
    def decode(cls, data: bytes) -> SocketAddress:
        """The family is not looked at: the chip leaves it zero where there is no address."""
        data = span(data, 0, cls.SIZE)
        return cls(inet_ntoa(data[4:]), int.from_bytes(data[2:4], "big"))


_ADDRESS_HEAD = struct.Struct("<H")
