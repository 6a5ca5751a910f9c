"""Our driver writes the same bytes as TI's for the same call, and decodes the same responses."""

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from support.scripted_chip import ScriptedChip
from support.spi_vectors import API_CALLS, CHIP, HOST, bursts
from tessel.cc3000 import spi
from tessel.cc3000.chip import Chip
from tessel.cc3000.errors import CommandError
from tessel.cc3000.hci import packets
from tessel.cc3000.hci import sockets as socket_hci
from tessel.cc3000.hci import wlan as wlan_hci
from tessel.cc3000.hci.codes import Option, Security, WlanStatus
from tessel.cc3000.hci.events import PingReport
from tessel.cc3000.hci.fields import SocketAddress
from tessel.cc3000.hci.names import AdvertiseMdns
from tessel.cc3000.hci.netapp import FlushArp, Ping, SetDebugLevel, StopPing
from tessel.cc3000.netapp import Timers
from tessel.cc3000.simulated import SimulatedBus


def running(*names):
    """Return a started chip that replays these recordings next."""
    pins, clock = ScriptedChip("wlan_start", *names), Clock()
    chip = Chip(SimulatedBus(pins), clock)
    started = Deferred.fromCoroutine(chip.driver.start())
    clock.pump([0.05, 0.01, 0.01, 0.01])
    assert started.called
    pins.written.clear()
    return chip, pins, clock


def outcome(coroutine):
    """Return the result of a call or raise its exception; the call must be done."""
    done = []
    Deferred.fromCoroutine(coroutine).addBoth(done.append)
    return done[0] if done else "waits"


def recorded_bytes(name):
    return [burst.data for burst in bursts(name) if burst.side == HOST]


def after_start(driver, message):
    async def call():
        return await driver.call(message)

    return call()


