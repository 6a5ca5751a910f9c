"""Commands about the chip as a whole, and about Wi-Fi.

A docstring lists the arguments on the wire where they are more than the fields. Constants among
them, such as 0x1c, say where in the message a part begins, and the chip requires them.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import ClassVar

from tessel.cc3000.errors import FrameError
from tessel.cc3000.hci.codes import Opcode, Security
from tessel.cc3000.hci.command import Command
from tessel.cc3000.hci.fields import span, unpacked, words
from tessel.cc3000.hci.replies import Bits, BufferSize, Done, Result, ScanResult

ANY_BSSID = bytes(6)
NO_ROOM = ALL_PROFILES = 255


@dataclass(frozen=True, slots=True)
class Start(Command[Done]):
    """Start the chip after power-up.

    `patches`: 0 uses the chip's own patches, 1 asks the host for patches, 2 uses none.
    """

    OPCODE = Opcode.START
    REPLY = Done
    FORMAT = struct.Struct("<B")
    patches: int = 0


@dataclass(frozen=True, slots=True)
class ReadBufferSize(Command[BufferSize]):
    """Request the number and the size of the chip's send buffers."""

    OPCODE = Opcode.READ_BUFFER_SIZE
    REPLY = BufferSize


@dataclass(frozen=True, slots=True)
class SetEventMask(Command[Result]):
    """Set which events the chip does not report: a set bit suppresses the event of that opcode."""

    OPCODE = Opcode.EVENT_MASK
    REPLY = Result
    FORMAT = words(1)
    mask: int


@dataclass(frozen=True, slots=True)
class GetStatus(Command[Bits]):
    """Request the state of the Wi-Fi connection. The chip answers with a `WlanStatus`."""

    OPCODE = Opcode.STATUS_GET
    REPLY = Bits


@dataclass(frozen=True, slots=True)
class ConnectWlan(Command[Result]):
    """Join a network. Result 0 means that the attempt has begun; events report its outcome.

    0x1c, length of ssid, security, 0x10 + that length, length of key, 0(2) bssid(6) ssid key
    """

    OPCODE = Opcode.WLAN_CONNECT
    REPLY = Result
    ssid: bytes
    security: int = Security.OPEN
    key: bytes = field(default=b"", repr=False)
    bssid: bytes = ANY_BSSID

    HEAD: ClassVar[struct.Struct] = struct.Struct("<IIIIIH6s")

    def args(self) -> bytes:
        length = len(self.ssid)
        head = (0x1C, length, self.security, 0x10 + length, len(self.key), 0, self.bssid)
        return self.HEAD.pack(*head) + self.ssid + self.key

    @classmethod
    def parse(cls, args: bytes) -> ConnectWlan:
        head: tuple[int, int, int, int, int, int, bytes]
        head = unpacked(cls.HEAD, args)  # type: ignore[assignment]  # the format's last is bytes
        _, length, security, _, key_length, _, bssid = head
        ssid = span(args, cls.HEAD.size, length)
        key = span(args, cls.HEAD.size + length, key_length)
        return cls(ssid, security, key, bssid)


@dataclass(frozen=True, slots=True)
class DisconnectWlan(Command[Result]):
    """Leave the current network."""

    OPCODE = Opcode.WLAN_DISCONNECT
    REPLY = Result


@dataclass(frozen=True, slots=True)
class SetScanParameters(Command[Result]):
    """Set how the chip scans for networks.

    0x24, then the fields; the last 16 words are the pause after each channel, in ms.
    """

    OPCODE = Opcode.SET_SCAN_PARAMETERS
    REPLY = Result
    FORMAT = struct.Struct("<IIIIIiII16I")
    interval_ms: int  # 0: no scans; 1: every ten minutes
    shortest_ms: int = 20
    longest_ms: int = 30
    probes: int = 2
    channels: int = 0x7FF  # one bit for each channel, from channel 1 on
    rssi: int = -100
    snr: int = 0
    tx_power: int = 205
    waits_ms: tuple[int, ...] = (2000,) * 16

    def args(self) -> bytes:
        *numbers, waits = (getattr(self, name) for name in self.__match_args__)
        return bytes((0x24, 0, 0, 0)) + self.FORMAT.pack(*numbers, *waits)

    @classmethod
    def parse(cls, args: bytes) -> SetScanParameters:
        interval, low, high, probes, channels, rssi, snr, power, *waits = unpacked(
            cls.FORMAT, args[4:]
        )
        return cls(interval, low, high, probes, channels, rssi, snr, power, tuple(waits))


