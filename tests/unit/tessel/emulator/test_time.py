"""The emulated chip in real time: as slow as the one that was measured."""

import pytest
from twisted.internet.defer import Deferred

from support.fake_air import HOME, FakeAir
from tessel.cc3000.chip import Chip
from tessel.cc3000.simulated import SimulatedBus
from tessel.emulator import emulated_chip as emulator
from tessel.emulator.profiles import PROFILES

STEP_S = 0.0005


class RealTime:
    def __init__(self):
        self.air = FakeAir(HOME)
        self.machine = self.air.machine
        bus = SimulatedBus(emulator.EmulatedChip(self.air, PROFILES["cc3000-real-time"]))
        self.chip = Chip(bus, self.machine)

    def took_s(self, work):
        """How long the driver took for it."""
        began, ended = self.machine.seconds(), []
        done = Deferred.fromCoroutine(work)
        done.addCallback(lambda _: ended.append(self.machine.seconds()))
        while not ended:
            assert self.machine.seconds() < began + 60, "it takes for ever"
            self.machine.advance(STEP_S)
        return ended[0] - began

    def connected(self):
        self.took_s(self.chip.boot())
        self.took_s(self.chip.wlan.join(HOME.ssid, HOME.security, HOME.key))
        sockets = self.chip.sockets
        self.took_s(sockets.open_stream())
        connecting = Deferred.fromCoroutine(sockets.connect(0, "192.0.2.7", 80))
        self.machine.advance(STEP_S)
        transport = self.machine.answer_dial()
        self.machine.advance(STEP_S)
        assert connecting.called
        return transport


def test_a_boot_takes_as_long_as_the_captured_one():
    # VBAT_EN to the answer of READ_SP_VERSION: 1343.8 ms there, its 300 ms without power apart.
    timed = RealTime()
    assert timed.took_s(timed.chip.boot()) == pytest.approx(1.344 + 0.05, abs=0.1)


def test_joining_takes_as_long_as_in_the_captures():
    timed = RealTime()
    timed.took_s(timed.chip.boot())
    join = timed.chip.wlan.join(HOME.ssid, HOME.security, HOME.key)
    # The policy, written to the chip's memory, then 10 to 1040 and 330 to 760 ms.
    assert 0.589 + 0.34 < timed.took_s(join) < 0.589 + 1.8


async def read(sockets, transport, nbytes):
    while nbytes:
        transport.protocol.dataReceived(bytes(512))
        nbytes -= len(await sockets.receive(0, 512))


async def send(sockets, nbytes):
    for _ in range(nbytes // 1024):
        await sockets.send(0, bytes(1024))


def test_bytes_come_and_go_no_faster_than_a_real_chip_carries_them():
    timed = RealTime()
    transport = timed.connected()
    nbytes = 64 * 1024
    down_s = timed.took_s(read(timed.chip.sockets, transport, nbytes))
    assert nbytes / down_s == pytest.approx(32_000, rel=0.1)
    up_s = timed.took_s(send(timed.chip.sockets, nbytes))
    assert nbytes / up_s == pytest.approx(40_000, rel=0.1)
