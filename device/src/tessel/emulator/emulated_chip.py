"""The emulated chip at its pins: power, nCS, nIRQ, and the bytes of transfers.

nCS high   nIRQ falls: there is a packet to read
nCS low    nIRQ falls: the chip is ready to be written to
nCS rises  the chip acts on a write, or removes the packet that was read; nIRQ rises
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from tessel.cc3000.errors import FrameError
from tessel.cc3000.hci.netapp import SetTimers
from tessel.cc3000.hci.packets import DataPacket, EventPacket
from tessel.cc3000.spi import FIRST_WRITE_CUT, READ, WRITE, WRITE_ANSWER, packet_written, read_frame
from tessel.emulator.air import Air
from tessel.emulator.firmware import Firmware
from tessel.emulator.nvmem import ChipMemory
from tessel.emulator.profiles import DEFAULT, PROFILES, Profile

MOST_UNREAD = 64  # packets held for a host that does not read; more are dropped
LARGEST_WRITE = 4096  # bytes; the chip's buffers hold 1500, and patches are smaller
NO_PACKET = bytes((0x02, 0, 0, 0, 0))  # the answer to a read when there is no packet

_log = Logger()


def _ignore_edge() -> None:
    return


class EmulatedChip:
    """A CC3000 made of code, between the host's pins and the simulated Wi-Fi network.

    The arguments of pins say active or inactive, whatever the voltage (`tessel.cc3000.bus`). The
    host may send any bytes.
    """

    def __init__(
        self, air: Air, profile: Profile = PROFILES[DEFAULT], *, by_level: bool = False
    ) -> None:
        """Make a chip without power.

        `by_level`: the host reads the level of nIRQ and needs no edge for each packet, so nIRQ
        stays low while packets wait. An edge costs a turn of the reactor, which is more than all
        other work for a packet.
        """
        quirks = profile.quirks
        self.irq = False
        self.irq_changed: Callable[[], None] = _ignore_edge
        self._by_level = by_level and not profile.latencies.irq_gap_s
        self.nvmem = ChipMemory(
            SetTimers(keepalive_s=quirks.keepalive_s, inactivity_s=quirks.inactivity_s)
        )
        self.firmware: Firmware | None = None  # None while the power is off
        self._air = air
        self._profile = profile
        self._unread: deque[bytes] = deque()  # frames for the host
        self._selected = False
        self._first_write = True
        self._bursts: list[bytes] = []  # the transfers of this operation
        self._answer = b""
        self._clocked = 0
        self._soon: IDelayedCall | None = None

    # Pins.

    def power(self, on: bool) -> None:
        """Set VBAT_EN: switch the chip's power on or off."""
        if on is (self.firmware is not None):
            return
        if on:
            self.firmware = Firmware(self._air, self._profile, self.nvmem, self._say)
            self._first_write = True
            self._later(self._profile.latencies.power_up_s)
            return
        firmware, self.firmware = self.firmware, None
        if firmware is not None:
            firmware.stop()
        self._unread.clear()
        self._bursts.clear()
        self._stop_soon()
        self._move_irq(active=False)

    def select(self, selected: bool) -> None:
        """Set nCS: True begins an operation, False ends it, and the chip acts on a write."""
        if selected is self._selected:
            return
        self._selected = selected
        if self.firmware is None:
            return
        self._stop_soon()
        if selected:
            self._bursts.clear()
            self._clocked = 0
            self._move_irq(active=True)
        else:
            self._end_operation(self.firmware)

    def transfer(self, mosi: bytes) -> bytes:
        """Receive the bytes `mosi` from the host, and return as many bytes of the chip.

        All returned bytes are 0 while the chip is off or not selected.
        """
        if self.firmware is None or not self._selected:
            return bytes(len(mosi))
        if not self._bursts:
            self._answer = self._answer_to(mosi[:1])
        if self._clocked < LARGEST_WRITE:
            self._bursts.append(mosi)  # the rest is dropped
        at = self._clocked
        self._clocked += len(mosi)
        return self._answer[at : at + len(mosi)].ljust(len(mosi), b"\0")

    # An operation.

    def _answer_to(self, first: bytes) -> bytes:
        if first == bytes((READ,)):
            return self._unread[0] if self._unread else NO_PACKET
        return WRITE_ANSWER if first == bytes((WRITE,)) else b""

    def _end_operation(self, firmware: Firmware) -> None:
        bursts, self._bursts = self._bursts, []
        kind = bursts[0][0] if bursts and bursts[0] else None
        if kind == READ and self._unread and self._clocked > len(NO_PACKET):
            self._unread.popleft()
        elif kind == WRITE:
            self._written(bursts, firmware)
        if self._by_level and self._unread:
            return  # nIRQ stays low
        self._move_irq(active=False)
        self._ask_to_be_read()

    def _written(self, bursts: list[bytes], firmware: Firmware) -> None:
        first, self._first_write = self._first_write, False
        if first and self._profile.quirks.first_write_in_two and not _was_cut(bursts):
            _log.debug("the first write came in one transfer, so the chip has ignored it")
            self._first_write = True
            return
        try:
            packet = packet_written(b"".join(bursts))
        except FrameError as fault:
            _log.debug("the host wrote something unreadable: {fault}", fault=fault)
            return
        firmware.hear(packet)

    # nIRQ.

    def _say(self, packet: EventPacket | DataPacket) -> None:
        if len(self._unread) >= MOST_UNREAD:
            _log.debug(
                "the host does not read: packet {opcode:#06x} is dropped", opcode=packet.opcode
            )
            return
        self._unread.append(read_frame(packet.encode()))
        self._ask_to_be_read()

    def _ask_to_be_read(self) -> None:
        busy = self._selected or self.irq or self._soon is not None
        if self._unread and not busy:
            self._later(self._profile.latencies.irq_gap_s)

    def _later(self, delay_s: float) -> None:
        """Let nIRQ fall later, from the reactor: the host gets one interrupt for each edge."""
        self._stop_soon()
        self._soon = self._air.clock.callLater(delay_s, self._now)

    def _now(self) -> None:
        self._soon = None
        self._move_irq(active=True)

    def _stop_soon(self) -> None:
        if self._soon is not None:
            self._soon.cancel()
            self._soon = None

    def _move_irq(self, *, active: bool) -> None:
        if active is not self.irq:
            self.irq = active
            self.irq_changed()


def _was_cut(bursts: list[bytes]) -> bool:
    return len(bursts) > 1 and len(bursts[0]) == FIRST_WRITE_CUT
