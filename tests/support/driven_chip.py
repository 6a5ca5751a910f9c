"""Driver and emulated chip, joined by their pins, on a machine in memory."""

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
    """`chip` is the driver's, `emulated` the other."""

    def __init__(self, quirks=None, points=(HOME,), *, boot=True):
        self.air = FakeAir(*points)
        self.machine = self.air.machine
        self.emulated = emulator.EmulatedChip(self.air, Profile(quirks or Quirks(), Latencies()))
        self.bus = FaultyBus(SimulatedBus(self.emulated))
        self.chip = Chip(self.bus, self.machine)
        if boot:
            assert str(self.now(self.chip.boot())) == "1.26"

    def begin(self, work):
        """What it returned or raised, when it has."""
        results = []
        deferred = work if isinstance(work, Deferred) else Deferred.fromCoroutine(work)
        deferred.addCallbacks(results.append, lambda failure: results.append(failure.value))
        return results

    def settle(self, seconds=0.2):
        """Let both sides have their say."""
        for _ in range(int(seconds / 0.002)):
            self.machine.advance(0.002)

    def now(self, work):
        """The result, which is to be there soon."""
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
