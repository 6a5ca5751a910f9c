"""What goes wrong below the chip's sockets ends in a typed error, in time, and never hangs."""

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from support.faulty_bus import FaultyBus, FaultyInstantBus, flipped
from support.scripted_chip import ScriptedChip
from support.spi_vectors import CHIP, Burst
from tessel.cc3000 import driver as driver_module
from tessel.cc3000 import pending_command, spi
from tessel.cc3000.chip import Chip
from tessel.cc3000.errors import (
    BusError,
    ChipError,
    CommandError,
    FrameError,
    NoiseError,
    PowerOffError,
    SilentError,
)
from tessel.cc3000.expectation import Expectation
from tessel.cc3000.hci import events
from tessel.cc3000.hci.packets import CommandPacket, DataPacket, EventPacket, PatchPacket, decode
from tessel.cc3000.link import POWER_UP_TIMEOUT_S, READY_TIMEOUT_S
from tessel.cc3000.simulated import SimulatedBus


@pytest.fixture(autouse=True, params=[FaultyBus, FaultyInstantBus])
def bus_type(request, monkeypatch):
    monkeypatch.setattr(Rig, "bus_type", request.param)


class Rig:
    """A chip that plays recordings, over a bus on which things may go wrong."""

    bus_type = FaultyBus

    def __init__(self, *names, start=True):
        self.clock = Clock()
        self.pins = ScriptedChip("wlan_start", *names)
        self.bus = self.bus_type(SimulatedBus(self.pins))
        self.chip = Chip(self.bus, self.clock)
        self.losses = []
        self.chip.driver.watch_loss(self.losses.append)
        self.started = self.result(self.chip.driver.start())
        if start:
            self.power_up()
            assert self.started == [None]

    def power_up(self):
        self.clock.pump([0.05, 0.01, 0.01, 0.01])

    def result(self, coroutine):
        results = []
        Deferred.fromCoroutine(coroutine).addCallbacks(
            results.append, lambda failure: results.append(failure.value)
        )
        return results

    def says(self, *packets):
        """The chip says this next, to whoever listens."""
        frames = [p if isinstance(p, bytes) else spi.read_frame(p.encode()) for p in packets]
        self.pins.script.extend(Burst(CHIP, frame) for frame in frames)
        self.pins.say()


def is_off(rig):
    return rig.pins.powered[-1] is False and not rig.chip.driver.running


# Power.


def test_a_chip_that_does_not_come_up_is_silent():
    rig = Rig(start=False)
    rig.bus.silent = True
    rig.clock.advance(0.05)
    rig.clock.advance(POWER_UP_TIMEOUT_S)
    assert isinstance(rig.started[0], SilentError)
    assert is_off(rig)
    assert rig.losses == []  # it never ran


def test_a_chip_whose_nirq_was_low_before_is_waited_for_to_let_go():
    rig = Rig(start=False)
    rig.bus.spike()  # low before the power is on
    rig.clock.advance(0.05)
    assert rig.started == []
    rig.clock.advance(POWER_UP_TIMEOUT_S)
    assert isinstance(rig.started[0], SilentError)
    assert "stays low" in str(rig.started[0])


def test_a_start_that_is_not_answered_ends():
    rig = Rig(start=False)
    rig.pins.script.clear()
    rig.power_up()
    rig.clock.advance(pending_command.ANSWER_TIMEOUT_S)
    assert isinstance(rig.started[0], SilentError)
    assert is_off(rig)


def test_a_stop_while_it_starts_ends_the_start():
    rig = Rig(start=False)
    rig.clock.advance(0.01)
    rig.chip.driver.stop()
    rig.clock.advance(0.1)
    rig.power_up()
    assert isinstance(rig.started[0], PowerOffError)
    assert is_off(rig)


def test_what_is_asked_of_a_chip_that_is_off_fails_at_once():
    rig = Rig()
    rig.chip.driver.stop()
    assert isinstance(rig.result(rig.chip.nvmem.mac())[0], PowerOffError)
    assert isinstance(rig.losses[0], PowerOffError)


def test_nobody_is_heard_before_the_start_is_done():
    rig = Rig(start=False)
    rig.clock.advance(0.05)
    assert isinstance(rig.result(rig.chip.nvmem.mac())[0], PowerOffError)


def test_close_gives_the_bus_back():
    rig = Rig()
    rig.chip.driver.close()
    assert rig.bus.closed
    assert is_off(rig)


def test_a_stop_on_a_bus_that_fails_still_ends_all_who_wait(monkeypatch):
    rig = Rig()
    answers = rig.result(rig.chip.wlan.status())

    def fail(_):
        raise BusError("unplugged")

    monkeypatch.setattr(rig.bus, "set_selected", fail)
    rig.chip.driver.stop()
    assert isinstance(answers[0], PowerOffError)


