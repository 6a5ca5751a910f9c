"""A chip that replays a recording: it checks the writes and answers as recorded."""

from collections import deque

from support.spi_vectors import CHIP, HOST, bursts
from tessel.cc3000 import spi


class ScriptedChip:
    """`irq` and the rest as `tessel.cc3000.bus.SimulatedPins` wants them.

    `written` has what the host wrote; a write at a wrong time is kept, and never answered.
    """

    def __init__(self, *names):
        self.script = deque(burst for name in names for burst in bursts(name))
        self.irq = False
        self.irq_changed = lambda: None
        self.powered = []
        self.written = []
        self.cuts = []  # lengths of the transfers of each write
        self._mosi = b""
        self._miso = b""
        self._selected = False

    def power(self, on):
        self.powered.append(on)
        self._set_irq(on)

    def select(self, selected):
        if selected is self._selected:
            return
        self._selected = selected
        if selected:
            self._mosi, transfers = b"", []
            self.cuts.append(transfers)
            reading = self.irq and self.script and self.script[0].side == CHIP
            self._miso = self.script[0].data if reading else b""
            self._set_irq(True)
        else:
            self._end()

    def transfer(self, mosi):
        self._mosi += mosi
        self.cuts[-1].append(len(mosi))
        start = len(self._mosi) - len(mosi)
        return self._miso[start : start + len(mosi)].ljust(len(mosi), b"\0")

    def say(self):
        """Send an event, if it is next in the recording."""
        self._set_irq(bool(self.script) and self.script[0].side == CHIP)

    def _end(self):
        if self._mosi[:1] == bytes([spi.READ]):
            if self._miso:
                self.script.popleft()
            self.cuts.pop()
        elif self._mosi:
            self.written.append(self._mosi)
            if self.script and self.script[0].side == HOST:
                self.script.popleft()
        self._set_irq(False)
        self.say()

    def _set_irq(self, irq):
        changed, self.irq = self.irq is not irq, irq
        if changed:
            self.irq_changed()
