"""Ports of the radio: what arrives, datagrams, and a network that goes and comes back."""

import errno

import pytest
from twisted.internet import error
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.protocol import DatagramProtocol

from support.chip_radio import OURS, Radio, Talk
from support.fake_air import HOME
from tessel.cc3000.errors import CommandError, SilentError
from tessel.cc3000.netapp import Timers
from tessel.radio import interface as radio
from tessel.radio.cc3000 import socket_opener
from tessel.radio.cc3000.datagram_port import DATAGRAMS_HELD
from tessel.radio.cc3000.socket_opener import PORT_TRIES
from tessel.radio.interface import LinkState


@pytest.fixture
def ours():
    return Radio()


def test_a_port_accepts_connections_until_it_stops(ours):
    made = []

    def factory():
        made.append(Talk())
        return made[-1]

    port = ours.now(ours.radio.listen(8080, factory, address="", backlog=5))
    assert port.getHost().port == 8080
    peer = ours.machine.call()
    ours.settle(0.1)
    peer.protocol.dataReceived(b"hello")
    made[0].transport.write(b"you")
    ours.settle(0.1)
    assert (made[0].received, peer.taken) == (b"hello", b"you")
    assert made[0].transport.getPeer().host == "192.0.2.9"
    stopped = [ours.begin(port.stop()), ours.begin(port.stop())]
    ours.settle(0.1)
    assert stopped == [[None], [None]]
    assert ours.now(port.stop()) is None
    assert made[0].lost is None


def test_a_port_of_which_nobody_cares_is_chosen_by_the_radio(ours):
    ports = [ours.now(ours.radio.listen(0, Talk, address="", backlog=5)) for _ in range(2)]
    numbers = [port.getHost().port for port in ports]
    assert len(set(numbers)) == 2
    assert min(numbers) >= 49152


def test_a_port_in_use_an_address_that_is_not_ours_and_no_network_are_distinguished(ours):
    ours.machine.taken_ports.add(8080)
    with pytest.raises(radio.AddressInUseError):
        ours.now(ours.radio.listen(8080, Talk, address="", backlog=5))
    with pytest.raises(radio.AddressNotAvailableError):
        ours.now(ours.radio.listen(8080, Talk, address="192.0.2.1", backlog=5))
    with pytest.raises(radio.AddressInUseError):
        ours.now(ours.radio.bind_udp(8080, DatagramProtocol(), address=""))
    ours.now(ours.radio.power_off())
    with pytest.raises(radio.NetworkUnreachableError):
        ours.now(ours.radio.listen(8081, Talk, address="", backlog=5))


def test_a_factory_that_fails_loses_the_connection_alone(ours, logged_failures):
    def factory():
        raise ZeroDivisionError

    ours.now(ours.radio.listen(8080, factory, address="", backlog=5))
    peer = ours.machine.call()
    ours.settle(0.1)
    assert peer.lost
    assert len(logged_failures.flush(ZeroDivisionError)) == 1


def test_a_port_goes_with_the_radio(ours):
    port = ours.now(ours.radio.listen(8080, Talk, address="", backlog=5))
    stopping = ours.begin(port.stop())
    ours.now(ours.radio.power_off())
    assert stopping == [None]


def test_a_port_that_was_given_up_is_closed(ours):
    for work in (
        ours.radio.listen(8080, Talk, address="", backlog=5),
        ours.radio.bind_udp(8080, DatagramProtocol(), address=""),
    ):
        work.addErrback(lambda failure: failure.trap(CancelledError) and None)
        work.cancel()
    ours.settle(0.2)
    assert all(port.stopped for port in [*ours.machine.ports, *ours.machine.udp_ports])


class Letters(DatagramProtocol):
    def __init__(self):
        self.came = []
        self.stopped = 0

    def datagramReceived(self, datagram, addr):
        self.came.append((datagram, addr))
        if datagram == b"fail":
            raise ZeroDivisionError

    def stopProtocol(self):
        self.stopped += 1