MAC = bytes.fromhex("08 00 28 5a 1b 2c")
PEER = SocketAddress("192.168.1.99", 40000)
# name of the recording -> the same call on our chip, and what it gives
CALLS = {
    "accept_ok": (lambda c: c.sockets.accept(2), (3, PEER)),
    "accept_pending": (lambda c: c.sockets.accept(2), None),
    "bind_tcp_8080": (lambda c: c.sockets.bind(2, 8080), None),
    "bind_udp": (lambda c: c.sockets.bind(1, 7000), None),
    "closesocket": (lambda c: c.sockets.close(0), None),
    "closesocket_already": (lambda c: c.sockets.close(0), None),
    "connect_tcp": (lambda c: c.sockets.connect(0, "192.168.1.20", 80), None),
    "gethostbyname": (lambda c: c.sockets.host_by_name(b"www.example.com"), "93.184.216.34"),
    "gethostbyname_fail": (lambda c: c.sockets.host_by_name(b"nope.invalid"), CommandError),
    "getsockopt_recv_timeout": (lambda c: c.sockets.get_option(0, Option.RECV_TIMEOUT_MS), 10),
    "mdns_advertise": (
        lambda c: after_start(c.driver, AdvertiseMdns(1, b"tessel")),
        ...,
    ),
    "netapp_arp_flush": (lambda c: after_start(c.driver, FlushArp()), ...),
    "netapp_dhcp_dynamic": (lambda c: c.netapp.use_dhcp(), None),
    "netapp_dhcp_static": (
        lambda c: c.netapp.use_address("192.168.1.50", "255.255.255.0", "192.168.1.1", "8.8.8.8"),
        None,
    ),
    "netapp_ipconfig": (lambda c: c.netapp.ip_config(), ...),
    "netapp_ping_send": (lambda c: after_start(c.driver, Ping("192.168.1.1", 3, 64, 1000)), ...),
    "netapp_ping_stop": (lambda c: after_start(c.driver, StopPing()), ...),
    "netapp_set_debug_level": (lambda c: after_start(c.driver, SetDebugLevel(1)), ...),
    "netapp_timeout_values": (
        lambda c: c.netapp.set_timers(Timers(keepalive_s=5, inactivity_s=0)),
        None,
    ),
    "nvmem_create_entry": (lambda c: c.nvmem.create(12, 16), None),
    "nvmem_get_mac_address": (lambda c: c.nvmem.mac(), MAC),
    "nvmem_read_sp_version": (lambda c: c.nvmem.service_pack(), ...),
    "nvmem_write": (lambda c: c.nvmem.write(12, bytes([1, 2, 3, 4])), None),
    "recv": (lambda c: c.sockets.receive(0, 32), b"WORLD"),
    "recv_nodata": (lambda c: c.sockets.receive(0, 32), b""),
    "recvfrom_udp": (
        lambda c: c.sockets.receive_from(1, 32),
        (b"pong", SocketAddress("8.8.8.8", 53)),
    ),
    "select_blocking": (
        lambda c: after_start(c.driver, socket_hci.Select(1, 0, 1, timeout_us=None)),
        ...,
    ),
    "select_read_0_min5ms": (lambda c: c.sockets.select([0], timeout_us=1000), ...),
    "send_even_4": (lambda c: c.sockets.send(0, b"GET "), None),
    "send_odd_5": (lambda c: c.sockets.send(0, b"HELLO"), None),
    "send_inactive": (lambda c: c.sockets.send(0, b"x"), None),
    "sendto_udp_tolen8": (lambda c: c.sockets.send_to(1, b"abcd", "8.8.8.8", 53), None),
    "set_connection_policy_0_1_1": (
        lambda c: c.wlan.set_policy(last_used=True, profiles=True),
        None,
    ),
    "set_event_mask": (lambda c: c.netapp.mask_events(), None),
    "set_scan_params": (
        lambda c: c.wlan.set_scan(wlan_hci.SetScanParameters(10_000, 100, 100, 5)),
        None,
    ),
    "setsockopt_accept_nonblock": (
        lambda c: c.sockets.set_option(0, Option.ACCEPT_NONBLOCK, bytes(2)),
        0,
    ),
    "setsockopt_accept_nonblock_1byte": (
        lambda c: c.sockets.set_option(2, Option.ACCEPT_NONBLOCK, bytes(1)),
        0,
    ),
    "setsockopt_recv_timeout": (
        lambda c: c.sockets.set_option(0, Option.RECV_TIMEOUT_MS, bytes([10, 0, 0, 0])),
        0,
    ),
    "smart_config_set_prefix": (
        lambda c: after_start(c.driver, wlan_hci.SetSmartConfigPrefix()),
        ...,
    ),
    "smart_config_start": (lambda c: after_start(c.driver, wlan_hci.StartSmartConfig()), ...),
    "smart_config_stop": (lambda c: after_start(c.driver, wlan_hci.StopSmartConfig()), ...),
    "socket_tcp": (lambda c: after_start(c.driver, socket_hci.OpenSocket()), ...),
    "socket_udp": (lambda c: c.sockets.open_datagram(), 1),
    "wlan_add_profile_open": (lambda c: c.wlan.add_profile(b"openap"), 0),
    "wlan_add_profile_wep": (
        lambda c: c.wlan.add_profile(b"wepap", Security.WEP, b"abcde"),
        0,
    ),
    "wlan_add_profile_wpa2": (
        lambda c: c.wlan.add_profile(b"tesselnet", Security.WPA2, b"password"),
        0,
    ),
    "wlan_connect_open": (lambda c: after_start(c.driver, wlan_hci.ConnectWlan(b"openap")), ...),
    "wlan_connect_wpa2": (
        lambda c: after_start(
            c.driver, wlan_hci.ConnectWlan(b"tesselnet", Security.WPA2, b"password")
        ),
        ...,
    ),
    "wlan_del_profile_255": (lambda c: c.wlan.delete_profile(), None),
    "wlan_disconnect": (lambda c: after_start(c.driver, wlan_hci.DisconnectWlan()), ...),
    "wlan_get_scan_results": (lambda c: c.wlan.scan_results(), ...),
    "wlan_statusget": (lambda c: c.wlan.status(), WlanStatus.CONNECTED),
    "listen": (lambda c: after_start(c.driver, socket_hci.Listen(2, 1)), ...),
}
# Where ours differs on purpose: the Tessel's udp_send gives sixteen bytes of address.
DIFFERENT = {"sendto_udp_even_tolen16", "sendto_udp_odd_tolen16"}


def test_no_recording_of_a_call_is_left_out():
    of_power = {"wlan_start", "wlan_start_patchreq", "wlan_stop"}
    unasked = {name for name in API_CALLS if name.startswith("async_")}
    assert set(CALLS) == set(API_CALLS) - of_power - unasked - DIFFERENT


@pytest.mark.parametrize("name", CALLS)
def test_the_same_call_writes_the_same_bytes(name):
    call, expected = CALLS[name]
    chip, pins, _ = running(name)
    result = outcome(call(chip))
    assert pins.written == recorded_bytes(name)
    assert not pins.script
    if expected is CommandError:
        result.trap(CommandError)
    elif expected is not ...:
        assert result == expected
    else:
        assert result != "waits"


