"""What goes over the bus, written down and explained."""

import pytest

from support.driven_chip import Joined
from support.spi_vectors import API_CALLS, FOLDER, REAL_CHIP
from tessel.cc3000.decode import explained
from tessel.cc3000.trace import TracedBus


class Traced(Joined):
    """`lines` has what was written down."""

    def __init__(self):
        super().__init__(boot=False)
        self.lines = []
        self.chip.driver._link._bus = TracedBus(self.bus, self.machine, self.lines.append)
        self.now(self.chip.boot())

    def text(self):
        return "".join(self.lines)


def test_a_start_is_written_down_as_in_the_recordings():
    text = Traced().text()
    lines = text[text.index("# VBAT_EN=1\n") :].splitlines()
    assert lines[1].startswith("# nCS=0 (nIRQ was 0) ")
    assert [line for line in lines[2:7] if "nIRQ" not in line] == [
        "MOSI 01 00 05 00 00 01 00 40 01 00",
        "# nCS=1",
        "MISO 02 00 00 00 05 04 00 40 01 00",
        "# nCS=1",
    ]
    assert any(line.startswith("# nCS=0 (nIRQ was 1) ") and "ms" in line for line in lines)


def test_power_off_and_the_end_are_written_down():
    traced = Traced()
    bus = traced.chip.driver._link._bus
    bus.watch_irq(None)
    bus.set_selected(True)
    bus.transfer(b"\1\2")
    assert bus.irq_asserted()
    bus.set_power(False)
    bus.close()
    assert traced.text().endswith(" ms\n# VBAT_EN=0\nMOSI 01 02\n# nCS=1\n")


def meanings(*lines):
    told = list(explained(lines))
    return [line.strip() for line in told if line.startswith("    ")]


@pytest.mark.parametrize(
    ("line", "meaning"),
    [
        (
            "MOSI 01 00 11 00 00 01 01 10 0c 02 00 00 00 01 00 00 00 06 00 00 00 00",
            "host: OpenSocket(family=2, kind=1, protocol=6)",
        ),
        (
            "MISO 02 00 00 00 09 04 01 10 05 00 80 ff ff ff",
            "chip: answer to OpenSocket: Result(value=-128 NO_MORE_SOCKETS)",
        ),
        (
            "MISO 02 00 00 00 09 04 0a 10 05 ff 00 00 00 00",
            "chip: answer to GetSocketOption: Bits(value=0), status 0xff",
        ),
        ("MISO 02 00 00 00 09 04 00 88 05 00 03 00 00 00 00", "chip: CloseWait(sd=3)"),
        ("MISO 02 00 00 00 05 04 00 84 01 00", "chip: event 0x8400, 0 bytes"),
        ("MISO 02 00 00 00 05 04 77 10 01 00", "chip: event 0x1077, 0 bytes"),
        ("MOSI 01 00 09 00 00 01 08 00 04 44 82 00 00 00", "host: SetEventMask(mask=0x8244)"),
        ("MISO 02 00 00 00 00", "chip: nothing to read"),
        ("MOSI 01 00 07 00 00 03 02 02 00 00 00 00", "host: no patch of kind 2"),
        ("MOSI 01 00 07 00 00 03 02 03 00 01 00 aa", "host: 1 byte of patch 2"),
        ("MOSI 01 00 05 00 00 04 00 40 01 00", "unreadable: a host does not send events"),
        (
            "MISO 02 00 00 00 05 01 00 40 00 00",
            "unreadable: a chip does not send a CommandPacket",
        ),
        ("MISO zz", "not bytes in hexadecimal"),
        ("MISO 02 00 00 00 23 02 85", "unreadable: not a packet: 2 bytes that begin with 02 85"),
    ],
)
def test_each_line_is_explained(line, meaning):
    assert meanings(line) == [meaning]


@pytest.mark.parametrize("line", ["", "# nCS=1", "MOSI 03 03", "MISO 02 00 ff 00", "MISO fe 00 ff"])
def test_what_says_nothing_is_passed_on(line):
    assert list(explained([line + "\n"])) == [line]


def test_keys_are_not_explained_and_long_payloads_cut():
    recording = (FOLDER / "wlan_connect_wpa2.hex").read_text().splitlines()
    told = meanings(*recording)
    assert "ConnectWlan(ssid=b'tesselnet', security=3" in told[0]
    assert "password" not in told[0]
    traced = Traced()
    traced.join()
    assert "long" not in traced.text()
    data = b"\1\0\x39\0\0" + bytes.fromhex("02 81 10 34 00 00 00 00 00 0c 00 00 00 24 00 00 00")
    line = f"MOSI {(data + bytes(4) + b'a' * 36 + b'.').hex(' ')}"
    assert meanings(line)[0].endswith("... 36 bytes, flags=0)")


@pytest.mark.parametrize("name", [*API_CALLS, *REAL_CHIP])
def test_every_recording_is_understood_but_for_bits_that_a_capture_missed(name):
    lines = (FOLDER / f"{name}.hex").read_text().splitlines()
    faults = [line for line in meanings(*lines) if line.startswith("not")]
    assert len(faults) <= (3 if name == "real_chip_tessel_connect_dhcp" else 0)
