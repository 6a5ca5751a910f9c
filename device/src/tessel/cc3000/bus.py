"""The chip's pins as a host sees them: four wires of SPI and three more.

    host -> chip   VBAT_EN  power                      `set_power`
    host -> chip   nCS      chip select, active low    `set_selected`
    host <> chip   SCK, MOSI, MISO, mode 1             `transfer`
    chip -> host   nIRQ     active low                 `irq_asserted`, `watch_irq`

True always means active, whatever the voltage: selected is nCS low, asserted is nIRQ low. nIRQ
says two things: while nCS is high, that the chip has a packet; after nCS went low, that it is ready
to be written to. The chip acts on a write when nCS rises. A bus knows nothing of frames.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from zope.interface import Interface

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred


class IBus(Interface):
    """A bus with one chip on it. All calls come from the reactor's thread."""

    def set_power(on: bool) -> None:
        """Move VBAT_EN at once. Raises BusError."""

    def set_selected(selected: bool) -> None:
        """Move nCS at once; it stays over any number of transfers. Raises BusError.

        It returns when what the chip then says with nIRQ can be relied on: 5 us after nCS rose.
        """

    def transfer(mosi: bytes) -> Deferred[bytes]:
        """Clock these bytes; fires with as many from MISO, or fails with BusError.

        It never blocks the reactor, and there is one at a time. nCS is not touched.
        """

    def irq_asserted() -> bool:
        """Is nIRQ low now?"""

    def watch_irq(changed: Callable[[], None] | None) -> None:
        """Call `changed` after each edge of nIRQ; None: no more. There is one watcher.

        An edge may be told late, or one call may stand for several, so what counts is the level
        then. It comes in the reactor's thread, and may come from inside `set_power` and
        `set_selected`: whoever moves those must be ready for it.
        """

    def close() -> None:
        """Power off, and give the pins back. Nothing may be called afterwards."""


class IInstantBus(IBus):
    """A bus on which a transfer takes no time, as that of a chip made of code."""

    def exchange(mosi: bytes) -> bytes:
        """As `transfer`, done at once: a Deferred for each would cost more than the transfer."""


class ChipPins(Protocol):
    """The other end of the wires: what a chip made of code offers to a `SimulatedBus`.

    A chip calls `irq_changed` after each edge, never from inside `transfer`, and acts on what was
    written when `select(False)` is called.
    """

    irq: bool  # nIRQ is low
    irq_changed: Callable[[], None]  # set by the bus

    def power(self, on: bool) -> None: ...

    def select(self, selected: bool) -> None: ...

    def transfer(self, mosi: bytes) -> bytes: ...
