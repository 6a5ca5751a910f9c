"""Wi-Fi, addresses, memory and sockets: driver and emulated chip, joined by their pins."""

from dataclasses import replace

import pytest
from twisted.internet import error

from support.driven_chip import Joined
from support.fake_air import HOME
from tessel.cc3000 import netapp as netapp_module
from tessel.cc3000 import wlan as wlan_module
from tessel.cc3000.errors import CommandError, NoiseError, PowerOffError
from tessel.cc3000.hci.codes import Code, Option, Security, WlanStatus
from tessel.cc3000.hci.fields import SocketAddress
from tessel.cc3000.hci.replies import Bits, Result, ScanResult
from tessel.cc3000.netapp import Timers
from tessel.cc3000.wlan import JoinError


@pytest.fixture
def joined():
    return Joined()


# Wi-Fi.


def test_joining_gives_a_lease_and_leaving_ends_it(joined):
    seen = []
    joined.chip.wlan.watch(seen.append)
    lease = joined.join()
    assert lease == HOME.lease
    assert joined.chip.wlan.associated
    assert joined.now(joined.chip.wlan.status()) is WlanStatus.CONNECTED
    joined.now(joined.chip.wlan.leave())
    assert joined.chip.wlan.lease is None
    assert seen == [lease, None]
    joined.now(joined.chip.wlan.leave())  # once more is no error


def test_joining_while_joined_leaves_first(joined):
    joined.join()
    assert joined.join() == HOME.lease


def test_a_wrong_key_or_a_network_that_is_not_there_is_said(joined):
    result = joined.begin(joined.chip.wlan.join(b"nowhere"))
    joined.settle(0.1)
    joined.machine.pump([1] * int(wlan_module.JOIN_TIMEOUT_S + 1))
    assert isinstance(result[0], JoinError)
    result = joined.begin(joined.chip.wlan.join(HOME.ssid, HOME.security, b"wrong"))
    joined.settle(0.1)
    joined.machine.pump([1] * int(wlan_module.JOIN_TIMEOUT_S + 1))
    assert isinstance(result[0], JoinError)


def test_a_network_without_addresses_is_said():
    dry = replace(HOME, lease=None)
    joined = Joined(points=(dry,))
    result = joined.begin(joined.chip.wlan.join(dry.ssid, dry.security, dry.key))
    joined.settle(0.1)
    joined.machine.pump([1] * int(wlan_module.JOIN_TIMEOUT_S + 1))
    assert isinstance(result[0], JoinError)


@pytest.mark.parametrize(("ssid", "key"), [(b"", b""), (b"x" * 33, b""), (b"x", b"k" * 65)])
def test_names_and_keys_that_cannot_be_are_refused(joined, ssid, key):
    with pytest.raises(JoinError):
        joined.now(joined.chip.wlan.join(ssid, Security.WPA2, key))


def test_a_chip_that_is_lost_while_it_joins_ends_the_wait(joined):
    result = joined.begin(joined.chip.wlan.join(b"nowhere"))
    joined.settle(0.05)
    joined.chip.driver.stop()
    assert isinstance(result[0], PowerOffError)


def test_after_a_restart_the_chip_joins_the_last_network_by_itself(joined):
    joined.join()
    joined.now(joined.chip.boot())
    joined.settle(0.1)
    assert joined.chip.wlan.lease == HOME.lease


def test_profiles_can_be_added_until_there_is_no_room(joined):
    indices = [joined.now(joined.chip.wlan.add_profile(b"net%d" % n)) for n in range(7)]
    assert indices == list(range(7))
    with pytest.raises(CommandError):
        joined.now(joined.chip.wlan.add_profile(b"one more"))
    joined.now(joined.chip.wlan.delete_profile())
    assert joined.now(joined.chip.wlan.add_profile(b"again", Security.WPA, b"key")) == 0


def test_a_scan_finds_what_is_in_the_air(joined):
    joined.now(joined.chip.wlan.set_scan(wlan_module.hci.SetScanParameters(1)))
    joined.settle()
    (found,) = joined.now(joined.chip.wlan.scan_results())
    assert (found.ssid, found.security) == (HOME.ssid, HOME.security)


def test_a_scan_reports_each_network_once_and_has_an_end(joined, monkeypatch):
    found = ScanResult(9, 1, True, 80, Security.WPA2, b"home", bytes(6))
    again, faded = replace(found, rssi=70), replace(found, ssid=b"old", valid=False)
    told = iter([found, again, faded, *[again] * 100])

    async def call(_):
        return next(told)

    monkeypatch.setattr(joined.chip.driver, "call", call)
    assert joined.now(joined.chip.wlan.scan_results()) == [found]


def test_a_chip_that_will_not_leave_says_so(joined, monkeypatch):
    async def call(_):
        return Result(-1)

    monkeypatch.setattr(joined.chip.driver, "call", call)
    with pytest.raises(CommandError):
        joined.now(joined.chip.wlan.leave())


def test_a_scan_that_finds_nothing_is_empty():
    joined = Joined(points=())
    assert joined.now(joined.chip.wlan.scan_results()) == []


def test_a_status_that_is_none_is_noise(joined, monkeypatch):
    async def call(_):
        return Bits(77)

    monkeypatch.setattr(joined.chip.driver, "call", call)
    with pytest.raises(NoiseError):
        joined.now(joined.chip.wlan.status())


# Addresses, timers, memory.


