"""The emulated chip's Wi-Fi and the air around it, and the name server behind."""

from dataclasses import replace

import pytest
from twisted.internet.defer import fail
from twisted.names import dns

from support.emulated_chip import PEER, Emulated
from support.fake_air import HOME, FakeAir
from tessel.cc3000.hci import netapp, sockets, wlan
from tessel.cc3000.hci.codes import Code, EventOpcode, Security, SocketKind, WlanStatus
from tessel.cc3000.hci.events import DhcpDone, unsolicited
from tessel.cc3000.hci.fields import SocketAddress
from tessel.emulator.air import LEASE, AccessPoint
from tessel.emulator.latencies import Latencies
from tessel.emulator.nameserver import QUESTIONS, NameServer
from tessel.emulator.nvmem import NO_PROFILE
from tessel.emulator.station import RETRY_S

OPEN = AccessPoint(ssid=b"cafe", bssid=b"cafe00")
JOIN = wlan.ConnectWlan(HOME.ssid, HOME.security, HOME.key)
JOINED = [EventOpcode.WLAN_CONNECTED, EventOpcode.DHCP_DONE]
LOST = EventOpcode.WLAN_DISCONNECTED


def booted(*points, latencies=None):
    chip = Emulated(None, latencies, *points, joined=False)
    chip.host.boot()
    return chip


def status(chip):
    return chip.host.call(wlan.GetStatus()).value


def restart(chip):
    chip.chip.power(on=False)
    chip.host.boot()
    return chip.opcodes()


# Joining.


def test_joining_takes_its_steps():
    chip = booted(latencies=Latencies(join_s=0.5, lease_s=0.25))
    assert status(chip) == WlanStatus.DISCONNECTED
    assert chip.host.call(JOIN).value == 0
    assert status(chip) == WlanStatus.CONNECTING
    chip.machine.advance(0.5)
    assert chip.opcodes() == JOINED[:1]
    assert status(chip) == WlanStatus.CONNECTED
    chip.machine.advance(0.25)
    assert chip.opcodes() == JOINED[1:]
    config = chip.host.call(netapp.GetIpConfig())
    assert (config.lease, config.ssid) == (LEASE, b"tesselnet")


@pytest.mark.parametrize(
    "wrong", [replace(JOIN, key=b"guess"), replace(JOIN, security=Security.WPA)]
)
def test_with_a_wrong_key_the_access_point_does_not_let_it_in(wrong):
    chip = booted()
    assert chip.host.call(wrong).value == 0
    assert chip.opcodes() == [LOST]
    assert status(chip) == WlanStatus.DISCONNECTED


def test_a_network_that_is_not_there_is_looked_for_until_it_is():
    chip = booted(OPEN)
    chip.host.call(JOIN)
    assert chip.opcodes() == []
    assert status(chip) == WlanStatus.SCANNING
    chip.air.appear(AccessPoint(ssid=b"other", bssid=b"other0"))
    assert status(chip) == WlanStatus.SCANNING
    chip.air.appear(HOME)
    assert chip.opcodes() == JOINED


def test_an_access_point_that_goes_at_the_wrong_moment_is_looked_for_again():
    chip = booted(latencies=Latencies(join_s=0.5))
    chip.host.call(JOIN)
    chip.air.vanish(HOME)
    chip.machine.advance(0.5)
    assert status(chip) == WlanStatus.SCANNING


def test_one_of_several_can_be_chosen_by_its_bssid():
    other = replace(HOME, bssid=b"other0", key=b"another key")
    chip = booted(HOME, other)
    chip.host.call(replace(JOIN, bssid=b"other0", key=b"another key"))
    assert chip.opcodes() == JOINED


def test_without_a_lease_it_leaves_again_and_tries_again_if_its_policy_says_so():
    dry = replace(HOME, lease=None)
    chip = booted(dry)
    chip.host.call(wlan.SetConnectionPolicy(0, 1, 0))
    chip.host.call(JOIN)
    chip.host.settle()
    lease = unsolicited(chip.host.events[1])
    assert isinstance(lease, DhcpDone)
    assert (lease.status, lease.lease.address) == (255, "0.0.0.0")
    assert chip.opcodes() == [*JOINED, LOST]
    chip.machine.advance(RETRY_S)
    assert chip.opcodes() == [*JOINED, LOST]


