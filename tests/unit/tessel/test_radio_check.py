"""`tessel radio check` distinguishes each wrong wiring, on the emulated chip."""

import io

import pytest
from twisted.internet.defer import Deferred

from support.driven_chip import Joined
from support.fake_air import HOME
from support.fake_pins import shifted
from support.program_reactor import Reactor
from tessel import radio_check
from tessel.emulator.air import AccessPoint
from tessel.radio.cc3000 import WifiCredentials
from tessel.radio_check import check
from tessel.settings import Settings

NEXT_DOOR = AccessPoint(ssid=b"next door", bssid=b"\x01\x02\x03\x04\x05\x06", rssi=20)
OURS = WifiCredentials(HOME.ssid, HOME.security, HOME.key)


class Stage:
    def __init__(self):
        self.joined = Joined(points=(HOME, NEXT_DOOR), boot=False)
        self.bus = self.joined.bus
        self.pins = self.joined.emulated
        self.said = []

    def check(self, point=None):
        """What was found, and whether all was well."""
        done = []
        Deferred.fromCoroutine(
            check(self.bus, self.joined.machine, point, self.said.append)
        ).addBoth(done.append)
        for _ in range(30):
            self.joined.settle(1)
        assert self.bus.closed
        assert self.pins.firmware is None, "the chip has power still"
        assert done[0] in (True, False), done
        return done[0]

    @property
    def text(self):
        return "\n".join(self.said)


@pytest.fixture
def stage():
    return Stage()


def test_all_is_well(stage):
    assert stage.check()

    assert "service pack 1.26" in stage.text
    assert "MAC 08:00:28:5a:1b:2c" in stage.text
    assert "2 networks in range" in stage.text
    first, second = [line for line in stage.said if "signal" in line]
    assert "wpa2" in first
    assert "'tesselnet'" in first
    assert "01:02:03:04:05:06 open  signal  20  'next door'" in second
    assert "WIFI_SSID is not set" in stage.text


def test_the_network_of_the_settings_is_joined(stage):
    assert stage.check(OURS)

    assert "joined 'tesselnet': address 10.10.220.131" in stage.text


def test_a_network_that_does_not_let_it_in_is_a_fault(stage):
    assert not stage.check(WifiCredentials(b"elsewhere"))

    assert "FAULT" in stage.said[-1]


def fault(stage):
    assert not stage.check()
    *_, found, look_at = stage.said
    assert look_at.startswith("       check: ")
    return found, look_at


def test_without_nirq_nothing_falls(stage):
    stage.bus.irq_asserted = lambda: False

    found, look_at = fault(stage)
    assert "nIRQ does not fall within 1 s" in found
    assert "CC3000_GPIO_IRQ" in look_at


def test_without_power_it_is_the_same_and_power_is_named(stage):
    stage.bus.set_power = lambda on: None
    found, look_at = fault(stage)

    assert "nIRQ does not fall" in found
    assert "VBAT_EN" in look_at


def test_a_line_that_is_low_always_is_not_nirq(stage):
    stage.bus.irq_asserted = lambda: True

    found, look_at = fault(stage)
    assert "low while the chip is off" in found
    assert "CC3000_GPIO_IRQ" in look_at


def test_without_ncs_the_chip_does_not_let_go_of_nirq(stage):
    stage.bus.set_selected = lambda selected: None

    found, look_at = fault(stage)
    assert "stays low when nCS rises" in found
    assert "CC3000_GPIO_CS" in look_at


def test_without_mosi_the_chip_does_not_answer(stage):
    stage.bus.mosi = lambda data: bytes(len(data))

    found, look_at = fault(stage)
    assert "no answer within 3 s" in found
    assert "MOSI" in look_at


@pytest.mark.parametrize("level", [b"\x00", b"\xff"])
def test_without_miso_it_does_not_move(stage, level):
    stage.bus.miso = lambda data: level * len(data)

    found, look_at = fault(stage)
    assert "MISO does not move" in found
    assert look_at.endswith("MISO")


def late(data):
    return shifted(data)


def early(data):
    number = int.from_bytes(data, "big") << 1
    return (number & ((1 << 8 * len(data)) - 1)).to_bytes(len(data), "big")


@pytest.mark.parametrize("wrong", [late, early])
def test_a_wrong_mode_is_off_by_one_bit(stage, wrong):
    stage.bus.miso = wrong

    found, look_at = fault(stage)
    assert "off by one bit" in found
    assert "mode, which must be 1" in look_at


def test_noise_is_noise(stage):
    stage.bus.miso = lambda data: bytes(range(0x50, 0x50 + len(data)))

    found, look_at = fault(stage)
    assert "noise" in found
    assert "ground" in look_at


def test_a_machine_that_cannot_transfer_is_reported_as_it_says(stage):
    stage.bus.broken = True
    assert not stage.check()

    assert stage.said[-1] == "FAULT  no such device"


# The whole of it, as the command runs it.


class CheckReactor(Reactor):
    STEPS = 2000


def run(**environ):
    """Its exit code, its output, and the text on standard error."""
    said, errors = [], io.StringIO()
    settings = Settings.from_env(environ).radio
    code = radio_check.run(settings, CheckReactor(), said.append, errors)
    return code, "\n".join(said), errors.getvalue()


def test_a_simulated_chip_is_well():
    code, said, errors = run(RADIO="cc3000-sim")

    assert (code, errors) == (0, "")
    assert "joined 'tesselnet'" in said


def test_pins_that_are_not_there_are_a_fault():
    code, said, errors = run(RADIO="cc3000", CC3000_GPIO_VBAT_EN="/dev/nowhere:1")

    assert (code, errors) == (1, "")
    assert said.startswith("FAULT  RADIO=cc3000: ")


def test_a_bug_is_shown(monkeypatch):
    def broken(*_):
        raise KeyError("bug")

    monkeypatch.setattr(radio_check, "check", broken)
    code, _, errors = run(RADIO="cc3000-sim")

    assert code == 1
    assert "KeyError: 'bug'" in errors