def test_a_start_is_like_tis_with_its_first_write_in_two_parts():
    pins, clock = ScriptedChip("wlan_start"), Clock()
    started = Deferred.fromCoroutine(Chip(SimulatedBus(pins), clock).driver.start())
    clock.pump([0.05, 0.01, 0.01, 0.01])
    assert started.called
    assert pins.written == recorded_bytes("wlan_start")
    assert pins.cuts == [[4, 6], [10]]
    assert pins.powered == [False, True]


def test_a_chip_that_requests_patches_gets_the_reply_that_there_are_none():
    pins, clock = ScriptedChip("wlan_start_patchreq"), Clock()
    started = Deferred.fromCoroutine(Chip(SimulatedBus(pins), clock).driver.start())
    clock.pump([0.05, 0.01, 0.01, 0.01])
    assert started.called
    assert pins.written == recorded_bytes("wlan_start_patchreq")


def told(name):
    """Replay an event right after a start; return the chip and the decoded events."""
    pins, clock, heard = ScriptedChip("wlan_start", name), Clock(), []
    chip = Chip(SimulatedBus(pins), clock)
    chip.driver.watch(heard.append)
    Deferred.fromCoroutine(chip.driver.start())
    clock.pump([0.05, 0.01, 0.01, 0.01])
    assert not pins.script
    return chip, heard


def test_unsolicited_events_are_decoded():
    chip, _ = told("async_connect_dhcp")
    assert chip.wlan.associated
    assert chip.wlan.lease.address == "10.10.220.131"
    assert told("async_ping_report")[1] == [PingReport(3, 3, 2, 5, 3)]
    assert [type(e).__name__ for e in told("async_close_wait")[1]] == ["CloseWait"]
    assert [type(e).__name__ for e in told("async_disconnect")[1]] == ["WlanDisconnected"]
    assert [type(e).__name__ for e in told("async_free_buff")[1]] == ["FreeBuffers"]
    assert [type(e).__name__ for e in told("async_keepalive_patchreq")[1]] == ["Keepalive"]


# The real chip. In the second recording some reads have lost bits; the first is whole.

SCAN = wlan_hci.SetScanParameters(10_000, waits_ms=(2000,) + (0,) * 15)


def without_pads(frames):
    """Replace the pad: a Tessel sends old bytes of its buffer, our driver sends zero."""
    packets_of = [packets.decode(spi.packet_written(frame)).encode() for frame in frames]
    return [spi.write_frame(packet) for packet in packets_of]


class RealChip(ScriptedChip):
    """Return the recording of the boot from the second power-up on."""

    def __init__(self):
        super().__init__()
        told = bursts("real_chip_tessel_boot")
        starts = [at for at, burst in enumerate(told) if burst.data[6:8] == b"\x00\x40"]
        assert len(starts) == 4  # two commands, two answers
        self.script.extend(told[starts[2] :])


def test_our_boot_sends_what_a_real_tessel_sent():
    pins, clock = RealChip(), Clock()
    chip = Chip(SimulatedBus(pins), clock)
    booted = Deferred.fromCoroutine(chip.boot(Timers(keepalive_s=20, inactivity_s=20)))
    clock.pump([0.05, 0.01, 0.01, 0.01])
    assert str(booted.result) == "1.26"
    assert outcome(chip.wlan.set_policy(last_used=True)) is None
    assert outcome(chip.wlan.set_scan(SCAN)) is None
    assert outcome(chip.netapp.use_address("0.0.0.0", "0.0.0.0", "0.0.0.0", "8.8.8.8")) is None
    recorded = recorded_bytes("real_chip_tessel_boot")[-8:]
    assert pins.written == without_pads(recorded)
    assert not pins.script
    assert chip.wlan.associated


def test_all_recorded_packets_of_a_real_chip_are_decoded_at_any_time():
    """Replay all packets of the recording; responses before the start belong to no call."""
    said = [b for b in bursts("real_chip_tessel_boot") if b.side == CHIP]
    pins, clock = ScriptedChip("wlan_start"), Clock()
    pins.script.extend(said)
    chip = Chip(SimulatedBus(pins), clock)
    Deferred.fromCoroutine(chip.driver.start())
    clock.pump([0.05, 0.01, 0.01, 0.01])
    assert not pins.script
    assert chip.driver.running
    assert chip.wlan.associated


def test_a_recording_with_lost_bits_does_not_crash_the_driver():
    said = [b for b in bursts("real_chip_tessel_connect_dhcp") if b.side == CHIP]
    pins, clock = ScriptedChip("wlan_start"), Clock()
    pins.script.extend(said)
    chip = Chip(SimulatedBus(pins), clock)
    Deferred.fromCoroutine(chip.driver.start())
    clock.pump([0.05, 0.01, 0.01, 0.01])
    assert chip.driver.running
    assert chip.wlan.lease.address == "10.10.220.131"