def test_datagrams_go_both_ways(ours, logged_failures):
    letters = Letters()
    port = ours.now(ours.radio.bind_udp(7000, letters, address=""))
    assert port.getHost().port == 7000
    letters.transport.write(b"to", ("192.0.2.7", 9))
    ours.settle(0.1)
    (udp,) = ours.machine.udp_ports
    assert udp.written == [(b"to", ("192.0.2.7", 9))]
    udp.factory.datagramReceived(b"fail", ("192.0.2.7", 9))
    udp.factory.datagramReceived(b"fro", ("192.0.2.7", 9))
    ours.settle(0.1)
    assert letters.came[-1] == (b"fro", ("192.0.2.7", 9))
    assert len(logged_failures.flush(ZeroDivisionError)) == 1
    letters.transport.setBroadcastAllowed(True)
    assert letters.transport.getBroadcastAllowed()
    ours.now(letters.transport.stopListening())
    assert letters.stopped == 1


def test_a_connected_port_hears_its_peer_alone(ours):
    letters = Letters()
    ours.now(ours.radio.bind_udp(7000, letters, address=""))
    with pytest.raises(ValueError, match="without a receiver"):
        letters.transport.write(b"whom?")
    letters.transport.connect("192.0.2.7", 9)
    with pytest.raises(RuntimeError):
        letters.transport.connect("192.0.2.8", 9)
    with pytest.raises(error.MessageLengthError):
        letters.transport.write(bytes(1473))
    with pytest.raises(error.InvalidAddressError):
        letters.transport.write(b"x", ("::1", 9))
    letters.transport.write(b"you")
    ours.settle(0.1)
    (udp,) = ours.machine.udp_ports
    assert udp.written == [(b"you", ("192.0.2.7", 9))]
    udp.factory.datagramReceived(b"spam", ("192.0.2.8", 9))
    udp.factory.datagramReceived(b"ham", ("192.0.2.7", 9))
    ours.settle(0.1)
    assert [datagram for datagram, _ in letters.came] == [b"ham"]


def test_a_udp_port_past_the_chips_sockets_is_reported(ours):
    for _ in range(4):
        ours.connected()
    with pytest.raises(radio.NoSocketError):
        ours.now(ours.radio.bind_udp(7000, Letters(), address=""))


def gone_and_back(ours, seconds=30):
    ours.air.vanish(HOME)
    ours.settle(0.1)
    ours.air.appear(HOME)
    ours.machine.pump([1] * seconds)
    ours.settle(0.5)
    assert ours.radio.link is LinkState.UP


def joined_anew(ours):
    ours.now(ours.radio.supervisor.join(OURS))
    ours.settle(0.5)


def off_and_on(ours):
    ours.now(ours.radio.suspend())
    assert ours.radio.link is LinkState.OFF
    ours.now(Deferred.fromCoroutine(ours.radio.supervisor.switch_on()))
    ours.settle(0.5)
    assert ours.radio.link is LinkState.UP


@pytest.mark.parametrize("change", [gone_and_back, joined_anew, off_and_on])
def test_ports_are_open_again_when_there_is_a_network_again(ours, change):
    made = []
    ours.now(
        ours.radio.listen(8080, lambda: made.append(Talk()) or made[-1], address="", backlog=5)
    )
    letters = Letters()
    ours.now(ours.radio.bind_udp(7000, letters, address=""))
    change(ours)
    ours.machine.call()
    ours.machine.udp_ports[-1].factory.datagramReceived(b"still there?", ("192.0.2.7", 9))
    ours.settle(0.1)
    assert len(made) == 1
    assert letters.came == [(b"still there?", ("192.0.2.7", 9))]


def test_a_port_that_the_chips_timer_closed_is_opened_again(ours):
    ours.now(ours.chip.netapp.set_timers(Timers(inactivity_s=20)))
    ours.now(ours.radio.listen(8080, Talk, address="", backlog=5))
    ours.machine.pump([0.01] * 2500)
    assert len(ours.machine.ports) == 2
    assert ours.machine.ports[0].stopped
    assert not ours.machine.ports[1].stopped


def test_no_socket_is_lost_with_the_network(ours):
    for _ in range(3):
        for _ in range(4):
            ours.connected()
        gone_and_back(ours)