# Silence.


def test_a_command_that_is_not_answered_fails_all_who_wait_and_switches_the_chip_off():
    rig = Rig()
    first, second = rig.result(rig.chip.wlan.status()), rig.result(rig.chip.nvmem.mac())
    rig.clock.advance(pending_command.ANSWER_TIMEOUT_S)
    assert isinstance(first[0], SilentError)
    assert second == first
    assert rig.losses == first
    assert is_off(rig)


def test_a_chip_that_does_not_get_ready_for_a_write_is_silent():
    rig = Rig()
    rig.bus.silent = True
    answer = rig.result(rig.chip.wlan.status())
    rig.clock.advance(READY_TIMEOUT_S)
    assert isinstance(answer[0], SilentError)


def test_connecting_and_looking_up_may_take_longer():
    rig = Rig()
    answer = rig.result(rig.chip.sockets.connect(0, "192.0.2.1", 80))
    rig.clock.advance(pending_command.CONNECT_TIMEOUT_S - 1)
    assert answer == []
    rig.clock.advance(1)
    assert isinstance(answer[0], SilentError)
    rig = Rig()
    answer = rig.result(rig.chip.sockets.host_by_name(b"slow.example"))
    rig.clock.advance(pending_command.NAME_TIMEOUT_S)
    assert isinstance(answer[0], SilentError)
    rig = Rig()
    answer = rig.result(rig.chip.sockets.select([0], timeout_us=2_000_000))
    rig.clock.advance(pending_command.ANSWER_TIMEOUT_S + 1)
    assert answer == []
    rig.clock.advance(1)
    assert isinstance(answer[0], SilentError)


def test_a_machine_that_cannot_transfer_loses_the_chip():
    rig = Rig()
    rig.bus.broken = True
    answer = rig.result(rig.chip.wlan.status())
    assert isinstance(answer[0], BusError)
    assert is_off(rig)


def test_after_a_loss_the_chip_can_be_started_again():
    rig = Rig()
    rig.result(rig.chip.wlan.status())
    rig.clock.advance(pending_command.ANSWER_TIMEOUT_S)
    rig.pins.script.extend(ScriptedChip("wlan_start", "wlan_statusget").script)
    started = rig.result(rig.chip.driver.start())
    rig.power_up()
    assert started == [None]
    assert rig.result(rig.chip.wlan.status()) == [3]


def test_a_pin_that_cannot_be_read_loses_the_chip(monkeypatch):
    rig = Rig()

    def fail():
        raise BusError("unplugged")

    monkeypatch.setattr(rig.bus, "irq_asserted", fail)
    answer = rig.result(rig.chip.wlan.status())
    assert isinstance(answer[0], BusError)
    assert is_off(rig)


def test_a_transfer_that_ends_when_the_chip_is_off_is_of_no_interest(monkeypatch):
    monkeypatch.setattr(Rig, "bus_type", FaultyBus)
    rig = Rig()
    transfer = Deferred()
    monkeypatch.setattr(rig.bus, "transfer", lambda _: transfer)
    answer = rig.result(rig.chip.wlan.status())
    rig.chip.driver.stop()
    transfer.errback(BusError("closed"))
    assert isinstance(answer[0], PowerOffError)
    assert len(rig.losses) == 1


# Order.


def test_one_command_at_a_time_in_the_order_they_came():
    rig = Rig("wlan_statusget", "nvmem_read_sp_version")
    rig.pins.written.clear()
    rig.bus.silent = True  # until both wait
    status, version = rig.result(rig.chip.wlan.status()), rig.result(rig.chip.nvmem.service_pack())
    rig.bus.silent = False
    rig.pins.irq_changed()
    assert status == [3]
    assert str(version[0]) == "1.26"


def test_an_answer_nobody_waits_for_is_dropped():
    rig = Rig()
    rig.says(
        EventPacket(0x1007, 0, bytes(4)),
        bytes.fromhex("0200000017 0291 0c1200 060000000c00000006000000 0800285a1b2c 00"),
    )
    assert rig.chip.driver.running
    answer = rig.result(rig.chip.wlan.status())
    rig.says(EventPacket(0x1007, 0, bytes(4)))
    assert answer == []