def test_joining_another_network_leaves_the_first():
    chip = Emulated(None, None, HOME, OPEN)
    chip.host.call(wlan.ConnectWlan(b"cafe"))
    assert chip.opcodes() == [LOST, *JOINED]
    assert chip.host.call(netapp.GetIpConfig()).ssid == b"cafe"


def test_an_attempt_that_goes_on_is_replaced_in_silence():
    chip = booted(OPEN)
    chip.host.call(JOIN)
    chip.host.call(wlan.ConnectWlan(b"cafe"))
    assert chip.opcodes() == JOINED


# What it joins by itself.


def test_it_joins_the_last_network_if_it_is_to():
    chip = Emulated()
    assert restart(chip) == []
    chip.host.call(wlan.SetConnectionPolicy(0, 1, 0))
    assert restart(chip) == JOINED


def test_it_joins_any_open_network_if_it_is_to():
    chip = booted(HOME, OPEN)
    chip.host.call(wlan.SetConnectionPolicy(1, 0, 0))
    assert restart(chip) == JOINED
    assert chip.host.call(netapp.GetIpConfig()).ssid == b"cafe"


def test_it_joins_the_best_profile_in_range_if_it_is_to():
    chip = booted(HOME, OPEN)
    chip.host.call(wlan.SetConnectionPolicy(0, 0, 1))
    assert chip.host.call(wlan.AddProfile(b"cafe", priority=1)).value == 0
    profile = wlan.AddProfile(HOME.ssid, HOME.security, HOME.key, priority=2)
    assert chip.host.call(profile).value == 1
    assert chip.host.call(wlan.AddProfile(b"far away", priority=3)).value == 2
    assert restart(chip) == JOINED
    assert chip.host.call(netapp.GetIpConfig()).ssid == b"tesselnet"


def test_there_is_room_for_seven_profiles():
    chip = booted()
    added = [chip.host.call(wlan.AddProfile(b"cafe")).value for _ in range(8)]
    assert added == [*range(7), NO_PROFILE]
    chip.host.call(wlan.DeleteProfile(3))
    assert chip.host.call(wlan.AddProfile(b"cafe")).value == 3
    chip.host.call(wlan.DeleteProfile())
    assert chip.host.call(wlan.AddProfile(b"cafe")).value == 0


# Losing it.


def test_out_of_range_cuts_every_socket_and_back_in_range_it_joins_again():
    chip = Emulated()
    chip.host.call(wlan.SetConnectionPolicy(0, 1, 0))
    sd, transport = chip.connected()
    udp, _ = chip.datagrams()
    dialling = chip.socket()
    connect = sockets.Connect(dialling, PEER)
    chip.host.begin(connect)
    chip.air.vanish(HOME)
    assert chip.host.answer_to(connect).value == Code.FAILED
    assert chip.opcodes() == [LOST]
    assert transport.aborted
    assert chip.receive(sd)[0] == Code.INACTIVE
    assert chip.host.call(sockets.SendTo(udp, b"x", PEER)).count == Code.INACTIVE
    assert chip.host.call(sockets.Connect(dialling, PEER)).value == Code.NOT_CONNECTED
    assert chip.host.call(sockets.CloseSocket(udp)).value == Code.INACTIVE
    chip.machine.advance(0.1)
    chip.opcodes()
    chip.air.appear(HOME)
    assert chip.opcodes() == JOINED
    assert chip.socket() == udp


def test_leaving_is_answered_and_reported():
    chip = Emulated()
    assert chip.host.call(wlan.DisconnectWlan()).value == 0
    assert chip.opcodes() == [LOST]
    assert chip.host.call(wlan.DisconnectWlan()).value == Code.ALREADY_DISCONNECTED


# Addresses.


def test_a_static_address_takes_effect_at_once_and_is_kept():
    chip = Emulated()
    _, transport = chip.connected()
    static = netapp.SetAddress("192.168.1.50", "255.255.255.0", "192.168.1.1", "8.8.8.8")
    chip.host.call(static)
    assert chip.opcodes() == [EventOpcode.DHCP_DONE]
    assert transport.aborted
    chip.host.call(wlan.SetConnectionPolicy(0, 1, 0))
    restart(chip)
    lease = chip.host.call(netapp.GetIpConfig()).lease
    assert (lease.address, lease.name_server) == ("192.168.1.50", "8.8.8.8")


def test_an_address_that_is_set_before_joining_is_only_kept():
    chip = booted()
    chip.host.call(netapp.SetAddress("192.168.1.50"))
    assert chip.opcodes() == []


