"""Encodes and decodes the arguments of commands and events as the fields of dataclasses.

Addresses of hosts are text such as "192.168.1.20". On the wire they are four bytes, in network
order towards the chip, and with the last byte first from the chip. Some messages have constants
between their fields, which say where in the message a part begins: see the module of the message.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cache
from socket import inet_aton, inet_ntoa
from typing import ClassVar, Self

from tessel.cc3000.errors import FrameError
from tessel.cc3000.hci.codes import AF_INET

ANY_ADDRESS = "0.0.0.0"  # noqa: S104 - the chip also uses it for "no address"


class Fields:
    """A base class for dataclasses whose fields are packed in order, in the format FORMAT."""

    __slots__ = ()
    FORMAT: ClassVar[struct.Struct] = struct.Struct("")

    def args(self) -> bytes:
        """Return the encoded fields: the arguments of a command, reply or event."""
        return self.FORMAT.pack(*[getattr(self, name) for name in self.__match_args__])

    @classmethod
    def parse(cls, args: bytes) -> Self:
        """Decode the fields from `args`. Later bytes are ignored: chips sometimes send more.

        Raises FrameError if there are too few bytes.
        """
        return cls(*unpacked(cls.FORMAT, args))

    __match_args__: ClassVar[tuple[str, ...]] = ()


@cache
def words(count: int) -> struct.Struct:
    """Return the `struct` format of `count` unsigned 32-bit numbers, little-endian."""
    return struct.Struct(f"<{count}I")


def unpacked(form: struct.Struct, data: bytes) -> tuple[int, ...]:
    """Decode the numbers at the beginning of `data`, in the format `form`.

    Raises FrameError if `data` is too short.
    """
    if len(data) < form.size:
        raise FrameError(f"{len(data)} bytes of arguments; expected {form.size}")
    return form.unpack_from(data)


def span(data: bytes, start: int, length: int) -> bytes:
    """Return `length` bytes of `data` from `start` on. Raises FrameError if there are fewer."""
    if len(data) < start + length:
        raise FrameError(f"{max(0, len(data) - start)} bytes; expected {length}")
    return data[start : start + length]


def reversed_address(data: bytes) -> str:
    """Return an IPv4 address as text, from four bytes with the last byte first."""
    return inet_ntoa(data[::-1])


def as_reversed(address: str) -> bytes:
    """Return the four bytes of an IPv4 address, with the last byte first."""
    return inet_aton(address)[::-1]


@dataclass(frozen=True, slots=True)
class SocketAddress:
    """An IPv4 address and a port; on the wire eight bytes.

    family(2) port(2, network order) address(4, network order)
    """

    host: str = ANY_ADDRESS
    port: int = 0

    SIZE: ClassVar[int] = 8

    def encode(self) -> bytes:
        """Return the eight bytes of the address."""
        return _ADDRESS_HEAD.pack(AF_INET) + self.port.to_bytes(2, "big") + inet_aton(self.host)

    @classmethod
    def decode(cls, data: bytes) -> SocketAddress:
        """Decode eight bytes. Raises FrameError if there are fewer.

        The family is ignored: the chip sends 0 if there is no address.
        """
        data = span(data, 0, cls.SIZE)
        return cls(inet_ntoa(data[4:]), int.from_bytes(data[2:4], "big"))


_ADDRESS_HEAD = struct.Struct("<H")