def test_a_port_that_stops_while_there_is_no_network_is_not_opened_again(ours):
    port = ours.now(ours.radio.listen(8080, Talk, address="", backlog=5))
    ours.air.vanish(HOME)
    ours.settle(0.1)
    assert ours.now(port.stop()) is None
    ours.air.appear(HOME)
    ours.machine.pump([1] * 30)
    ours.settle(0.5)
    assert len(ours.machine.ports) == 1


@pytest.mark.parametrize("change", [gone_and_back, joined_anew, off_and_on])
def test_a_port_that_is_taken_by_then_is_lost_and_says_so_once(ours, change):
    port = ours.now(ours.radio.listen(8080, Talk, address="", backlog=5))
    told = []
    port.watch_loss(told.append)
    ours.machine.taken_ports.add(8080)
    change(ours)
    gone_and_back(ours)
    assert not port.is_open
    assert [type(fault) for fault in told] == [radio.AddressInUseError]


def test_a_radio_that_is_switched_on_without_its_network_stays_on_and_tries_again(ours):
    ours.now(ours.radio.listen(8080, Talk, address="", backlog=5))
    told = []
    forget = ours.radio.supervisor.watch_trouble(told.append)
    ours.now(ours.radio.suspend())
    ours.air.vanish(HOME)
    ours.now(Deferred.fromCoroutine(ours.radio.supervisor.switch_on()))
    ours.machine.pump([1] * 60)
    assert ours.radio.link is not LinkState.OFF
    assert told
    forget()
    ours.air.appear(HOME)
    ours.machine.pump([1] * 90)
    ours.settle(0.5)
    assert ours.radio.link is LinkState.UP
    assert not ours.machine.ports[-1].stopped


def test_a_port_goes_with_a_radio_that_goes_off_without_a_network(ours):
    letters = Letters()
    ours.now(ours.radio.bind_udp(7000, letters, address=""))
    ours.air.vanish(HOME)
    ours.settle(0.1)
    assert letters.stopped == 0
    ours.now(ours.radio.power_off())
    assert letters.stopped == 1


def test_a_datagram_waits_for_a_buffer_without_keeping_the_others_waiting(ours):
    stuck, stuck_peer = ours.connected()
    stuck_peer.stuck = True
    stuck.transport.write(bytes(100_000))
    letters = Letters()
    ours.now(ours.radio.bind_udp(7000, letters, address=""))
    ours.settle(0.1)
    letters.transport.write(b"later", ("192.0.2.7", 9))
    stuck_peer.protocol.dataReceived(b"read meanwhile")
    ours.settle(0.1)
    assert stuck.received == b"read meanwhile"
    stuck_peer.stuck = False
    stuck_peer.flush()
    ours.settle(0.3)
    assert ours.machine.udp_ports[0].written == [(b"later", ("192.0.2.7", 9))]


def test_more_datagrams_than_the_radio_holds_are_refused(ours):
    letters = Letters()
    ours.now(ours.radio.bind_udp(7000, letters, address=""))
    for number in range(DATAGRAMS_HELD):
        letters.transport.write(b"%d" % number, ("192.0.2.7", 9))
    with pytest.raises(OSError, match="64 datagrams already wait") as raised:
        letters.transport.write(b"too many", ("192.0.2.7", 9))
    ours.settle(2)

    assert raised.value.errno == errno.ENOBUFS
    assert [data for data, _ in ours.machine.udp_ports[0].written] == [
        b"%d" % number for number in range(DATAGRAMS_HELD)
    ]
    letters.transport.write(b"again", ("192.0.2.7", 9))


@pytest.mark.parametrize("tries", [1, PORT_TRIES])
def test_a_port_that_happens_to_be_in_use_is_skipped_for_another(ours, monkeypatch, tries):
    numbers = iter([*[50_000] * tries, 50_001])
    monkeypatch.setattr(socket_opener, "_free_port", lambda _: next(numbers))
    ours.machine.taken_ports.add(50_000)
    if tries == PORT_TRIES:
        with pytest.raises(radio.AddressInUseError):
            ours.now(ours.radio.listen(0, Talk, address="", backlog=1))
    else:
        port = ours.now(ours.radio.listen(0, Talk, address="", backlog=1))
        assert port.getHost().port == 50_001