def test_addresses_are_reported_as_a_whole(joined):
    joined.join()
    config = joined.now(joined.chip.netapp.ip_config())
    assert config.lease == HOME.lease
    assert config.ssid == HOME.ssid


def test_a_static_address_is_used_from_the_next_network_on(joined):
    joined.now(joined.chip.netapp.use_address("10.0.0.5", "255.255.255.0", "10.0.0.1", "10.0.0.2"))
    assert joined.join().address == "10.0.0.5"
    joined.now(joined.chip.netapp.use_dhcp())
    assert joined.join().address == HOME.lease.address


def test_timers_below_the_chips_least_are_raised_and_zero_is_never():
    assert Timers(keepalive_s=5, inactivity_s=0).command().keepalive_s == 20
    assert Timers(keepalive_s=5, inactivity_s=0).command().inactivity_s == 0


def test_a_ping_is_reported_and_its_event_kept_back_again(joined):
    joined.join()
    report = joined.begin(joined.chip.netapp.ping("10.10.220.1", attempts=2, timeout_ms=100))
    joined.settle(0.5)
    joined.machine.pump([0.5] * 20)
    assert report[0] is None or report[0].sent == 2


def test_a_ping_without_a_report_ends(joined, monkeypatch):
    monkeypatch.setattr(netapp_module, "_report", lambda _: None)
    report = joined.begin(joined.chip.netapp.ping("10.10.220.1", attempts=1, timeout_ms=100))
    joined.settle(0.2)
    joined.machine.pump([0.5] * 20)
    assert report == [None]


def test_the_mac_is_in_the_chips_memory(joined):
    assert len(joined.now(joined.chip.nvmem.mac())) == 6


def test_memory_is_written_in_pieces_and_read_back(joined):
    data = bytes(range(256)) * 3
    joined.now(joined.chip.nvmem.create(12, len(data)))
    joined.now(joined.chip.nvmem.write(12, data))
    assert joined.now(joined.chip.nvmem.read(12, 256, 512)) == data[512:]


# Sockets.


def test_a_connection_carries_bytes_both_ways(joined):
    joined.join()
    sockets = joined.chip.sockets
    sd = joined.now(sockets.open_stream())
    connecting = joined.begin(sockets.connect(sd, "192.0.2.7", 80))
    joined.settle(0.02)
    assert connecting == []
    peer = joined.machine.answer_dial()
    joined.settle(0.02)
    assert connecting == [None]
    joined.now(sockets.send(sd, b"ping"))
    assert peer.taken == b"ping"
    peer.protocol.dataReceived(b"pong")
    ready = joined.now(sockets.select([sd], [sd], 10_000))
    assert ready.readable == ready.writable == {sd}
    assert joined.now(sockets.receive(sd, 512)) == b"pong"
    assert joined.now(sockets.receive(sd, 512)) == b""
    joined.now(sockets.close(sd))
    with pytest.raises(CommandError):
        joined.now(sockets.receive(sd, 512))


def test_a_connection_that_is_not_taken_is_refused(joined):
    joined.join()
    sd = joined.now(joined.chip.sockets.open_stream())
    connecting = joined.begin(joined.chip.sockets.connect(sd, "192.0.2.7", 80))
    joined.settle(0.02)
    joined.machine.refuse_dial(error.ConnectionRefusedError())
    joined.settle(0.02)
    assert connecting[0].code == Code.FAILED


def test_a_port_accepts_or_says_that_nobody_is_there(joined):
    joined.join()
    sockets = joined.chip.sockets
    sd = joined.now(sockets.open_stream())
    joined.now(sockets.bind(sd, 8080))
    joined.now(sockets.listen(sd))
    assert joined.now(sockets.accept(sd)) is None
    joined.machine.call(peer="192.0.2.9", peer_port=5000)
    new_sd, peer = joined.now(sockets.accept(sd))
    assert new_sd != sd
    assert peer == SocketAddress("192.0.2.9", 5000)


def test_datagrams_go_both_ways(joined):
    joined.join()
    sockets = joined.chip.sockets
    sd = joined.now(sockets.open_datagram())
    joined.now(sockets.bind(sd, 7000))
    joined.now(sockets.send_to(sd, b"hello", "192.0.2.7", 9))
    (udp,) = joined.machine.udp_ports
    assert udp.written == [(b"hello", ("192.0.2.7", 9))]
    udp.factory.datagramReceived(b"there", ("192.0.2.7", 9))
    assert joined.now(sockets.receive_from(sd, 512)) == (b"there", SocketAddress("192.0.2.7", 9))


def test_options_and_names(joined):
    joined.join()
    sd = joined.now(joined.chip.sockets.open_stream())
    assert joined.now(joined.chip.sockets.get_option(sd, Option.RECV_TIMEOUT_MS)) == 10
    joined.air.names["www.example.com"] = ["93.184.216.34"]
    assert joined.now(joined.chip.sockets.host_by_name(b"www.example.com")) == "93.184.216.34"
    with pytest.raises(CommandError):
        joined.now(joined.chip.sockets.host_by_name(b"nope.invalid"))


def test_a_chip_that_is_switched_off_while_it_is_about_to_be_on_stays_off():
    joined = Joined(boot=False)
    started = joined.begin(joined.chip.driver.start())
    joined.chip.driver.stop()
    assert isinstance(started[0], PowerOffError)
    joined.settle()
    assert joined.emulated.firmware is None