def test_what_is_reported_while_a_command_waits_is_reported():
    rig = Rig()
    heard = []
    stop = rig.chip.driver.watch(heard.append)
    answer = rig.result(rig.chip.wlan.status())
    rig.says(events.CloseWait(2).packet(), EventPacket(0x0009, 0, b"\x03\0\0\0"))
    assert heard == [events.CloseWait(2)]
    assert answer == [3]
    stop()
    rig.says(events.CloseWait(1).packet())
    assert len(heard) == 1


# Noise.


def test_a_spike_and_an_edge_without_a_packet_are_survived():
    rig = Rig("wlan_statusget")
    rig.bus.edge()
    rig.bus.spike()
    rig.bus.edge()
    assert rig.chip.driver.running
    assert rig.result(rig.chip.wlan.status()) == [3]


def test_nonsense_again_and_again_is_noise():
    rig = Rig()
    answer = rig.result(rig.chip.wlan.status())
    rig.says(b"\xff" * 10, b"\xff" * 10)
    assert answer == []
    rig.says(b"\xff" * 10)
    assert isinstance(answer[0], NoiseError)
    assert is_off(rig)


def test_nonsense_now_and_then_is_not():
    rig = Rig()
    for _ in range(5):
        rig.says(b"\xff" * 10, b"\x02\0\0\0\x05\x03\0\0\0\0", events.Keepalive().packet())
    assert rig.chip.driver.running


@pytest.mark.parametrize(
    "packet", [CommandPacket(0x0009), PatchPacket(1), EventPacket(0x8010, 0, b"short")]
)
def test_what_no_chip_says_counts_as_nonsense(packet):
    rig = Rig()
    frame = spi.read_frame(packet.encode())
    rig.says(frame, frame, frame)
    assert isinstance(rig.losses[0], NoiseError)


def test_an_answer_cut_short_leaves_nothing_to_rely_on():
    rig = Rig()
    answer = rig.result(rig.chip.wlan.status())
    rig.says(EventPacket(0x0009, 0, b"\x03"))
    assert isinstance(answer[0], NoiseError)


def test_a_transfer_that_brings_too_little_is_nonsense():
    rig = Rig("wlan_statusget")
    rig.bus.miso = lambda data: data[:-1]
    answer = rig.result(rig.chip.wlan.status())
    assert answer == []
    rig.clock.advance(pending_command.ANSWER_TIMEOUT_S)
    assert isinstance(answer[0], ChipError)


def test_whichever_bit_flips_in_an_answer_the_call_ends():
    for bit in range(14 * 8):
        rig = Rig("wlan_statusget")
        rig.bus.miso = lambda data, bit=bit: flipped(data, bit)
        answer = rig.result(rig.chip.wlan.status())
        rig.clock.advance(pending_command.ANSWER_TIMEOUT_S)
        assert len(answer) == 1


def test_a_watcher_that_fails_loses_the_chip_and_not_the_program(logged_failures):
    rig = Rig()
    rig.chip.driver.watch(lambda _: 1 / 0)
    rig.says(events.Keepalive().packet())
    assert len(logged_failures.flush(ZeroDivisionError)) == 1
    assert isinstance(rig.losses[0], NoiseError)


# Buffers.


def test_a_send_waits_for_a_buffer_and_one_is_kept_in_reserve():
    rig = Rig()
    buffers = rig.chip.driver.buffers
    taken = [rig.result(buffers.take(1)) for _ in range(6)]
    assert taken[:5] == [[None]] * 5
    assert taken[5] == []
    assert buffers.wanted
    assert not buffers.has_room()
    rig.says(events.FreeBuffers(((1, 1),)).packet())
    assert taken[5] == [None]
    assert buffers.held(1) == 5
    buffers.forget(1)
    assert buffers.held(1) == 0


def test_who_waits_for_a_buffer_of_a_chip_that_is_lost_is_notified():
    rig = Rig()
    for _ in range(5):
        rig.result(rig.chip.driver.buffers.take(1))
    waiting = rig.result(rig.chip.sockets.send(1, b"x"))
    rig.chip.driver.stop()
    assert isinstance(waiting[0], PowerOffError)


def test_a_chip_gives_back_no_more_than_it_has():
    rig = Rig()
    rig.says(events.FreeBuffers(((7, 60_000),)).packet())
    assert [rig.result(rig.chip.driver.buffers.take(1)) for _ in range(6)].count([]) == 1


def test_several_who_send_share_the_buffers():
    buffers = Rig().chip.driver.buffers
    assert [buffers.room(sharers) for sharers in (0, 1, 2, 3, 4, 9)] == [5, 5, 4, 2, 1, 1]


