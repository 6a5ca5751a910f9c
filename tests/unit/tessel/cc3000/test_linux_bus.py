"""The Linux bus, on a machine whose pins lead to the emulated chip: what runs on a Raspberry Pi."""

import sys
from dataclasses import replace

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred, fail

from support.fake_air import HOME
from support.fake_pins import CS, GPIO_CHIP, IRQ, POWER, SPI, Machine, Wiring
from tessel.cc3000.chip import Chip
from tessel.cc3000.errors import BusError, SilentError
from tessel.cc3000.hci.codes import Security
from tessel.cc3000.linux import open_bus
from tessel.emulator import emulated_chip as emulator
from tessel.emulator.air import Air
from tessel.gpio import ChipPins, GpioLine
from tessel.radio_check import check

PINS = ChipPins(
    spi=SPI,
    chip_select=GpioLine(GPIO_CHIP, CS),
    irq=GpioLine(GPIO_CHIP, IRQ),
    power=GpioLine(GPIO_CHIP, POWER),
)


class World:
    """A machine with a chip, an access point around it, and the bus once it is opened."""

    def __init__(self, monkeypatch):
        air = Air(reactor, lambda name: fail(LookupError(name)))
        air.appear(HOME)
        self.chip = emulator.EmulatedChip(air)
        self.wiring = Wiring(self.chip)
        self.machine = Machine(self.wiring)
        self.machine.install(monkeypatch)
        self.bus = None

    def open(self, pins=PINS):
        self.bus = open_bus(pins, reactor)
        return self.bus

    def close(self):
        if self.bus is not None:
            self.bus.close()


@pytest.fixture
def world(monkeypatch):
    made = World(monkeypatch)
    yield made
    made.close()
    assert not made.machine.requests, "a line is still held"
    assert not made.machine.spi_open


def booted(chip):
    return Deferred.fromCoroutine(chip.boot())


async def joined(world):
    host = Chip(world.open(), reactor)
    await host.boot()
    lease = await host.wlan.join(HOME.ssid, Security.WPA2, HOME.key)
    mac = await host.nvmem.mac()
    host.driver.stop()
    return lease, mac


@pytest_twisted.inlineCallbacks
def test_the_driver_boots_and_joins_over_spidev_and_gpiod(world):
    lease, mac = yield Deferred.fromCoroutine(joined(world))

    assert lease == HOME.lease
    assert mac.hex(":") == "08:00:28:5a:1b:2c"
    assert world.chip.firmware is None, "the chip has power still"


def test_mode_1_without_a_chip_select_of_the_controllers_at_the_tessels_speed(world):
    world.open()

    assert world.machine.spi_settings == {
        "mode": 1,
        "no_cs": True,
        "max_speed_hz": 4_000_000,
        "bits_per_word": 8,
    }


def test_an_opened_bus_has_the_chip_off_and_not_selected(world):
    bus = world.open()

    assert world.chip.firmware is None
    assert not bus.irq_asserted()


@pytest_twisted.inlineCallbacks
def test_the_first_write_comes_in_two_transfers(world):
    yield booted(Chip(world.open(), reactor))

    assert world.machine.lengths[0] == 4


@pytest_twisted.inlineCallbacks
def test_edges_are_reported_from_the_reactor_and_not_from_inside(world):
    bus = world.open()
    told = Deferred()
    bus.watch_irq(lambda: told.callback(bus.irq_asserted()) if not told.called else None)
    bus.set_power(True)

    assert not told.called
    assert (yield told)


@pytest_twisted.inlineCallbacks
def test_an_empty_transfer_is_none(world):
    assert (yield world.open().transfer(b"")) == b""
    assert world.machine.lengths == []


@pytest_twisted.inlineCallbacks
def test_more_bytes_than_the_kernel_takes_at_once_are_one_transfer_still(world):
    data = yield world.open().transfer(bytes(9000))

    assert len(data) == 9000


@pytest_twisted.inlineCallbacks
def test_a_transfer_that_fails_is_a_fault_of_the_bus(world):
    bus = world.open()
    world.wiring.broken = True

    with pytest.raises(BusError, match="Input/output error"):
        yield bus.transfer(b"\x01")


@pytest_twisted.inlineCallbacks
def test_a_bug_in_a_transfer_is_not_hidden_as_one_of_the_bus(world):
    with pytest.raises(TypeError):
        yield world.open().transfer("text")


