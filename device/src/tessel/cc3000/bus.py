"""The chip's pins as the host uses them: SPI with its chip select, power, and interrupt.

    host -> chip   VBAT_EN  power                      `set_power`
    host -> chip   nCS      chip select, active low    `set_selected`
    host <> chip   SCK, MOSI, MISO, mode 1             `transfer`
    chip -> host   nIRQ     active low                 `irq_asserted`, `watch_irq`

True always means active, whatever the voltage: selected is nCS low, asserted is nIRQ low. nIRQ has
two meanings. While nCS is high, the chip has a packet to read. After nCS went low, the chip is
ready to be written to. The chip acts on a write when nCS rises. A bus knows nothing about frames.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from zope.interface import Interface

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred


class IBus(Interface):
    """A bus with one chip on it. All calls are made in the reactor's thread."""

    def set_power(on: bool) -> None:
        """Switch the chip's power (VBAT_EN) at once. Raises BusError."""

    def set_selected(selected: bool) -> None:
        """Set nCS at once; the level stays until the next call. Raises BusError.

        `selected` True means nCS low. Returns when the level of nIRQ is valid: the chip takes up to
        5 us after nCS rises.
        """

    def transfer(mosi: bytes) -> Deferred[bytes]:
        """Send the bytes `mosi` and receive as many from the chip in the same clock cycles.

        The Deferred fires with the bytes received on MISO, or fails with BusError. Only one
        transfer is made at a time. It does not block the reactor, and does not move nCS.
        """

    def irq_asserted() -> bool:
        """Return True if nIRQ is low now."""

    def watch_irq(changed: Callable[[], None] | None) -> None:
        """Call `changed` after each edge of nIRQ; with None, stop watching.

        There is one watcher. A call may come late, or stand for several edges, so the watcher reads
        the level. It is called in the reactor's thread, possibly while the caller is inside
        `set_power` or `set_selected`.
        """

    def close() -> None:
        """Switch the power off and release the pins. No method may be called afterwards."""


class IInstantBus(IBus):
    """A bus whose transfers finish at once, such as the bus of a simulated chip."""

    def exchange(mosi: bytes) -> bytes:
        """Send `mosi` and return as many received bytes at once, without a Deferred.

        It replaces `transfer`: a Deferred would cost more time than the transfer itself.
        """


class SimulatedPins(Protocol):
    """The pins of a simulated chip, for a `SimulatedBus`.

    The chip calls `irq_changed` after each edge of nIRQ, but never inside `transfer`. It acts on a
    write when `select(False)` is called.
    """

    irq: bool  # nIRQ is low
    irq_changed: Callable[[], None]  # set by the bus

    def power(self, on: bool) -> None:
        """Set VBAT_EN: switch the chip's power on or off."""

    def select(self, selected: bool) -> None:
        """Set nCS: True selects the chip (nCS low), False releases it."""

    def transfer(self, mosi: bytes) -> bytes:
        """Receive the host's bytes `mosi`, and return as many bytes of the chip."""
