"""The emulated chip answers TI's bytes in the format that TI's driver expects."""

from dataclasses import replace

import pytest

from support.fake_air import HOME, FakeAir
from support.pin_host import PinHost
from support.spi_vectors import API_CALLS, CHIP, HOST, REAL_CHIP, bursts
from tessel.cc3000 import spi
from tessel.cc3000.hci import netapp, packets, sockets, wlan
from tessel.cc3000.hci.codes import Option, SocketKind
from tessel.cc3000.hci.fields import SocketAddress
from tessel.cc3000.hci.packets import DataPacket, EventPacket
from tessel.emulator.air import AccessPoint
from tessel.emulator.emulated_chip import EmulatedChip
from tessel.emulator.nvmem import MAC
from tessel.emulator.profiles import PROFILES, Profile
from tessel.emulator.quirks import Quirks

ASKING = Profile(Quirks(patch_requests=(2,)), PROFILES["cc3000"].latencies)


class Bench:
    """Return a chip that has an address and is prepared for a recording."""

    def __init__(self, profile=PROFILES["cc3000"], *, joined=True):
        self.air = FakeAir(HOME)
        self.air.names["www.example.com"] = ["93.184.216.34"]
        self.machine = self.air.machine
        self.host = PinHost(EmulatedChip(self.air, profile), self.machine)
        if joined:
            self.host.join(HOME)

    def sockets(self, *kinds):
        for kind in kinds:
            self.host.call(sockets.OpenSocket(kind=kind))

    def connected(self):
        self.sockets(SocketKind.STREAM)
        self.host.begin(sockets.Connect(0, SocketAddress("192.168.1.20", 80)))
        return self.machine.answer_dial()

    def settle(self):
        self.host.settle()
        self.host.events.clear()


def socket_0(bench):
    bench.sockets(SocketKind.STREAM)


def socket_2(bench):
    bench.sockets(*[SocketKind.STREAM] * 3)


def datagrams_1(bench):
    bench.sockets(SocketKind.STREAM, SocketKind.DATAGRAM)


def connected(bench):
    bench.connected()
    bench.settle()


def listening_2(bench):
    socket_2(bench)
    bench.host.call(sockets.Listen(2))
    bench.host.call(sockets.SetSocketOption(2, Option.ACCEPT_NONBLOCK, b"\0"))


def called_2(bench):
    listening_2(bench)
    bench.machine.call(peer="192.168.1.99", peer_port=40000)


def with_bytes(bench):
    bench.connected().protocol.dataReceived(b"WORLD")
    bench.settle()


def patient(bench):
    connected(bench)
    bench.host.call(sockets.SetSocketOption(0, Option.RECV_TIMEOUT_MS, b"\1\0\0\0"))


def with_a_datagram(bench):
    datagrams_1(bench)
    bench.host.call(sockets.Bind(1, SocketAddress(port=7000)))
    bench.machine.udp_ports[0].factory.datagramReceived(b"pong", ("8.8.8.8", 53))


def dead(bench):
    bench.connected().reset()
    bench.settle()


def another_ap(bench):
    bench.air.appear(AccessPoint(ssid=b"openap", bssid=b"openap"))


# What a recording takes for granted. Without: an address alone.
BEFORE = {
    "accept_ok": called_2,
    "accept_pending": listening_2,
    "bind_tcp_8080": socket_2,
    "bind_udp": datagrams_1,
    "closesocket": connected,
    "closesocket_already": dead,
    "connect_tcp": socket_0,
    "getsockopt_recv_timeout": socket_0,
    "listen": socket_2,
    "recv": with_bytes,
    "recv_nodata": patient,
    "recvfrom_udp": with_a_datagram,
    "select_blocking": connected,
    "select_read_0_min5ms": with_bytes,
    "send_even_4": connected,
    "send_inactive": dead,
    "send_odd_5": connected,
    "sendto_udp_even_tolen16": datagrams_1,
    "sendto_udp_odd_tolen16": datagrams_1,
    "sendto_udp_tolen8": datagrams_1,
    "setsockopt_accept_nonblock": socket_0,
    "setsockopt_accept_nonblock_1byte": socket_2,
    "setsockopt_recv_timeout": socket_0,
    "socket_udp": socket_0,
    "wlan_connect_open": another_ap,
}
# What a chip decides by itself: addresses, codes of failure, how much of a scan is left, which
# answer of two comes first, and what a real chip answered to a good option.
ITS_OWN = {
    "accept_pending",
    "gethostbyname_fail",
    "getsockopt_recv_timeout",
    "netapp_ipconfig",
    "nvmem_get_mac_address",
    "send_inactive",
    "setsockopt_accept_nonblock",
    "wlan_get_scan_results",
}


