"""A bus that writes a trace of its operations, one after the other.

    # VBAT_EN=1
    # nCS=0 (nIRQ was 0) 63.412 ms        nIRQ just before; the time since the trace began
    MOSI 01 00 05 00 00 01 00 40 01 00    a write: the bytes from the host
    # nCS=1
    # nCS=0 (nIRQ was 0) 1032.770 ms
    MISO 02 00 00 00 05 04 00 40 01 00    a read: the bytes from the chip
    # nCS=1

A trace contains all sent and received bytes in clear, and the keys of Wi-Fi networks.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from tessel.cc3000.bus import IBus
from tessel.cc3000.spi import READ

MOSI, MISO = "MOSI", "MISO"
EDGES = ("# VBAT_EN=", "# nCS=")  # how the other lines begin


@implementer(IBus)
class TracedBus:
    """A bus that passes each operation on to another bus and writes a trace of it.

    `write` is called with whole lines of the trace.
    """

    def __init__(self, bus: IBus, clock: IReactorTime, write: Callable[[str], object]) -> None:
        self._bus = bus
        self._clock = clock
        self._write = write
        self._began = clock.seconds()
        self._mosi: list[bytes] = []
        self._miso: list[bytes] = []

    def set_power(self, on: bool) -> None:
        self._write(f"# VBAT_EN={on:d}\n")
        self._bus.set_power(on)

    def set_selected(self, selected: bool) -> None:
        if selected:
            level = not self._bus.irq_asserted()
            now_ms = (self._clock.seconds() - self._began) * 1000
            self._write(f"# nCS=0 (nIRQ was {level:d}) {now_ms:.3f} ms\n")
        else:
            self._end_operation()
        self._bus.set_selected(selected)

    def transfer(self, mosi: bytes) -> Deferred[bytes]:
        self._mosi.append(mosi)
        return self._bus.transfer(mosi).addCallback(self._answered)

    def irq_asserted(self) -> bool:
        return self._bus.irq_asserted()

    def watch_irq(self, changed: Callable[[], None] | None) -> None:
        self._bus.watch_irq(changed)

    def close(self) -> None:
        self._end_operation()
        self._bus.close()

    def _answered(self, miso: bytes) -> bytes:
        self._miso.append(miso)
        return miso

    def _end_operation(self) -> None:
        if not self._mosi:
            return
        mosi, miso = b"".join(self._mosi), b"".join(self._miso)
        self._mosi.clear()
        self._miso.clear()
        side, data = (MISO, miso) if mosi[:1] == bytes((READ,)) else (MOSI, mosi)
        self._write(f"{side} {data.hex(' ')}\n# nCS=1\n")