@dataclass(frozen=True, slots=True)
class SetConnectionPolicy(Command[Result]):
    """Set which networks the chip joins by itself after a start.

    The chip keeps the policy while its power is off.
    """

    OPCODE = Opcode.SET_CONNECTION_POLICY
    REPLY = Result
    FORMAT = words(3)
    any_open: int
    last_used: int  # TI's "fast connect"
    profiles: int


@dataclass(frozen=True, slots=True)
class AddProfile(Command[Result]):
    """Store a network. The answer is its index, or 255 if there is no room.

    open     0, 0x14, length of ssid, 0(2) bssid(6) priority ssid
    WEP      1, 0x20, .. priority, 0x0c + length of ssid, length of a key, index, ssid, 4 keys
    WPA(2)   2|3, 0x28, .. priority, 0x18, 0x1e, 2, 8 + length of ssid, length of key, ssid key
    """

    OPCODE = Opcode.ADD_PROFILE
    REPLY = Result
    ssid: bytes
    security: int = Security.OPEN
    key: bytes = field(default=b"", repr=False)
    priority: int = 1
    bssid: bytes = ANY_BSSID
    key_index: int = 0  # WEP has four keys; here all four are the same

    HEAD: ClassVar[struct.Struct] = struct.Struct("<IIIH6sI")
    _STARTS: ClassVar[dict[int, int]] = {0: 0x14, 1: 0x20, 2: 0x28, 3: 0x28}

    def args(self) -> bytes:
        length, start = len(self.ssid), self._STARTS[self.security]
        head = self.HEAD.pack(self.security, start, length, 0, self.bssid, self.priority)
        return head + self._keys()

    def _keys(self) -> bytes:
        length, key_length = len(self.ssid), len(self.key)
        if self.security == Security.OPEN:
            return self.ssid
        if self.security == Security.WEP:
            numbers = words(3).pack(0x0C + length, key_length, self.key_index)
            return numbers + self.ssid + self.key * 4
        return words(5).pack(0x18, 0x1E, 2, 8 + length, key_length) + self.ssid + self.key

    @classmethod
    def parse(cls, args: bytes) -> AddProfile:
        head: tuple[int, int, int, int, bytes, int]
        head = unpacked(cls.HEAD, args)  # type: ignore[assignment]  # the format's fifth is bytes
        security, _, length, _, bssid, priority = head
        if security not in cls._STARTS:
            raise FrameError(f"a profile with security {security}; expected 0 to 3")
        size = 3 if security == Security.WEP else 5 if security else 0
        numbers = unpacked(words(size), args[cls.HEAD.size :])
        at = cls.HEAD.size + 4 * size
        key_length = numbers[1] if size == 3 else numbers[4] if size else 0  # noqa: PLR2004
        key_index = numbers[2] if security == Security.WEP else 0
        ssid, key = span(args, at, length), span(args, at + length, key_length)
        return cls(ssid, security, key, priority, bssid, key_index)


@dataclass(frozen=True, slots=True)
class DeleteProfile(Command[Result]):
    """Delete the stored network with this index, or all networks with ALL_PROFILES."""

    OPCODE = Opcode.DELETE_PROFILE
    REPLY = Result
    FORMAT = words(1)
    index: int = ALL_PROFILES


@dataclass(frozen=True, slots=True)
class GetScanResults(Command[ScanResult]):
    """Request one network that the last scan found; each request returns the next one."""

    OPCODE = Opcode.GET_SCAN_RESULTS
    REPLY = ScanResult
    FORMAT = words(1)
    timeout_ms: int = 0


@dataclass(frozen=True, slots=True)
class StartSmartConfig(Command[Result]):
    """Listen for network credentials that a telephone sends (SmartConfig)."""

    OPCODE = Opcode.SMART_CONFIG_START
    REPLY = Result
    FORMAT = words(1)
    encrypted: int = 0


@dataclass(frozen=True, slots=True)
class StopSmartConfig(Command[Result]):
    """Stop listening for network credentials (SmartConfig)."""

    OPCODE = Opcode.SMART_CONFIG_STOP
    REPLY = Result


@dataclass(frozen=True, slots=True)
class SetSmartConfigPrefix(Command[Result]):
    """Set the prefix that SmartConfig expects from the telephone."""

    OPCODE = Opcode.SMART_CONFIG_SET_PREFIX
    REPLY = Result
    FORMAT = struct.Struct("<3s")
    prefix: bytes = b"TTT"