def form(frame):
    """Return the parts of a packet that a driver checks: its kind, its opcode and its length."""
    packet = packets.decode(spi.packet_read(frame))
    match packet:
        case EventPacket(opcode, status, args):
            return ("event", opcode, status, len(args))
        case DataPacket(opcode, args, payload):
            return ("data", opcode, len(args), len(payload))


def played(bench, name):
    """Replay the writes of a recording in order; return all packets of the chip."""
    said = []
    for burst in bursts(name):
        if burst.side == HOST:
            bench.host.write(burst.data)
            if name == "connect_tcp":
                bench.machine.answer_dial()
        else:
            said.append(bench.host.read())
    return said


STARTS = ("wlan_start", "wlan_start_patchreq", "wlan_stop")
CALLS = [name for name in API_CALLS if not name.startswith("async_") and name not in STARTS]


@pytest.mark.parametrize("name", CALLS)
def test_each_call_of_tis_driver_gets_a_response_in_its_format(name):
    bench = Bench()
    BEFORE.get(name, lambda _: None)(bench)
    said = played(bench, name)
    expected = [burst.data for burst in bursts(name) if burst.side == CHIP]
    assert None not in said
    assert sorted(map(form, said)) == sorted(map(form, expected))
    if name not in ITS_OWN:
        assert said == [frame[: len(ours)] for frame, ours in zip(expected, said, strict=True)]


@pytest.mark.parametrize(
    ("name", "profile"), [("wlan_start", PROFILES["cc3000"]), ("wlan_start_patchreq", ASKING)]
)
def test_a_start_works_for_tis_driver_with_and_without_patches(name, profile):
    bench = Bench(profile, joined=False)
    bench.host.power_on()
    said = played(bench, name)
    assert said == [burst.data for burst in bursts(name) if burst.side == CHIP]


def test_events_have_the_bytes_that_tis_callbacks_get():
    expected = {
        name: [burst.data for burst in bursts(name)]
        for name in API_CALLS
        if name.startswith("async_")
    }
    assert happened(connects) == expected["async_connect_dhcp"]
    assert happened(disconnects) == expected["async_disconnect"]
    assert happened(hears_a_fin) == expected["async_close_wait"]
    assert happened(keeps_alive) == expected["async_keepalive_patchreq"]
    assert list(map(form, happened(frees_two))) == list(map(form, expected["async_free_buff"]))
    assert list(map(form, happened(pings))) == list(map(form, expected["async_ping_report"]))


def happened(what):
    """Return the unsolicited frames of a chip with an address when this happens."""
    bench = Bench(joined=what is not connects)
    what(bench)
    frames = []
    while (frame := bench.host.read()) is not None:
        frames.append(frame)
    return frames


def connects(bench):
    lease = replace(HOME.lease, name_server="8.8.8.8")
    point = AccessPoint(ssid=b"capture", lease=lease)
    bench.air.appear(point)
    bench.host.boot()
    bench.host.call(wlan.ConnectWlan(b"capture"))


def disconnects(bench):
    bench.air.vanish(HOME)


def hears_a_fin(bench):
    transport = bench.connected()
    bench.settle()
    transport.finish()


def keeps_alive(bench):
    bench.machine.advance(10)


def frees_two(bench):
    connected(bench)
    bench.host.call(sockets.Send(0, b"GET "))
    bench.host.call(sockets.Send(0, b"GET "))
    bench.host.events.clear()
    bench.machine.advance(1)


def pings(bench):
    bench.host.call(netapp.Ping("10.10.220.1", 3, 64, 1000))


@pytest.mark.parametrize("name", REAL_CHIP)
def test_the_boot_of_a_real_tessel_gets_the_responses_of_its_real_chip(name):
    bench = Bench(joined=False)
    bench.host.power_on()
    told = []
    for burst in bursts(name):
        if burst.side != HOST:
            continue
        command = packets.decode(spi.packet_written(burst.data))
        if command.opcode == wlan.Start.OPCODE:
            bench.host.chip.power(on=False)
            bench.host.power_on()
        bench.host.write(burst.data)
        bench.machine.advance(0.01)
        told += [form(frame) for frame in iter(bench.host.read, None)]
    wanted = [
        form(burst.data)
        for number, burst in enumerate(bursts(name))
        if burst.side == CHIP and spi.packet_read(burst.data)[2] < 0x80
    ]
    started = wanted.index(("event", wlan.Start.OPCODE, 0, 0))
    assert [event for event in told if event[1] < 0x8000] == wanted[started:]


def test_the_chips_mac_address_is_read_unchanged():
    bench = Bench()
    frame = played(bench, "nvmem_get_mac_address")[-1]
    assert packets.decode(spi.packet_read(frame)).payload == MAC