def test_lines_that_went_away_are_a_fault_of_the_bus(world, monkeypatch):
    bus = world.open()

    def gone(*_):
        raise OSError(19, "No such device")

    for request in world.machine.requests.values():
        monkeypatch.setattr(request, "set_value", gone)
        monkeypatch.setattr(request, "get_value", gone)
    with pytest.raises(BusError, match="/dev/gpiochip0:24 cannot be set"):
        bus.set_power(True)
    with pytest.raises(BusError, match="/dev/gpiochip0:23 cannot be read"):
        bus.irq_asserted()
    monkeypatch.undo()


def test_the_bus_knows_its_own_descriptor(world):
    bus = world.open()
    (reader,) = [one for one in reactor.getReaders() if bus.owns(one)]

    assert reader.logPrefix() == "tessel cc3000"
    reader.connectionLost(None)
    assert not bus.owns(object())


@pytest_twisted.inlineCallbacks
def test_a_transfer_that_ends_after_the_bus_was_closed_harms_nobody(world):
    bus = world.open()
    late = bus.transfer(b"\x03\x03")
    world.close()
    world.bus = None

    yield late
    bus.set_selected(False)
    assert not bus.irq_asserted()


# What is wrong with the wires.


def trouble(world):
    return booted(Chip(world.open(), reactor))


@pytest_twisted.inlineCallbacks
def test_without_nirq_the_chip_seems_to_have_no_power(world):
    world.wiring.irq_connected = False

    with pytest.raises(SilentError, match="nIRQ does not fall"):
        yield trouble(world)


@pytest.mark.parametrize(
    ("wire", "found"),
    [("cs_connected", "the chip was not selected"), ("miso_connected", "MISO does not move")],
)
@pytest_twisted.inlineCallbacks
def test_the_check_finds_wires_that_are_not_connected(world, wire, found):
    setattr(world.wiring, wire, False)
    said = []
    checking = check(world.open(), reactor, None, said.append)

    assert not (yield Deferred.fromCoroutine(checking))
    assert found in "\n".join(said)
    world.bus = None  # the check has given it back


# What is wrong with the machine.


def refusal(world, pins=PINS):
    with pytest.raises(BusError) as refused:
        world.open(pins)
    return str(refused.value)


@pytest.mark.parametrize("name", ["gpiod", "spidev"])
def test_a_module_that_is_not_installed_is_named_with_what_installs_it(world, monkeypatch, name):
    monkeypatch.setitem(sys.modules, name, None)

    assert f"module {name} is missing" in refusal(world)
    assert "pip install ./streamplex ./service-kit './device[cc3000]'" in refusal(world)


def test_a_device_that_is_not_there_is_named(world):
    pins = replace(PINS, spi="/dev/spidev9.9")

    assert "/dev/spidev9.9 cannot be opened: [Errno 2]" in refusal(world, pins)


def test_a_controller_that_keeps_its_chip_select_is_reported_with_the_way_out(world):
    world.wiring.refuses_no_cs = True

    assert "spi0-0cs" in refusal(world)


def test_a_line_that_another_holds_is_named(world):
    world.wiring.busy_lines.add(IRQ)

    assert "/dev/gpiochip0:23 cannot be opened: [Errno 16]" in refusal(world)


def test_a_line_that_there_is_not_is_named(world):
    pins = ChipPins(spi=SPI, chip_select=GpioLine(GPIO_CHIP, 99), irq=PINS.irq, power=PINS.power)

    assert "/dev/gpiochip0:99 cannot be opened" in refusal(world, pins)


# Lines by their names.


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("24", GpioLine("/dev/gpiochip0", 24)),
        ("GPIO24", GpioLine("/dev/gpiochip0", "GPIO24")),
        ("gpiochip4:24", GpioLine("/dev/gpiochip4", 24)),
        ("/dev/gpiochip4:GPIO24", GpioLine("/dev/gpiochip4", "GPIO24")),
    ],
)
def test_a_line_is_a_number_or_a_name_of_a_chip(text, line):
    assert GpioLine.parse(text) == line


@pytest.mark.parametrize("text", ["", "gpiochip0:", "a b", "1:2:3"])
def test_what_is_no_line_is_refused(text):
    with pytest.raises(ValueError, match="no line of a GPIO chip"):
        GpioLine.parse(text)
