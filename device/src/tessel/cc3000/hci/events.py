"""Events of the chip that do not answer a command."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from tessel.cc3000.errors import FrameError
from tessel.cc3000.hci.codes import Code, EventOpcode
from tessel.cc3000.hci.fields import span, unpacked, words
from tessel.cc3000.hci.packets import EventPacket
from tessel.cc3000.hci.replies import Lease, Sent


@dataclass(frozen=True, slots=True)
class WlanConnected:
    """The chip has joined a network. It has no IP address there yet."""

    def packet(self) -> EventPacket:
        return EventPacket(EventOpcode.WLAN_CONNECTED)


@dataclass(frozen=True, slots=True)
class WlanDisconnected:
    """The chip has left the network, or could not join it."""

    def packet(self) -> EventPacket:
        return EventPacket(EventOpcode.WLAN_DISCONNECTED)


@dataclass(frozen=True, slots=True)
class DhcpDone:
    """The chip has an IP address if `status` is 0: a new, renewed or static one."""

    lease: Lease
    status: int = 0

    def packet(self) -> EventPacket:
        return EventPacket(EventOpcode.DHCP_DONE, self.status, self.lease.encode())


@dataclass(frozen=True, slots=True)
class PingReport:
    """The result of a PING command. Times are in ms."""

    sent: int
    received: int
    shortest: int
    longest: int
    average: int

    def packet(self) -> EventPacket:
        numbers = (self.sent, self.received, self.shortest, self.longest, self.average)
        return EventPacket(EventOpcode.PING_REPORTED, 0, _PING.pack(*numbers))


@dataclass(frozen=True, slots=True)
class Keepalive:
    """Sent by the chip at intervals to report that it still runs."""

    def packet(self) -> EventPacket:
        return EventPacket(EventOpcode.KEEPALIVE)


@dataclass(frozen=True, slots=True)
class SmartConfigDone:
    """SmartConfig has received the credentials of a network."""

    def packet(self) -> EventPacket:
        return EventPacket(EventOpcode.SMART_CONFIG_DONE)


@dataclass(frozen=True, slots=True)
class CloseWait:
    """The peer of a socket has closed its side. Bytes sent before can still be read."""

    sd: int

    def packet(self) -> EventPacket:
        return EventPacket(EventOpcode.TCP_CLOSE_WAIT, 0, self.sd.to_bytes(4, "little"))


@dataclass(frozen=True, slots=True)
class FreeBuffers:
    """Send buffers are free again: pairs of a socket and its number of freed buffers."""

    freed: Sequence[tuple[int, int]]

    def packet(self) -> EventPacket:
        # The host may have sent a socket number of more than one byte.
        entries = b"".join(_FREED.pack(sd & 0xFF, 1, count) for sd, count in self.freed)
        count = len(self.freed).to_bytes(2, "little")
        return EventPacket(EventOpcode.FREE_BUFFERS, 0, count + entries)


@dataclass(frozen=True, slots=True)
class SendFailed:
    """The chip cannot send bytes that it accepted earlier: the socket is dead."""

    sd: int
    status: int = 0

    def packet(self) -> EventPacket:
        return EventPacket(EventOpcode.SENT, self.status, Sent(self.sd, Code.INACTIVE).args())


@dataclass(frozen=True, slots=True)
class PatchRequest:
    """The chip asks for a patch during its start.

    `kind`: 1 driver, 2 firmware, 3 bootloader. The host answers with a `PatchPacket` of the same
    kind.
    """

    kind: int

    def packet(self) -> EventPacket:
        return EventPacket(EventOpcode.PATCHES_REQUEST, 0, bytes([self.kind]))


@dataclass(frozen=True, slots=True)
class Unknown:
    """An event with an unknown opcode that answers no command.

    Newer service packs have more events.
    """

    opcode: int

    def packet(self) -> EventPacket:
        return EventPacket(self.opcode)


Unsolicited: TypeAlias = (
    WlanConnected
    | WlanDisconnected
    | DhcpDone
    | PingReport
    | Keepalive
    | SmartConfigDone
    | CloseWait
    | FreeBuffers
    | SendFailed
    | PatchRequest
    | Unknown
)

_PING = words(5)
_FREED = struct.Struct("<BBH")
_NEVER_AN_ANSWER = 0x8000


def unsolicited(packet: EventPacket) -> Unsolicited | None:
    """Decode an event that answers no command; return None for an answer.

    Raises FrameError.
    """
    known = _KNOWN.get(packet.opcode)
    if known is not None:
        return known(packet)
    if packet.opcode == EventOpcode.SENT:
        sent = Sent.parse(packet.args)
        return SendFailed(sent.sd, packet.status) if sent.count == Code.INACTIVE else None
    return Unknown(packet.opcode) if packet.opcode & _NEVER_AN_ANSWER else None


def _free_buffers(packet: EventPacket) -> FreeBuffers:
    count = int.from_bytes(span(packet.args, 0, 2), "little")
    entries = span(packet.args, 2, count * _FREED.size)
    return FreeBuffers(tuple((sd, freed) for sd, _, freed in _FREED.iter_unpack(entries)))


def _first(packet: EventPacket) -> int:
    if not packet.args:
        raise FrameError(f"event {packet.opcode:#06x} without arguments")
    return packet.args[0]  # TI's driver, too, uses only one of the four bytes


_KNOWN: dict[int, Callable[[EventPacket], Unsolicited]] = {
    EventOpcode.WLAN_CONNECTED: lambda _: WlanConnected(),
    EventOpcode.WLAN_DISCONNECTED: lambda _: WlanDisconnected(),
    EventOpcode.DHCP_DONE: lambda packet: DhcpDone(Lease.decode(packet.args), packet.status),
    EventOpcode.PING_REPORTED: lambda packet: PingReport(*unpacked(_PING, packet.args)),
    EventOpcode.KEEPALIVE: lambda _: Keepalive(),
    EventOpcode.SMART_CONFIG_DONE: lambda _: SmartConfigDone(),
    EventOpcode.TCP_CLOSE_WAIT: lambda packet: CloseWait(_first(packet)),
    EventOpcode.FREE_BUFFERS: _free_buffers,
    EventOpcode.PATCHES_REQUEST: lambda packet: PatchRequest(_first(packet)),
}
