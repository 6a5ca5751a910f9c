"""A bus to a simulated chip, in the same process."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from tessel.cc3000.bus import IInstantBus, SimulatedPins


@implementer(IInstantBus)
class SimulatedBus:
    """A bus that connects the driver to a simulated chip, without any delay."""

    def __init__(self, chip: SimulatedPins) -> None:
        self._chip = chip
        self.exchange = chip.transfer
        self._watcher: Callable[[], None] | None = None
        chip.irq_changed = self._edge

    def set_power(self, on: bool) -> None:
        self._chip.power(on)

    def set_selected(self, selected: bool) -> None:
        self._chip.select(selected)

    def transfer(self, mosi: bytes) -> Deferred[bytes]:
        return succeed(self._chip.transfer(mosi))

    def irq_asserted(self) -> bool:
        return self._chip.irq

    def watch_irq(self, changed: Callable[[], None] | None) -> None:
        self._watcher = changed

    def close(self) -> None:
        self._watcher = None
        self._chip.power(False)

    def _edge(self) -> None:
        if self._watcher is not None:
            self._watcher()