def test_a_send_to_a_dead_socket_without_an_answer_proper_is_refused_a_second_later():
    rig = Rig()
    answer = rig.result(rig.chip.sockets.send(0, b"x"))
    rig.says(events.SendFailed(1).packet(), events.SendFailed(0).packet())
    assert answer == []
    rig.clock.advance(driver_module.SECOND_ANSWER_TIMEOUT_S)
    assert isinstance(answer[0], CommandError)
    assert answer[0].code == -57
    assert rig.chip.driver.running


# What is expected.


def expectation(rig):
    return Expectation(rig.chip.driver, lambda e: e if isinstance(e, events.CloseWait) else None)


def test_an_event_that_comes_before_it_is_waited_for_is_not_missed():
    rig = Rig()
    awaited = expectation(rig)
    rig.says(events.Keepalive().packet(), *[events.CloseWait(sd).packet() for sd in (1, 2)])
    assert rig.result(awaited.within(1, rig.clock)) == [events.CloseWait(1)]


def test_an_event_that_comes_while_it_is_waited_for_and_one_that_does_not():
    rig = Rig()
    came, missed = (rig.result(expectation(rig).within(1, rig.clock)) for _ in range(2))
    rig.says(events.CloseWait(1).packet())
    assert came == missed == [events.CloseWait(1)]
    missed = rig.result(expectation(rig).within(1, rig.clock))
    rig.clock.advance(1)
    assert missed == [None]
    assert rig.clock.getDelayedCalls() == []


def test_what_came_before_the_chip_was_lost_came():
    rig = Rig()
    first, second = expectation(rig), expectation(rig)
    rig.says(events.CloseWait(1).packet())
    third = expectation(rig)
    rig.chip.driver.stop()
    assert rig.result(first.within(1, rig.clock)) == [events.CloseWait(1)]
    assert isinstance(rig.result(third.within(1, rig.clock))[0], PowerOffError)
    second.drop()
    second.drop()


# Data.


def test_data_that_is_none_is_noise():
    rig = Rig()
    answer = rig.result(rig.chip.sockets.receive(0, 512))
    rig.says(
        EventPacket(0x1004, 0, bytes.fromhex("00000000 05000000 01000000")),
        DataPacket(0x85, b"short", b"HELLO"),
    )
    assert isinstance(answer[0], NoiseError)
    answer = rig.result(rig.chip.nvmem.mac())
    rig.says(EventPacket(0x0201), DataPacket(0x91, bytes(12), b"mac"))
    assert isinstance(answer[0], NoiseError)


def test_a_chip_whose_nirq_lets_go_and_falls_again_comes_up():
    rig = Rig(start=False)
    rig.bus.spike()
    rig.clock.advance(0.05)
    rig.bus.set_selected(False)  # the spike is over; the pin is low as the chip is there
    rig.pins._set_irq(False)
    rig.pins._set_irq(True)
    rig.clock.pump([0.01] * 4)
    assert rig.started == [None]


# Bytes.


@pytest.mark.parametrize(
    "data", [b"", b"\x09", b"\x04\x00", b"\x02\x85\x05\x01\x00\x00", b"\x04\0\0\0\0"]
)
def test_what_is_no_packet_is_said_to_be_none(data):
    with pytest.raises(FrameError):
        decode(data)


def test_a_patch_that_counts_wrong_is_none():
    with pytest.raises(FrameError):
        decode(bytes((3, 1, 9, 0, 0, 0)))


def test_frames_that_are_none_are_said_to_be_none():
    for frame in (b"", b"\x03\0\0\0\0\0", b"\x01\0\x09\0\0\x01"):
        with pytest.raises(FrameError):
            spi.packet_written(frame)
    with pytest.raises(FrameError):
        spi.rest_burst(b"\x02\0\0\0\x05\x02\x85\x18\xff\xff", spi.ReadStyle.BY_PACKET)
    with pytest.raises(ValueError, match="65535"):
        spi.write_frame(bytes(70_000))


def test_a_packet_survives_what_follows_it_and_not_a_missing_byte():
    for packet in (CommandPacket(1, b"ab"), PatchPacket(2, b"abc"), EventPacket(3, 4, b"ab")):
        data = packet.encode()
        assert decode(data) == decode(data + b"\xff\xff") == packet
        for length in range(len(data)):
            with pytest.raises(FrameError):
                decode(data[:length])


def test_a_command_that_cannot_be_written_leaves_the_chip_to_others():
    rig = Rig()
    (fault,) = rig.result(rig.chip.sockets.send_to(0, b"x", "::1", 9))
    assert isinstance(fault, OSError)

    waiting = rig.result(rig.chip.sockets.open_stream())
    rig.clock.advance(11)
    (lost,) = waiting  # a scripted chip does not know it: it was asked, and did not answer
    assert isinstance(lost, SilentError)