def test_a_port_that_the_chip_will_not_bind_is_said_and_leaves_no_socket(ours):
    async def refuse(*_):
        raise CommandError("bind", -127)

    ours.chip.sockets.bind = refuse
    for _ in range(5):
        with pytest.raises(radio.AddressInUseError):
            ours.now(ours.radio.listen(8080, Talk, address="", backlog=5))


def test_a_chip_lost_while_a_port_is_opened_again_opens_it_later(ours):
    ours.now(ours.radio.listen(8080, Talk, address="", backlog=5))
    ours.air.vanish(HOME)
    ours.settle(0.1)
    ours.air.appear(HOME)
    bind = ours.chip.sockets.bind

    async def lose(*_):
        ours.chip.sockets.bind = bind
        ours.chip.driver.abandon(SilentError("just now"))
        raise SilentError("just now")

    ours.chip.sockets.bind = lose
    ours.machine.pump([1] * 60)
    ours.settle(1)
    assert ours.radio.link is LinkState.UP
    assert len(ours.machine.ports) == 2
    assert not ours.machine.ports[-1].stopped


def test_a_port_that_stops_while_it_is_opened_again_is_closed(ours):
    port = ours.now(ours.radio.listen(8080, Talk, address="", backlog=5))
    ours.air.vanish(HOME)
    ours.settle(0.1)
    ours.air.appear(HOME)
    listen = ours.chip.sockets.listen

    async def stopping(*args):
        await listen(*args)
        port.stop()

    ours.chip.sockets.listen = stopping
    ours.machine.pump([1] * 30)
    ours.settle(0.5)
    assert all(one.stopped for one in ours.machine.ports)


def test_a_fault_of_ours_while_ports_are_opened_again_is_reported(ours, logged_failures):
    ours.now(ours.radio.listen(8080, Talk, address="", backlog=5))

    async def fail(*_):
        raise ZeroDivisionError

    ours.chip.sockets.bind = fail
    gone_and_back(ours)
    assert len(logged_failures.flush(ZeroDivisionError)) == 1


def test_a_port_for_which_there_is_no_socket_waits_for_one(ours):
    port = ours.now(ours.radio.listen(8080, Talk, address="", backlog=5))
    ours.air.vanish(HOME)
    ours.settle(0.1)
    open_stream, refused = ours.chip.sockets.open_stream, []

    async def refuse():
        refused.append(1)
        if len(refused) == 2:
            ours.chip.sockets.open_stream = open_stream
        raise CommandError("socket", -128)

    ours.chip.sockets.open_stream = refuse
    ours.air.appear(HOME)
    ours.machine.pump([1] * 40)
    ours.settle(0.5)
    assert len(refused) == 2
    assert port.is_open
    assert not ours.machine.ports[-1].stopped


def test_a_port_that_is_opened_again_when_the_radio_goes_off_goes_with_it(ours):
    letters = Letters()
    ours.now(ours.radio.bind_udp(7000, letters, address=""))
    ours.air.vanish(HOME)
    ours.settle(0.1)
    ours.air.appear(HOME)
    asked = []

    async def silent(*_):
        ours.bus.silent = True
        asked.append(1)
        await ours.chip.wlan.status()

    ours.chip.sockets.bind = silent
    ours.machine.pump([0.1] * 50)
    assert (asked, letters.stopped) == ([1], 0)
    ours.now(ours.radio.power_off())
    assert letters.stopped == 1


def test_a_port_that_waits_does_not_take_the_number_of_another_with_it(ours):
    first = ours.now(ours.radio.listen(8080, Talk, address="", backlog=5))
    second = ours.now(ours.radio.listen(8081, Talk, address="", backlog=5))
    ours.air.vanish(HOME)
    ours.settle(0.1)
    bind = ours.chip.sockets.bind

    async def refuse(sd, port):
        if port == 8080 and first.sd == sd_before:
            raise CommandError("bind", -128)
        await bind(sd, port)

    sd_before = first.sd
    ours.chip.sockets.bind = refuse
    ours.air.appear(HOME)
    ours.machine.pump([1] * 40)
    assert second.sd == sd_before
    ours.now(ours.radio.power_off())
    assert not first.is_open
    assert not second.is_open