def test_a_lease_is_renewed_in_time_and_connections_stay():
    chip = Emulated()
    _, transport = chip.connected()
    chip.host.call(netapp.SetTimers(dhcp_s=100, keepalive_s=0, inactivity_s=0))
    chip.machine.advance(100)
    assert chip.opcodes() == [EventOpcode.DHCP_DONE]
    assert not transport.aborted


def test_timers_of_zero_are_off():
    chip = Emulated()
    chip.connected()
    chip.host.call(netapp.SetTimers(0, 0, 0, 0))
    chip.machine.advance(0.2)
    assert [call.getTime() for call in chip.machine.getDelayedCalls()] == []


def test_timers_set_before_joining_count_after_it():
    chip = booted()
    chip.host.call(netapp.SetTimers(0, 0, 5, 0))
    chip.host.call(JOIN)
    chip.opcodes()
    chip.machine.advance(5)
    assert chip.opcodes() == [EventOpcode.KEEPALIVE]


def test_of_a_dhcp_server_that_is_gone_the_renewal_fails():
    chip = Emulated()
    chip.host.call(netapp.SetTimers(100, 0, 0, 0))
    chip.air.access_points[:] = []
    chip.chip.firmware.station.joined = replace(HOME, lease=None)
    chip.machine.advance(100)
    assert chip.opcodes() == [EventOpcode.DHCP_DONE, LOST]


# Scanning.


def test_a_scan_reports_one_access_point_after_the_other():
    chip = booted(HOME, OPEN)
    scan = wlan.GetScanResults()
    found = [chip.host.call(scan) for _ in range(4)]
    assert [(one.count, one.ssid, one.valid) for one in found] == [
        (2, b"tesselnet", True),
        (1, b"cafe", True),
        (0, b"", False),
        (2, b"tesselnet", True),
    ]


def test_an_access_point_is_known_by_its_bssid():
    air = FakeAir(HOME, replace(HOME, ssid=b"renamed"))
    assert [point.ssid for point in air.access_points] == [b"renamed"]


# The name server of the lease.


def question(name=b"example.com", kind=dns.A):
    message = dns.Message(7, recDes=1)
    message.addQuery(name, kind)
    return message.toStr()


def answered(data):
    message = dns.Message()
    message.fromStr(data)
    return message.rCode, [record.payload.dottedQuad() for record in message.answers]


def asked_by_udp(chip, data):
    sd = chip.socket(SocketKind.DATAGRAM)
    chip.impatient(sd)
    chip.host.call(sockets.SendTo(sd, data, SocketAddress(LEASE.name_server, 53)))
    reply = chip.host.call(sockets.ReceiveFrom(sd, 512))
    if reply.count <= 0:
        return None
    chip.host.settle(1)
    arrived = sockets.Arrived.read(chip.host.events.pop())
    assert arrived.sender == SocketAddress(LEASE.name_server, 53)
    return answered(arrived.data)


def test_the_lease_s_name_server_answers_as_this_machine_would():
    chip = Emulated()
    chip.air.names["example.com"] = ["192.0.2.1", "2001:db8::1", "192.0.2.2"]
    assert asked_by_udp(chip, question()) == (dns.OK, ["192.0.2.1", "192.0.2.2"])
    assert chip.machine.udp_ports[0].written == []


def test_it_knows_of_no_other_kind_of_record_and_no_other_name():
    chip = Emulated()
    assert asked_by_udp(chip, question(kind=dns.AAAA)) == (dns.OK, [])
    assert asked_by_udp(chip, question(b"x.invalid")) == (dns.ENAME, [])


@pytest.mark.parametrize("data", [b"", b"\0" * 5, b"\xff" * 40, question()[:20]])
def test_what_is_no_question_is_not_answered(data):
    assert asked_by_udp(Emulated(), data) is None


def test_questions_beyond_what_it_keeps_are_lost():
    air = FakeAir()
    air.silent.add("example.com")
    names, answers = NameServer(air.lookup), []
    for _ in range(QUESTIONS):
        names.ask(question(), answers.append)
    names.ask(question(b"x.invalid"), answers.append)
    assert answers == []


def test_an_answer_that_cannot_be_given_is_logged(logged_failures):
    names = NameServer(lambda _: fail(LookupError()))
    names.ask(question(), lambda _: 1 / 0)
    assert len(logged_failures.flush(ZeroDivisionError)) == 1
