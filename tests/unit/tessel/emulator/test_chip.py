"""The emulated chip at its pins, its power, its memory, its names and its pings."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet import error

from support.emulated_chip import PEER, Emulated, but
from tessel.cc3000 import spi
from tessel.cc3000.hci import netapp, sockets, wlan
from tessel.cc3000.hci.codes import Code, EventOpcode, NvmemFile, Opcode
from tessel.cc3000.hci.events import PingReport, unsolicited
from tessel.cc3000.hci.names import GetHostByName
from tessel.cc3000.hci.packets import CommandPacket, EventPacket, PatchPacket
from tessel.emulator import emulated_chip as chip_module
from tessel.emulator.firmware import MOST_WAITING
from tessel.emulator.latencies import MEASURED, Ceiling, Latencies
from tessel.emulator.profiles import PROFILES

SP_VERSION = spi.write_frame(netapp.ReadServicePack().packet().encode())


# Pins.


def test_irq_falls_after_power_up_and_rises_when_a_write_is_over():
    chip = Emulated(joined=False)
    chip.host.power_on()
    assert chip.chip.irq
    chip.host.write(spi.write_frame(wlan.Start().packet().encode()))
    assert not chip.chip.irq
    chip.machine.advance(0)
    assert chip.chip.irq


def test_a_chip_that_is_selected_says_it_is_ready():
    chip = Emulated()
    assert not chip.chip.irq
    chip.chip.select(selected=True)
    assert chip.chip.irq
    chip.chip.select(selected=True)
    chip.chip.select(selected=False)
    assert not chip.chip.irq


def test_for_a_host_that_looks_at_the_level_irq_stays_low_while_packets_wait():
    chip = Emulated(by_level=True)
    chip.host.edges.clear()
    for _ in range(2):
        chip.host.write(SP_VERSION)
    assert chip.host.edges == [True]
    for left in (1, 0):
        chip.chip.select(selected=True)
        chip.chip.transfer(bytes([spi.READ]) * 20)
        chip.chip.select(selected=False)
        assert chip.chip.irq is bool(left)
    assert chip.host.edges == [True, False]


def test_a_chip_that_takes_its_time_has_edges_for_every_host():
    chip = Emulated(None, replace(Latencies(), irq_gap_s=0.001), by_level=True)
    chip.host.write(SP_VERSION)
    assert not chip.chip.irq
    chip.machine.advance(0.001)
    assert chip.chip.irq


def test_a_write_is_acted_on_when_the_chip_is_deselected_not_before():
    chip = Emulated()
    chip.chip.select(selected=True)
    chip.chip.transfer(SP_VERSION)
    chip.machine.advance(1)
    assert not chip.chip._unread
    chip.chip.select(selected=False)
    assert chip.host.read() is not None


def test_a_write_goes_before_a_packet_that_waits():
    chip = Emulated()
    chip.host.write(SP_VERSION)
    chip.machine.advance(0)
    assert chip.chip.irq
    chip.host.write(SP_VERSION)
    assert [chip.host.read() is not None for _ in range(3)] == [True, True, False]


def test_while_it_is_written_to_it_answers_as_a_real_chip():
    chip = Emulated()
    chip.chip.select(selected=True)
    assert chip.chip.transfer(SP_VERSION) == bytes.fromhex("02 00 ff 00 00 00 00 00 00 00")


def test_beyond_its_packet_and_without_one_it_clocks_out_zeros():
    chip = Emulated()
    chip.host.write(SP_VERSION)
    frame = chip.host.read(extra=5)
    assert frame == bytes.fromhex("02 00 00 00 09 04 07 02 05 00 00 06 01 1a") + bytes(5)
    chip.chip.select(selected=True)
    assert chip.chip.transfer(spi.FIRST_BURST) == b"\2" + bytes(9)


def test_a_read_that_saw_no_packet_leaves_it_there():
    chip = Emulated()
    chip.host.write(SP_VERSION)
    chip.machine.advance(0)
    chip.chip.select(selected=True)
    chip.chip.transfer(b"\3\3")
    chip.chip.select(selected=False)
    assert chip.host.read() is not None


def test_without_power_or_selection_nothing_is_heard():
    chip = Emulated(joined=False)
    chip.chip.select(selected=True)
    assert chip.chip.transfer(SP_VERSION) == bytes(len(SP_VERSION))
    chip.chip.select(selected=False)
    chip.chip.power(on=False)
    chip.host.boot()
    assert chip.chip.transfer(SP_VERSION) == bytes(len(SP_VERSION))
    assert chip.host.read() is None


def test_a_first_write_in_one_piece_is_missed():
    chip = Emulated(joined=False)
    chip.host.power_on()
    chip.host._first = False
    start = wlan.Start()
    assert chip.host.call(start) is None
    chip.host._first = True
    assert chip.host.call(start) is not None


def test_with_the_quirk_off_it_is_not():
    chip = Emulated(but(first_write_in_two=False), joined=False)
    chip.host.power_on()
    chip.host._first = False
    assert chip.host.call(wlan.Start()) is not None


def test_power_off_takes_everything_along():
    chip = Emulated()
    _, transport = chip.connected()
    chip.listening()
    chip.datagrams()
    chip.host.begin(sockets.Select(8, 1, timeout_us=None))
    chip.chip.power(on=False)
    chip.machine.advance(0)
    assert transport.lost
    assert chip.machine.ports[0].stopped
    assert chip.machine.udp_ports[0].stopped
    assert chip.machine.getDelayedCalls() == []
    assert not chip.chip.irq


def test_power_off_gives_up_what_the_chip_is_doing():
    chip = Emulated()
    chip.host.begin(sockets.Connect(chip.socket(), PEER))
    chip.host.begin(netapp.ReadServicePack())
    chip.chip.power(on=False)
    assert chip.machine.getDelayedCalls() == []
    silent = Emulated()
    silent.air.silent.add("example.com")
    assert silent.host.call(GetHostByName(b"example.com")) is None
    silent.chip.power(on=False)
    assert silent.machine.getDelayedCalls() == []


# What no host would write.


@given(st.lists(st.binary(max_size=40), max_size=8))
def test_any_bytes_leave_a_chip_that_still_answers(operations):
    chip = Emulated()
    for data in operations:
        chip.chip.select(selected=True)
        for at in range(0, len(data), 7):
            chip.chip.transfer(data[at : at + 7])
        chip.chip.select(selected=False)
        chip.host.settle(2)
    assert_answers(chip)


def assert_answers(chip):
    """Bytes at random may have switched it off, but not in its power."""
    chip.chip.power(on=False)
    assert chip.host.boot() is not None


COMMANDS = st.builds(
    CommandPacket,
    st.sampled_from([*Opcode, 0x1234]),
    st.binary(max_size=60),
)


@given(st.lists(COMMANDS, max_size=12))
def test_any_arguments_leave_a_chip_that_still_answers(commands):
    chip = Emulated()
    for command in commands:
        chip.host.write(spi.write_frame(command.encode()))
        chip.host.settle(3)
    assert_answers(chip)


@pytest.mark.parametrize(
    "data", [EventPacket(1).encode(), PatchPacket(2).encode(), b"\7\7\7\7", b"\1\1"]
)
def test_what_is_no_command_is_passed_over(data):
    chip = Emulated()
    chip.host.write(spi.write_frame(data))
    assert chip.host.read() is None
    assert chip.host.call(netapp.ReadServicePack()) is not None


def test_before_the_start_a_chip_hears_nothing_else():
    chip = Emulated(joined=False)
    chip.host.power_on()
    assert chip.host.call(netapp.ReadServicePack()) is None
    assert chip.host.call(wlan.Start()) is not None


def test_commands_beyond_what_a_busy_chip_holds_are_lost():
    chip = Emulated()
    chip.host.begin(sockets.Select(8, 1, timeout_us=1_000_000))
    for _ in range(MOST_WAITING + 3):
        chip.host.begin(netapp.ReadServicePack())
    chip.machine.advance(1)
    chip.host.settle(40)
    assert len(chip.host.events) == 1 + MOST_WAITING


def test_a_host_that_never_reads_loses_what_comes_on_top():
    chip = Emulated()
    for _ in range(chip_module.MOST_UNREAD + 5):
        chip.host.begin(netapp.ReadServicePack())
    chip.host.settle(100)
    assert len(chip.host.events) == chip_module.MOST_UNREAD


def test_of_a_write_without_end_only_the_beginning_is_kept():
    chip = Emulated()
    chip.chip.select(selected=True)
    for _ in range(3):
        chip.chip.transfer(b"\1" * chip_module.LARGEST_WRITE)
    assert len(chip.chip._bursts) == 1


# Patches.


def test_a_host_may_have_to_bring_all_patches():
    chip = Emulated(joined=False)
    chip.host.power_on()
    chip.host.begin(wlan.Start(1))
    for kind in (1, 2, 3):
        chip.host.settle(2)
        (asked,) = chip.host.events
        assert unsolicited(asked).kind == kind
        chip.host.events.clear()
        chip.host.write(spi.write_frame(PatchPacket(9).encode()))  # not what was asked for
        chip.host.write(spi.write_frame(PatchPacket(kind, b"bytes").encode()))
    assert chip.host.answer_to(wlan.Start) is not None


def test_a_host_may_refuse_all_patches():
    chip = Emulated(but(patch_requests=(1, 2)), joined=False)
    chip.host.power_on()
    assert chip.host.call(wlan.Start(2)) is not None


# Memory.


def test_memory_is_kept_while_power_is_off():
    chip = Emulated()
    chip.host.call(netapp.CreateNvmemEntry(12, 8))
    assert chip.host.call(netapp.WriteNvmem(12, b"key", 2)).value == 0
    chip.chip.power(on=False)
    chip.host.boot()
    chip.host.call(netapp.ReadNvmem(12, 8, 1))
    chip.host.settle()
    assert netapp.NvmemBytes.read(chip.host.events[-1]).data == b"\0key\0\0\0"


def statuses(chip, *messages):
    for message in messages:
        chip.host.begin(message)
    chip.host.settle()
    return [event.status for event in chip.host.events]


def test_memory_has_an_end():
    chip = Emulated()
    assert statuses(
        chip,
        netapp.CreateNvmemEntry(99, 9000),
        netapp.ReadNvmem(98, 1),
        netapp.CreateNvmemEntry(1, 1),
    ) == [255, 255, 0]
    assert chip.host.call(netapp.WriteNvmem(2, b"x", 9000)).value == Code.FAILED
    created = [chip.chip.nvmem.create(file, 1) for file in range(20, 40)]
    assert created.count(True) == 14
    assert not chip.chip.nvmem.write(99, b"", 0)


def test_a_changed_address_of_the_chip_is_the_chips_address():
    chip = Emulated()
    chip.host.call(netapp.WriteNvmem(NvmemFile.MAC, b"\2\0\0\0\0\1"))
    assert chip.host.call(netapp.GetIpConfig()).mac == b"\1\0\0\0\0\2"


# Names.


def test_a_name_is_found_by_this_machine():
    chip = Emulated()
    chip.air.names["example.com"] = ["2001:db8::1", "192.0.2.1"]
    found = chip.host.call(GetHostByName(b"example.com"))
    assert (found.result, found.address) == (1, "192.0.2.1")


@pytest.mark.parametrize(
    ("name", "code"),
    [
        (b"nowhere.invalid", Code.NAME_NOT_FOUND),
        (b"six.example", Code.NAME_NOT_FOUND),
        (b"", Code.INVALID_NAME),
        (b"\xff", Code.INVALID_NAME),
        (b"a" * 231, Code.INVALID_NAME),
        (b"Bug.example", Code.INVALID_NAME),
    ],
)
def test_a_name_may_not_be_found(name, code):
    chip = Emulated(but(refused_names=frozenset({"bug.example"})))
    chip.air.names["six.example"] = ["2001:db8::1"]
    assert chip.host.call(GetHostByName(name)).result == code


def test_the_code_of_a_failed_look_up_can_be_chosen():
    chip = Emulated(but(failed_name_code=Code.ARP_FAILED))
    assert chip.host.call(GetHostByName(b"x.invalid")).result == Code.ARP_FAILED


def test_there_are_no_names_without_an_address():
    chip = Emulated(joined=False)
    chip.host.boot()
    assert chip.host.call(GetHostByName(b"a.example")).result == Code.NOT_CONNECTED


def test_the_first_look_up_may_give_nothing():
    chip = Emulated(but(first_lookup_is_zero=True))
    chip.air.names["example.com"] = ["192.0.2.1"]
    ask = GetHostByName(b"example.com")
    assert [chip.host.call(ask).address for _ in range(2)] == ["0.0.0.0", "192.0.2.1"]


def test_a_fault_of_the_emulator_is_logged_and_the_next_command_answered(logged_failures):
    chip = Emulated()
    chip.air.names["odd.example"] = [7]
    assert chip.host.call(GetHostByName(b"odd.example")) is None
    assert len(logged_failures.flush(TypeError)) == 1
    chip.chip.nvmem.files[12] = None
    assert chip.host.call(netapp.WriteNvmem(12, b"x")) is None
    assert len(logged_failures.flush(TypeError)) == 1
    assert chip.host.call(netapp.ReadServicePack()) is not None


# Pings.


def report(chip):
    """The report among what came."""
    chip.host.settle()
    told = [unsolicited(event) for event in chip.host.events]
    return next(event for event in told if isinstance(event, PingReport))


def test_the_access_point_answers_pings():
    chip = Emulated()
    chip.host.call(netapp.Ping("10.10.220.1", 3))
    assert report(chip) == PingReport(3, 3, 0, 0, 0)


@pytest.mark.parametrize(
    ("outcome", "received"),
    [(error.ConnectionRefusedError(), 1), (error.TimeoutError(), 0), (None, 1)],
)
def test_whoever_answers_a_syn_or_refuses_it_is_there(outcome, received):
    chip = Emulated()
    chip.host.call(netapp.Ping("192.0.2.1", 1, timeout_ms=500))
    chip.machine.advance(0.2)
    if outcome is None:
        chip.machine.answer_dial()
    else:
        chip.machine.refuse_dial(outcome)
    assert report(chip).received == received
    assert chip.machine.tcpClients[0][3] == 0.5


@pytest.mark.parametrize(
    ("host", "received"),
    [("10.10.220.131", 2), ("0.0.0.0", 0), ("10.10.220.255", 0), ("255.255.255.255", 0)],
)
def test_a_ping_to_the_chip_itself_or_to_all_does_not_leave_it(host, received):
    chip = Emulated()
    chip.host.call(netapp.Ping(host, 2))
    assert report(chip) == PingReport(2, received, 0, 0, 0)
    assert chip.machine.tcpClients == []


def test_a_ping_can_be_stopped_and_asked_about():
    chip = Emulated()
    chip.host.call(netapp.Ping("192.0.2.1", 5))
    chip.host.call(netapp.ReportPing())
    assert report(chip) == PingReport(1, 0, 0, 0, 0)
    chip.host.events.clear()
    chip.host.call(netapp.StopPing())
    assert chip.opcodes() == []


def test_without_an_address_nobody_is_near():
    chip = Emulated(joined=False)
    chip.host.boot()
    chip.host.call(netapp.Ping("10.10.220.1", 1))
    chip.machine.refuse_dial(error.ConnectError())
    assert report(chip).received == 0


# The event mask.


def test_masked_events_are_not_reported():
    chip = Emulated()
    chip.host.call(wlan.SetEventMask(0x8244))
    chip.machine.advance(100)
    chip.host.call(netapp.Ping("10.10.220.1", 1))
    assert chip.opcodes() == []
    chip.host.call(wlan.SetEventMask(0))
    chip.machine.advance(10)
    assert chip.opcodes() == [EventOpcode.KEEPALIVE]


# Time.


def test_latencies_are_kept():
    slow = Latencies(commands={Opcode.READ_SP_VERSION: 0.5}, power_up_s=0.0634)
    chip = Emulated(None, slow, joined=False)
    chip.host.power_on()
    assert not chip.chip.irq
    chip.machine.advance(0.0634)
    assert chip.chip.irq
    chip.host.call(wlan.Start())
    version = netapp.ReadServicePack()
    assert chip.host.call(version) is None
    chip.machine.advance(0.5)
    assert chip.host.answer_to(version) is not None


def test_a_ceiling_lets_so_many_bytes_through_in_a_second():
    chip = Emulated(None, Latencies(receive_bytes_per_s=1000, send_bytes_per_s=500))
    sd, transport = chip.connected()
    transport.protocol.dataReceived(bytes(100))
    assert chip.host.call(sockets.Receive(sd, 100)) is None
    chip.machine.advance(0.1)
    assert chip.host.answer_to(sockets.Receive).count == 100


def test_a_ceiling_counts_from_when_the_last_is_through():
    chip = Emulated()
    ceiling = Ceiling(100.0, chip.machine)
    assert ceiling.wait_s(50) == pytest.approx(0.5)
    assert ceiling.wait_s(50) == pytest.approx(1.0)
    assert ceiling.wait_s(0) == 0.0
    chip.machine.advance(10)
    assert ceiling.wait_s(50) == pytest.approx(0.5)


def test_power_off_forgets_answers_that_were_to_come():
    chip = Emulated(None, Latencies(commands={Opcode.READ_SP_VERSION: 0.5}))
    chip.host.begin(netapp.ReadServicePack())
    chip.chip.power(on=False)
    assert chip.machine.getDelayedCalls() == []


def test_the_profiles_differ_as_they_say():
    assert PROFILES["cc3000"].quirks == replace(PROFILES["cc3000-real-time"].quirks, nagle=False)
    assert PROFILES["cc3000"].latencies == PROFILES["ideal"].latencies == Latencies()
    assert PROFILES["cc3000-real-time"].latencies == MEASURED
