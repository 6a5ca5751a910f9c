"""A bus with faults: flipped bits, cut frames, a silent chip, wrong interrupts (nIRQ)."""

from twisted.internet.defer import fail, succeed
from zope.interface import implementer

from tessel.cc3000.bus import IBus, IInstantBus
from tessel.cc3000.errors import BusError


def _as_it_is(data):
    return data


@implementer(IBus)
class FaultyBus:
    """Passes all calls to another bus, with the faults that a test sets.

    `mosi` and `miso` change bytes on their way to and from the chip, in place of which they may
    give fewer. `silent`: nIRQ stays high and MISO reads ones, as from a chip without power.
    `broken`: the machine cannot transfer.
    """

    def __init__(self, bus):
        self._bus = bus
        self._watcher = None
        self._spike = False
        self.mosi = self.miso = _as_it_is
        self.silent = False
        self.broken = False
        self.closed = False

    def heal(self):
        self.mosi = self.miso = _as_it_is
        self.silent = self.broken = False

    def spike(self):
        """Hold nIRQ low without a reason, until nCS next rises."""
        self._spike = True
        self._edge()

    def edge(self):
        """Report an edge that did not happen."""
        self._edge()

    def set_power(self, on):
        self._bus.set_power(on)

    def set_selected(self, selected):
        if not selected:
            self._spike = False
        self._bus.set_selected(selected)

    def transfer(self, mosi):
        if self.broken:
            return fail(BusError("no such device"))
        if self.silent:
            return succeed(b"\xff" * len(mosi))
        return self._bus.transfer(self.mosi(mosi)).addCallback(self.miso)

    def irq_asserted(self):
        return not self.silent and (self._spike or self._bus.irq_asserted())

    def watch_irq(self, changed):
        self._watcher = changed
        self._bus.watch_irq(self._edge if changed is not None else None)

    def close(self):
        self.closed = True
        self._bus.close()

    def _edge(self):
        if self._watcher is not None and not self.silent:
            self._watcher()


@implementer(IInstantBus)
class FaultyInstantBus(FaultyBus):
    """A FaultyBus over a bus whose transfers take no time."""

    def exchange(self, mosi):
        if self.broken:
            raise BusError("no such device")
        if self.silent:
            return b"\xff" * len(mosi)
        return self.miso(self._bus.exchange(self.mosi(mosi)))


def flipped(data, bit):
    """Return the bytes with one bit flipped; `bit` wraps around at the end."""
    at = bit % (8 * len(data)) if data else 0
    changed = bytearray(data)
    if changed:
        changed[at // 8] ^= 1 << at % 8
    return bytes(changed)
