"""The times that the simulated chip takes to answer, and the bytes that it carries per second."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from twisted.internet.interfaces import IReactorTime

from tessel.cc3000.hci.codes import Opcode


@dataclass(frozen=True, slots=True, kw_only=True)
class Latencies:
    """The chip's delays in seconds and rates in bytes per second.

    By default there is no delay, and a rate of None is not limited.
    """

    # By opcode: from the end of the write until nIRQ falls.
    commands: Mapping[int, float] = field(default_factory=dict)
    power_up_s: float = 0.0  # from VBAT_EN high until nIRQ falls
    irq_gap_s: float = 0.0  # from the end of one packet until nIRQ falls for the next
    join_s: float = 0.0  # from WLAN_CONNECT until the access point accepts the chip
    lease_s: float = 0.0  # from then until the chip has an address
    receive_bytes_per_s: float | None = None
    send_bytes_per_s: float | None = None


# Measured on a real chip with a logic analyser, except where a comment says otherwise.
MEASURED = Latencies(
    commands=MappingProxyType(
        {
            Opcode.START: 0.969,
            Opcode.READ_BUFFER_SIZE: 0.18,  # 170 to 193 ms
            Opcode.EVENT_MASK: 0.000_088,
            Opcode.READ_SP_VERSION: 0.000_07,
            Opcode.SET_CONNECTION_POLICY: 0.589,
            Opcode.SET_SCAN_PARAMETERS: 1.177,
            Opcode.SET_TIMERS: 0.1127,
            Opcode.DHCP: 0.1127,
        }
    ),
    power_up_s=0.0634,
    irq_gap_s=0.000_07,
    join_s=0.5,  # 10 to 1040 ms
    lease_s=0.5,  # 330 to 760 ms
    receive_bytes_per_s=32_000,  # estimated from the time of a byte on the Tessel's bus
    send_bytes_per_s=40_000,
)


class Ceiling:
    """Limits a rate: computes how long a transfer takes, with the transfers before it."""

    def __init__(self, bytes_per_s: float | None, clock: IReactorTime) -> None:
        self._bytes_per_s = bytes_per_s
        self._clock = clock
        self._free_at = 0.0

    def wait_s(self, nbytes: int) -> float:
        """Count a transfer of `nbytes` bytes and return the seconds until it ends.

        Returns 0 without a limit.
        """
        if self._bytes_per_s is None or not nbytes:
            return 0.0
        now = self._clock.seconds()
        self._free_at = max(now, self._free_at) + nbytes / self._bytes_per_s
        return self._free_at - now
