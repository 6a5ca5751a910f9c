"""Encodes and decodes the four kinds of packet. All numbers are little-endian.

    command   01 opcode(2) length(1) arguments
    data      02 opcode(1) arguments'(1) length(2) arguments payload     length: of both
    patch     03 kind(1) length(2) data'(2) data                         length: data + 2
    event     04 opcode(2) length(1) status(1) arguments                 length: with the status

Bytes after a packet are its pad, and are ignored.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from tessel.cc3000.errors import FrameError

COMMAND, DATA, PATCH, EVENT = 0x01, 0x02, 0x03, 0x04

_COMMAND = struct.Struct("<BHB")
_DATA = struct.Struct("<BBBH")
_PATCH = struct.Struct("<BBHH")
_EVENT = struct.Struct("<BHBB")


@dataclass(frozen=True, slots=True)
class CommandPacket:
    """A command without a payload, from host to chip."""

    opcode: int
    args: bytes = b""

    def encode(self) -> bytes:
        return _COMMAND.pack(COMMAND, self.opcode, len(self.args)) + self.args


@dataclass(frozen=True, slots=True)
class DataPacket:
    """A packet with arguments and a payload, in either direction."""

    opcode: int
    args: bytes
    payload: bytes

    def encode(self) -> bytes:
        length = len(self.args) + len(self.payload)
        head = _DATA.pack(DATA, self.opcode, len(self.args), length)
        return b"".join((head, self.args, self.payload))


@dataclass(frozen=True, slots=True)
class PatchPacket:
    """A part of a firmware patch, from host to chip. Empty if the host has no patch."""

    kind: int
    data: bytes = b""

    def encode(self) -> bytes:
        length = len(self.data)
        return _PATCH.pack(PATCH, self.kind, length + 2, length) + self.data


@dataclass(frozen=True, slots=True)
class EventPacket:
    """An answer to a command, or an event without one, from chip to host."""

    opcode: int
    status: int = 0
    args: bytes = b""

    def encode(self) -> bytes:
        return _EVENT.pack(EVENT, self.opcode, len(self.args) + 1, self.status) + self.args


Packet: TypeAlias = CommandPacket | DataPacket | PatchPacket | EventPacket


def decode(data: bytes) -> Packet:
    """Decode the packet at the beginning of `data`. Bytes after it are ignored.

    Raises FrameError if it is no complete packet.
    """
    try:
        return _DECODERS[data[0]](data)
    except (IndexError, KeyError, struct.error):
        raise FrameError(
            f"not a packet: {len(data)} bytes that begin with {data[:8].hex(' ')}"
        ) from None


def _command(data: bytes) -> CommandPacket:
    _, opcode, length = _COMMAND.unpack_from(data)
    return CommandPacket(opcode, _cut(data, _COMMAND.size, length))


def _data(data: bytes) -> DataPacket:
    _, opcode, args, length = _DATA.unpack_from(data)
    body = _cut(data, _DATA.size, length)
    if args > length:
        raise FrameError(f"a data packet of {length} bytes with {args} bytes of arguments")
    return DataPacket(opcode, body[:args], body[args:])


def _patch(content: bytes) -> PatchPacket:
    _, kind, length, data = _PATCH.unpack_from(content)
    if length != data + 2:
        raise FrameError(f"a patch of {data} bytes with a length of {length}; expected {data + 2}")
    return PatchPacket(kind, _cut(content, _PATCH.size, data))


def _event(data: bytes) -> EventPacket:
    _, opcode, length, status = _EVENT.unpack_from(data)
    if not length:
        raise FrameError(f"event {opcode:#06x} without a status")
    return EventPacket(opcode, status, _cut(data, _EVENT.size, length - 1))


_DECODERS: dict[int, Callable[[bytes], Packet]] = {
    COMMAND: _command,
    DATA: _data,
    PATCH: _patch,
    EVENT: _event,
}


def _cut(data: bytes, start: int, length: int) -> bytes:
    if len(data) < start + length:
        raise FrameError(f"a packet of {length} bytes of which {len(data) - start} came")
    return data[start : start + length]
