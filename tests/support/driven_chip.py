"""The driver connected to an emulated chip, with a fake network."""

from twisted.internet.defer import Deferred

from support.fake_air import HOME, FakeAir
from support.faulty_bus import FaultyBus
from tessel.cc3000.chip import Chip
from tessel.cc3000.simulated import SimulatedBus
from tessel.emulator import emulated_chip as emulator
from tessel.emulator.latencies import Latencies
from tessel.emulator.profiles import Profile
from tessel.emulator.quirks import Quirks


class Joined:
    """`chip` is the driver, `emulated` the emulated chip."""

    def __init__(self, quirks=None, points=(HOME,), *, boot=True):
        self.air = FakeAir(*points)
        self.machine = self.air.machine
        self.emulated = emulator.EmulatedChip(self.air, Profile(quirks or Quirks(), Latencies()))
        self.bus = FaultyBus(SimulatedBus(self.emulated))
        self.chip = Chip(self.bus, self.machine)
        if boot:
            assert str(self.now(self.chip.boot())) == "1.26"

    def begin(self, work):
        """Start a call; return a list that gets its result or exception when it is done."""
        results = []
        deferred = work if isinstance(work, Deferred) else Deferred.fromCoroutine(work)
        deferred.addCallbacks(results.append, lambda failure: results.append(failure.value))
        return results

    def settle(self, seconds=0.2):
        """Let driver and chip run for some seconds of fake time."""
        for _ in range(int(seconds / 0.002)):
            self.machine.advance(0.002)

    def now(self, work):
        """Wait for the result of a call, for a short time."""
        results = self.begin(work)
        self.settle(0.02)
        if not results:
            self.settle(0.3)
        assert results, "it still waits"
        if isinstance(results[0], Exception):
            raise results[0]
        return results[0]

    def join(self, point=HOME):
        return self.now(self.chip.wlan.join(point.ssid, point.security, point.key))
