"""Commands about addresses, timers, pings and the chip's memory.

A docstring lists the arguments on the wire where they are more than the fields.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from socket import inet_aton, inet_ntoa
from typing import ClassVar

from tessel.cc3000.hci.codes import DataOpcode, EventOpcode, Opcode
from tessel.cc3000.hci.command import Command, DataMessage
from tessel.cc3000.hci.fields import ANY_ADDRESS, span, unpacked, words
from tessel.cc3000.hci.packets import DataPacket
from tessel.cc3000.hci.replies import Done, IpConfig, Result, ServicePack


@dataclass(frozen=True, slots=True)
class SetAddress(Command[Done]):
    """Set a static address, or DHCP with ANY_ADDRESS. Stored while the power is off.

    address, mask, gateway, 0, name server
    """

    OPCODE = Opcode.DHCP
    REPLY = Done
    address: str = ANY_ADDRESS
    mask: str = ANY_ADDRESS
    gateway: str = ANY_ADDRESS
    name_server: str = ANY_ADDRESS

    def args(self) -> bytes:
        own = inet_aton(self.address) + inet_aton(self.mask) + inet_aton(self.gateway)
        return own + bytes(4) + inet_aton(self.name_server)

    @classmethod
    def parse(cls, args: bytes) -> SetAddress:
        args = span(args, 0, 20)
        return cls(*(inet_ntoa(args[at : at + 4]) for at in (0, 4, 8, 16)))


@dataclass(frozen=True, slots=True)
class Ping(Command[Done]):
    """Ping a host `attempts` times with `size` bytes. The chip reports by `PingReport`."""

    OPCODE = Opcode.PING_SEND
    REPLY = Done
    address: str
    attempts: int = 3
    size: int = 64
    timeout_ms: int = 1000

    def args(self) -> bytes:
        return inet_aton(self.address) + words(3).pack(self.attempts, self.size, self.timeout_ms)

    @classmethod
    def parse(cls, args: bytes) -> Ping:
        numbers = unpacked(words(3), args[4:])
        return cls(inet_ntoa(args[:4]), *numbers)


@dataclass(frozen=True, slots=True)
class ReportPing(Command[Done]):
    """Request a `PingReport` of the pings made so far."""

    OPCODE = Opcode.PING_REPORT
    REPLY = Done


@dataclass(frozen=True, slots=True)
class StopPing(Command[Done]):
    """Stop the current PING command."""

    OPCODE = Opcode.PING_STOP
    REPLY = Done


@dataclass(frozen=True, slots=True)
class GetIpConfig(Command[IpConfig]):
    """Request the chip's addresses, its MAC address and the name of its network."""

    OPCODE = Opcode.IP_CONFIG
    REPLY = IpConfig


@dataclass(frozen=True, slots=True)
class FlushArp(Command[Done]):
    """Empty the chip's ARP table."""

    OPCODE = Opcode.ARP_FLUSH
    REPLY = Done


@dataclass(frozen=True, slots=True)
class SetDebugLevel(Command[Done]):
    """Set which debug messages the chip sends."""

    OPCODE = Opcode.SET_DEBUG_LEVEL
    REPLY = Done
    FORMAT = words(1)
    level: int


@dataclass(frozen=True, slots=True)
class SetTimers(Command[Done]):
    """Set the chip's timers, in seconds; 0 turns one off. Stored while the power is off.

    Four bytes without a meaning follow.
    """

    OPCODE = Opcode.SET_TIMERS
    REPLY = Done
    FORMAT = struct.Struct("<IIII")
    dhcp_s: int = 14_400
    arp_s: int = 3_600
    keepalive_s: int = 10
    inactivity_s: int = 60

    def args(self) -> bytes:
        timers = (self.dhcp_s, self.arp_s, self.keepalive_s, self.inactivity_s)
        return self.FORMAT.pack(*timers) + bytes(4)


@dataclass(frozen=True, slots=True)
class ReadNvmem(Command[Done]):
    """Read `length` bytes of a file from `offset` on. The bytes follow in a data packet."""

    OPCODE = Opcode.NVMEM_READ
    REPLY = Done
    FORMAT = words(3)
    file: int
    length: int
    offset: int = 0

    @classmethod
    def follows(cls, reply: Done) -> int | None:
        del reply
        return DataOpcode.NVMEM


@dataclass(frozen=True, slots=True)
class CreateNvmemEntry(Command[Done]):
    """Create a file of `length` bytes in the chip's non-volatile memory."""

    OPCODE = Opcode.NVMEM_CREATE_ENTRY
    REPLY = Done
    FORMAT = words(2)
    file: int
    length: int


@dataclass(frozen=True, slots=True)
class WriteNvmem(DataMessage[Result]):
    """Write at most 512 bytes to a file in the chip's non-volatile memory.

    file, 0x0c, length, offset; then the bytes
    """

    OPCODE = DataOpcode.NVMEM_WRITE
    ANSWER = EventOpcode.NVMEM_WRITTEN
    REPLY = Result
    LARGEST: ClassVar[int] = 512
    file: int
    data: bytes
    offset: int = 0

    def args(self) -> bytes:
        return words(4).pack(self.file, 0x0C, len(self.data), self.offset)

    def payload(self) -> bytes:
        return self.data

    @classmethod
    def read(cls, packet: DataPacket) -> WriteNvmem:
        file, _, length, offset = unpacked(words(4), packet.args)
        return cls(file, span(packet.payload, 0, length), offset)


@dataclass(frozen=True, slots=True)
class ReadServicePack(Command[ServicePack]):
    """Request the version of the chip's firmware."""

    OPCODE = Opcode.READ_SP_VERSION
    REPLY = ServicePack


@dataclass(frozen=True, slots=True)
class NvmemBytes:
    """The bytes of a file that the chip sends after its answer to `ReadNvmem`.

    The meaning of its arguments on the wire is not known.
    """

    data: bytes

    def packet(self, file: int) -> DataPacket:
        args = words(3).pack(file, 0x0C, len(self.data))
        return DataPacket(DataOpcode.NVMEM, args, self.data)

    @classmethod
    def read(cls, packet: DataPacket) -> NvmemBytes:
        return cls(packet.payload)
