"""RADIO=cc3000: over an emulated chip, on a machine in memory, with the time in hand."""

import pytest
from twisted.internet import error
from twisted.internet.defer import CancelledError
from twisted.internet.protocol import DatagramProtocol, Protocol
from twisted.names import dns

from support.fake_air import HOME
from tessel.cc3000.errors import CommandError
from tessel.cc3000.netapp import Timers
from tessel.cc3000.spi import ReadStyle
from tessel.emulator.quirks import IDEAL
from tessel.radio import interface as radio
from tessel.radio.cc3000 import AccessPoint, Cc3000Radio, NamesBy, Sizes
from tessel.radio.cc3000.connections import PORT_TRIES
from tessel.radio.cc3000.names import ANSWER_TIMEOUT_S, TRIES, Question
from tessel.radio.cc3000.outgoing import WRITE_BUFFER
from tessel.radio.cc3000.poll import LEAK_TIMEOUT_S
from tessel.radio.cc3000.station import AGAIN_BASE_S
from tessel.radio.cc3000.stream import LINGER_S
from tessel.radio.interface import LinkState
from unit.tessel.emulated import but
from unit.tessel.joined import Joined

OURS = AccessPoint(HOME.ssid, HOME.security, HOME.key)


class Talk(Protocol):
    """Remembers what came; `lost` has the reason."""

    def __init__(self):
        self.received = b""
        self.lost = None

    def dataReceived(self, data):
        self.received += data

    def connectionLost(self, reason=None):
        assert self.lost is None
        self.lost = reason.value


class Radio(Joined):
    def __init__(self, quirks=None, access_point=OURS, *, on=True, **options):
        super().__init__(quirks, boot=False)
        self.radio = Cc3000Radio(self.bus, self.machine, access_point, **options)
        self.chip = self.radio.chip
        self.links = []
        self.radio.watch_link(self.links.append)
        if on:
            self.now(self.radio.power_on())

    def dial(self, *addresses, factory=Talk):
        return self.begin(self.radio.connect(addresses or ["192.0.2.7"], 80, factory))

    def connected(self, factory=Talk):
        """A protocol and its peer's transport."""
        results = self.dial(factory=factory)
        self.settle(0.02)
        peer = self.machine.answer_dial()
        self.settle(0.02)
        return results[0], peer


@pytest.fixture
def ours():
    return Radio()


# Power and network.


def test_power_on_joins_the_network(ours):
    assert ours.radio.link is LinkState.UP
    assert ours.links == [LinkState.DOWN, LinkState.JOINING, LinkState.UP]
    assert ours.now(ours.radio.power_on()) is None  # again: nothing to do
    ours.now(ours.radio.power_off())
    assert ours.radio.link is LinkState.OFF
    assert not ours.chip.driver.running
    ours.settle()
    assert ours.machine.getDelayedCalls() == []


def test_without_an_access_point_it_waits_for_one():
    ours = Radio(access_point=None)
    assert ours.radio.link is LinkState.DOWN
    result = ours.dial()
    assert isinstance(result[0], radio.NetworkUnreachableError)
    ours.now(ours.radio.station.join(OURS))
    assert ours.radio.link is LinkState.UP
    ours.now(ours.radio.station.leave())
    assert ours.radio.link is LinkState.DOWN


def test_a_chip_that_is_not_there_is_said_and_switched_off():
    ours = Radio(on=False)
    ours.bus.silent = True
    result = ours.begin(ours.radio.power_on())
    ours.machine.pump([0.1] * 30)
    assert isinstance(result[0], radio.NetworkUnreachableError)
    assert ours.radio.link is LinkState.OFF


def test_a_network_that_is_not_there_is_said():
    ours = Radio(access_point=AccessPoint(b"nowhere"), on=False)
    result = ours.begin(ours.radio.power_on())
    ours.settle(0.1)
    ours.machine.pump([1] * 25)
    assert isinstance(result[0], radio.NetworkUnreachableError)
    assert ours.radio.link is LinkState.OFF


def test_a_network_that_goes_takes_its_connections_and_is_joined_again(ours):
    talk, _ = ours.connected()
    ours.air.vanish(HOME)
    ours.settle(0.1)
    assert ours.radio.link is not LinkState.UP
    assert isinstance(talk.lost, error.ConnectionLost)
    ours.air.appear(HOME)
    ours.machine.pump([1] * 40)
    ours.settle(1)
    assert ours.radio.link is LinkState.UP
    assert ours.connected()[0].lost is None


def test_a_chip_that_falls_silent_is_started_again(ours):
    talk, _ = ours.connected()
    ours.bus.silent = True
    talk.transport.write(b"is anybody there?")
    ours.machine.pump([0.1] * 105)
    assert isinstance(talk.lost, error.ConnectionLost)
    assert ours.radio.link is LinkState.DOWN
    ours.machine.pump([0.5] * 10)  # in vain
    ours.bus.heal()
    ours.machine.pump([0.5] * 40)
    ours.settle(1)
    assert ours.radio.link is LinkState.UP
    protocol, peer = ours.connected()
    protocol.transport.write(b"again")
    ours.settle(0.05)
    assert peer.taken == b"again"


def test_off_while_it_waits_to_start_again_is_off(ours):
    ours.bus.broken = True
    ours.dial()
    ours.settle(0.05)
    assert ours.radio.link is LinkState.DOWN
    ours.now(ours.radio.power_off())
    ours.bus.heal()
    ours.machine.pump([AGAIN_BASE_S] * 3)
    assert ours.radio.link is LinkState.OFF
    assert ours.machine.getDelayedCalls() == []


def test_close_gives_the_bus_back(ours):
    ours.radio.close()
    assert ours.bus.closed


def test_whose_sockets_are_whose_is_for_the_chip_made_of_code_to_say():
    mine = object()
    assert Radio(owns=lambda one: one is mine).radio.owns(mine)
    assert not Radio().radio.owns(mine)


def test_a_link_that_is_watched_no_more_is_not_told(ours):
    heard = []
    ours.radio.watch_link(heard.append)()
    ours.now(ours.radio.power_off())
    assert heard == []


# Connections.


def test_a_connection_carries_octets_both_ways_and_says_who_is_where(ours):
    talk, peer = ours.connected()
    assert ours.radio.connections_opened == 1
    assert talk.transport.getPeer().host == "192.0.2.7"
    assert talk.transport.getHost().host == HOME.lease.address
    talk.transport.writeSequence([b"GET ", b"/"])
    peer.protocol.dataReceived(b"200 OK")
    ours.settle(0.1)
    assert peer.taken == b"GET /"
    assert talk.received == b"200 OK"


def test_what_is_asked_for_that_the_chip_lacks_changes_nothing(ours):
    transport = ours.connected()[0].transport
    transport.setTcpNoDelay(True)
    transport.setTcpKeepAlive(True)
    assert not transport.getTcpNoDelay()
    assert not transport.getTcpKeepAlive()


def test_the_addresses_are_tried_one_after_the_other(ours):
    results = ours.dial("::1", "nonsense", "192.0.2.1", "192.0.2.2")
    ours.settle(0.02)
    assert len(ours.machine.tcpClients) == 1
    ours.machine.refuse_dial(error.ConnectionRefusedError())
    ours.settle(0.02)
    assert ours.machine.tcpClients[-1][0] == "192.0.2.2"
    ours.machine.answer_dial()
    ours.settle(0.02)
    assert isinstance(results[0], Talk)


def test_all_refused_is_refused_and_leaves_no_socket(ours):
    for _ in range(10):
        results = ours.dial()
        ours.settle(0.02)
        ours.machine.refuse_dial(error.ConnectionRefusedError())
        ours.settle(0.02)
        assert isinstance(results[0], radio.RefusedError)


def test_without_an_ipv4_address_there_is_no_way(ours):
    assert isinstance(ours.dial("::1")[0], radio.AddressNotAvailableError)


@pytest.mark.parametrize("code", [-128, -1])
def test_past_the_chips_sockets_the_next_is_told_so(code):
    ours = Radio(but(no_socket_code=code))
    for _ in range(4):
        ours.connected()
    results = ours.dial()
    ours.settle(0.05)
    assert isinstance(results[0], radio.NoSocketError)


def test_a_socket_that_is_about_to_be_free_is_waited_for(ours):
    talks = [ours.connected()[0] for _ in range(4)]
    talks[0].transport.loseConnection()
    results = ours.dial()
    ours.settle(0.1)
    ours.machine.answer_dial()
    ours.settle(0.05)
    assert isinstance(results[0], Talk)


def test_who_waits_for_a_socket_when_the_radio_goes_off_is_told(ours):
    talks = [ours.connected() for _ in range(4)]
    talks[0][1].stuck = True
    talks[0][0].transport.write(b"never taken")
    talks[0][0].transport.loseConnection()
    results = ours.dial()
    ours.settle(0.05)
    assert results == []
    ours.now(ours.radio.power_off())
    ours.settle(0.05)
    assert isinstance(results[0], radio.NetworkUnreachableError)


def test_giving_up_closes_what_then_stands(ours):
    results = []
    dial = ours.radio.connect(["192.0.2.1", "192.0.2.2"], 80, Talk)
    dial.addErrback(lambda failure: results.append(failure.value))
    ours.settle(0.02)
    dial.cancel()
    assert isinstance(results[0], CancelledError)
    peer = ours.machine.answer_dial()
    ours.settle(0.1)
    assert peer.lost
    assert len(ours.machine.tcpClients) == 1


def test_giving_up_what_then_fails_is_no_fault(ours):
    dial = ours.radio.connect(["192.0.2.1", "192.0.2.2"], 80, Talk)
    dial.addErrback(lambda failure: None)
    ours.settle(0.02)
    dial.cancel()
    ours.machine.refuse_dial(error.ConnectionRefusedError())
    ours.settle(0.1)
    assert len(ours.machine.tcpClients) == 1


def test_a_chip_lost_while_it_dials_is_said(ours):
    results = ours.dial()
    ours.settle(0.02)
    ours.now(ours.radio.power_off())
    assert isinstance(results[0], radio.NetworkUnreachableError)


# Ends.


def test_the_peers_end_comes_behind_what_it_sent(ours):
    talk, peer = ours.connected()
    talk.transport.pauseProducing()
    peer.protocol.dataReceived(b"x" * 4000)
    peer.finish()
    ours.settle(0.1)
    assert (talk.received, talk.lost) == (b"", None)
    talk.transport.resumeProducing()
    ours.settle(0.1)
    assert len(talk.received) == 4000
    assert isinstance(talk.lost, error.ConnectionDone)


def test_what_came_while_it_was_paused_in_between_is_kept(ours):
    talk, peer = ours.connected()

    class Paused(Talk):
        def dataReceived(self, data):
            super().dataReceived(data)
            talk.transport.pauseProducing()

    paused = Paused()
    talk.transport.protocol = paused
    peer.protocol.dataReceived(b"x" * 4000)
    ours.settle(0.1)
    assert len(paused.received) == 1460
    for _ in range(4):
        talk.transport.resumeProducing()
        ours.settle(0.05)
    assert len(paused.received) == 4000


@pytest.mark.parametrize("close", ["loseConnection", "loseWriteConnection", "stopProducing"])
def test_a_close_comes_behind_what_was_written(ours, close):
    talk, peer = ours.connected()
    talk.transport.write(b"y" * 10_000)
    getattr(talk.transport, close)()
    ours.settle(0.3)
    assert peer.taken == b"y" * 10_000
    assert peer.lost
    assert isinstance(talk.lost, error.ConnectionDone)


def test_a_close_does_not_wait_for_ever_for_what_nobody_takes(ours):
    talk, peer = ours.connected()
    peer.stuck = True
    talk.transport.write(b"y")
    talk.transport.loseConnection()
    ours.settle(LINGER_S - 1)
    assert talk.lost is None
    ours.settle(1.2)
    assert isinstance(talk.lost, error.ConnectionDone)


def test_an_abort_is_told_at_once_and_drops_what_was_written(ours):
    talk, peer = ours.connected()
    peer.stuck = True
    talk.transport.write(b"y" * 100_000)
    talk.transport.abortConnection()
    talk.transport.abortConnection()
    assert talk.lost is None  # not from inside the call
    ours.machine.advance(0)
    assert isinstance(talk.lost, error.ConnectionAborted)
    talk.transport = None
    for _ in range(4):
        ours.connected()


def test_a_socket_that_the_chip_closes_by_itself_is_lost_and_not_done():
    ours = Radio()
    ours.now(ours.chip.netapp.set_timers(Timers(inactivity_s=20)))
    talk, _ = ours.connected()
    # Reading polls do not count as activity.
    ours.machine.pump([0.01] * 2500)
    assert isinstance(talk.lost, error.ConnectionLost)


def test_a_write_after_the_peer_was_reset_ends_it(ours):
    talk, peer = ours.connected()
    talk.transport.pauseProducing()
    peer.reset()
    talk.transport.write(b"anybody?")
    ours.settle(0.2)
    talk.transport.resumeProducing()
    ours.settle(0.2)
    assert talk.lost is not None


def test_a_protocol_that_fails_loses_its_connection_alone(ours, logged_failures):
    class Failing(Talk):
        def dataReceived(self, data):
            raise ZeroDivisionError

    talk, peer = ours.connected(Failing)
    other, other_peer = ours.connected()
    peer.protocol.dataReceived(b"x")
    other_peer.protocol.dataReceived(b"x")
    ours.settle(0.1)
    assert len(logged_failures.flush(ZeroDivisionError)) == 1
    assert isinstance(talk.lost, ZeroDivisionError)
    assert other.received == b"x"


# Writing.


class Source:
    def __init__(self):
        self.told = []

    def pauseProducing(self):
        self.told.append("pause")

    def resumeProducing(self):
        self.told.append("resume")

    def stopProducing(self):
        self.told.append("stop")


def test_a_producer_is_paused_at_the_limit_and_goes_on_when_all_is_sent(ours):
    talk, peer = ours.connected()
    source = Source()
    talk.transport.registerProducer(source, True)
    with pytest.raises(RuntimeError):
        talk.transport.registerProducer(Source(), True)
    talk.transport.write(bytes(WRITE_BUFFER))
    assert source.told == []
    talk.transport.write(b"x")
    talk.transport.write(b"x")
    assert source.told == ["pause"]
    ours.settle(1)
    assert source.told == ["pause", "resume"]
    assert len(peer.taken) == WRITE_BUFFER + 2
    talk.transport.loseConnection()
    talk.transport.unregisterProducer()
    ours.settle(0.1)
    assert source.told == ["pause", "resume"]
    assert talk.lost is not None


def test_a_pull_producer_is_asked_whenever_all_is_sent(ours):
    talk, _ = ours.connected()
    source = Source()
    talk.transport.registerProducer(source, False)
    assert source.told == ["resume"]
    talk.transport.write(b"x")
    ours.settle(0.1)
    assert source.told == ["resume", "resume"]
    ours.now(ours.radio.power_off())
    assert source.told[-1] == "stop"


def test_a_producer_of_a_lost_connection_is_stopped(ours):
    talk, _ = ours.connected()
    transport = talk.transport
    ours.now(ours.radio.power_off())
    source = Source()
    transport.registerProducer(source, True)
    assert source.told == ["stop"]
    transport.write(b"nobody")
    transport.loseConnection()
    transport.abortConnection()


def test_one_that_is_stuck_leaves_buffers_to_the_others(ours):
    stuck, stuck_peer = ours.connected()
    other, other_peer = ours.connected()
    stuck_peer.stuck = True
    stuck.transport.write(bytes(100_000))
    ours.settle(0.2)
    other.transport.write(b"z" * 20_000)
    ours.settle(2)
    assert len(other_peer.taken) == 20_000


def test_the_chip_is_never_given_more_than_it_has_buffers_for(ours):
    """It would hang, as the emulated one does."""
    pairs = [ours.connected() for _ in range(4)]
    for talk, peer in pairs:
        peer.stuck = True
        talk.transport.write(bytes(20_000))
    ours.settle(1)
    for _, peer in pairs:
        peer.stuck = False
        peer.flush()
    ours.settle(3)
    assert [len(peer.taken) for _, peer in pairs] == [20_000] * 4


# Ports.


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


def test_a_port_in_use_an_address_that_is_not_ours_and_no_network_are_told_apart(ours):
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


# Datagrams.


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
    with pytest.raises(ValueError, match="nobody"):
        letters.transport.write(b"whom?")
    letters.transport.connect("192.0.2.7", 9)
    with pytest.raises(RuntimeError):
        letters.transport.connect("192.0.2.8", 9)
    with pytest.raises(error.MessageLengthError):
        letters.transport.write(bytes(1473))
    letters.transport.write(b"you")
    ours.settle(0.1)
    (udp,) = ours.machine.udp_ports
    assert udp.written == [(b"you", ("192.0.2.7", 9))]
    udp.factory.datagramReceived(b"spam", ("192.0.2.8", 9))
    udp.factory.datagramReceived(b"ham", ("192.0.2.7", 9))
    ours.settle(0.1)
    assert [datagram for datagram, _ in letters.came] == [b"ham"]


def test_a_udp_port_past_the_chips_sockets_is_told_so(ours):
    for _ in range(4):
        ours.connected()
    with pytest.raises(radio.NoSocketError):
        ours.now(ours.radio.bind_udp(7000, Letters(), address=""))


# Names.


@pytest.mark.parametrize("names_by", NamesBy)
def test_a_name_is_looked_up_either_way(names_by):
    ours = Radio(names_by=names_by)
    ours.air.names["www.example.com"] = ["192.0.2.7"]
    assert ours.now(ours.radio.lookup("www.example.com")) == ["192.0.2.7"]
    for name in ("nope.example", "x" * 300, "a..b", ""):
        with pytest.raises(radio.NameNotFoundError):
            ours.now(ours.radio.lookup(name))


def test_a_name_that_nobody_answers_is_asked_for_again_and_given_up(ours):
    ours.air.silent.add("slow.example")
    answer = ours.begin(ours.radio.lookup("slow.example"))
    ours.settle(0.1)
    ours.machine.pump([0.1] * int(10 * ANSWER_TIMEOUT_S * TRIES + 5))
    assert isinstance(answer[0], radio.NameUnansweredError)


def test_a_name_is_looked_up_by_the_chip_when_no_socket_is_left(ours):
    for _ in range(4):
        ours.connected()
    ours.air.names["www.example.com"] = ["192.0.2.7"]
    assert ours.now(ours.radio.lookup("www.example.com")) == ["192.0.2.7"]


def test_the_chips_first_answer_may_be_no_address():
    ours = Radio(but(first_lookup_is_zero=True), names_by=NamesBy.CHIP)
    ours.air.names["www.example.com"] = ["192.0.2.7"]
    assert ours.now(ours.radio.lookup("www.example.com")) == ["192.0.2.7"]
    ours.air.names["zero.example"] = ["0.0.0.0"]
    with pytest.raises(radio.NameNotFoundError):
        ours.now(ours.radio.lookup("zero.example"))


def test_a_look_up_ends_with_the_radio(ours):
    ours.air.silent.add("slow.example")
    answer = ours.begin(ours.radio.lookup("slow.example"))
    ours.settle(0.1)
    ours.now(ours.radio.power_off())
    assert isinstance(answer[0], radio.NameUnansweredError)
    with pytest.raises(radio.NetworkUnreachableError):
        ours.now(ours.radio.lookup("slow.example"))


def test_an_ideal_chip_does_as_well():
    ours = Radio(IDEAL)
    pairs = [ours.connected() for _ in range(8)]
    for talk, peer in pairs:
        talk.transport.write(b"up")
        peer.protocol.dataReceived(b"down")
    ours.settle(0.2)
    assert {(talk.received, peer.taken) for talk, peer in pairs} == {(b"down", b"up")}


# Ports and a network that comes and goes.


def gone_and_back(ours, seconds=30):
    ours.air.vanish(HOME)
    ours.settle(0.1)
    ours.air.appear(HOME)
    ours.machine.pump([1] * seconds)
    ours.settle(0.5)
    assert ours.radio.link is LinkState.UP


def test_ports_are_open_again_when_the_network_is_back(ours):
    made = []
    ours.now(
        ours.radio.listen(8080, lambda: made.append(Talk()) or made[-1], address="", backlog=5)
    )
    letters = Letters()
    ours.now(ours.radio.bind_udp(7000, letters, address=""))
    gone_and_back(ours)
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


def test_a_port_that_is_taken_by_then_is_lost(ours):
    port = ours.now(ours.radio.listen(8080, Talk, address="", backlog=5))
    ours.machine.taken_ports.add(8080)
    gone_and_back(ours)
    assert not port.is_open


def test_a_port_goes_with_a_radio_that_goes_off_without_a_network(ours):
    letters = Letters()
    ours.now(ours.radio.bind_udp(7000, letters, address=""))
    ours.air.vanish(HOME)
    ours.settle(0.1)
    assert letters.stopped == 0
    ours.now(ours.radio.power_off())
    assert letters.stopped == 1


# Buffers that are lost.


def test_a_chip_that_has_lost_all_its_buffers_is_started_again():
    ours = Radio(but(close_leaks_buffers=True))
    for _ in range(5):
        talk, peer = ours.connected()
        peer.stuck = True
        talk.transport.write(b"never taken")
        ours.settle(0.05)
        talk.transport.abortConnection()
        ours.settle(0.05)
    talk, peer = ours.connected()
    talk.transport.write(b"no buffer for this")
    ours.settle(LEAK_TIMEOUT_S + 0.5)
    assert isinstance(talk.lost, error.ConnectionLost)
    ours.settle(AGAIN_BASE_S + 1)
    talk, peer = ours.connected()
    talk.transport.write(b"as new")
    ours.settle(0.1)
    assert peer.taken == b"as new"


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


def test_the_sizes_of_reads_and_writes_can_be_a_tessels():
    ours = Radio(sizes=Sizes(read=512, write=1024))
    sizes = []
    original = ours.chip.sockets.send

    async def send(sd, octets):
        sizes.append(len(octets))
        await original(sd, octets)

    ours.chip.sockets.send = send
    talk, peer = ours.connected()
    arrived = []
    talk.dataReceived = lambda data: arrived.append(len(data))
    talk.transport.write(bytes(2500))
    peer.protocol.dataReceived(bytes(1200))
    ours.settle(0.2)
    assert sizes == [1024, 1024, 452]
    assert arrived == [512, 512, 176]


@pytest.mark.parametrize("tries", [1, PORT_TRIES])
def test_a_port_that_happens_to_be_in_use_is_passed_over_for_another(ours, monkeypatch, tries):
    numbers = iter([*[50_000] * tries, 50_001])
    monkeypatch.setattr(ours.radio._connections, "_free_port", lambda: next(numbers))
    ours.machine.taken_ports.add(50_000)
    if tries == PORT_TRIES:
        with pytest.raises(radio.AddressInUseError):
            ours.now(ours.radio.listen(0, Talk, address="", backlog=1))
    else:
        port = ours.now(ours.radio.listen(0, Talk, address="", backlog=1))
        assert port.getHost().port == 50_001


# What seldom happens.


@pytest.mark.parametrize("late", [True, False])
def test_a_write_to_a_socket_that_the_chip_has_closed_cuts_a_paused_connection(late):
    ours = Radio(but(late_send_failure=late))
    ours.now(ours.chip.netapp.set_timers(Timers(inactivity_s=20)))
    talk, _ = ours.connected()
    talk.transport.pauseProducing()
    ours.machine.pump([0.1] * 250)
    assert talk.lost is None
    talk.transport.write(b"anybody?")
    talk.transport.write(b"anybody?")
    ours.settle(0.1)
    assert isinstance(talk.lost, error.ConnectionLost)
    for _ in range(4):
        ours.connected()


def test_a_write_that_the_chip_refuses_cuts_the_connection_behind_what_came(ours):
    talk, peer = ours.connected()

    async def refuse(sd, octets):
        raise CommandError("send", -150)

    ours.chip.sockets.send = refuse
    peer.protocol.dataReceived(b"last words")
    talk.transport.write(b"x")
    talk.transport.write(b"y")
    ours.settle(0.1)
    assert talk.received == b"last words"
    assert isinstance(talk.lost, error.ConnectionLost)
    talk.transport = None


def test_a_close_that_the_chip_refuses_is_a_close(ours):
    talk, _ = ours.connected()
    port = ours.now(ours.radio.listen(8080, Talk, address="", backlog=5))

    async def refuse(sd):
        raise CommandError("close", -122)

    ours.chip.sockets.close = refuse
    talk.transport.loseConnection()
    assert ours.now(port.stop()) is None
    ours.settle(0.1)
    assert isinstance(talk.lost, error.ConnectionDone)


def test_a_select_that_the_chip_refuses_has_every_socket_looked_at(ours):
    talk, peer = ours.connected()
    calm, _ = ours.connected()

    async def refuse(*_):
        raise CommandError("select", -1)

    ours.chip.sockets.select = refuse
    peer.protocol.dataReceived(b"still read")
    ours.settle(0.2)
    assert talk.received == b"still read"
    assert calm.lost is None


def test_a_round_that_fails_is_told_and_not_the_last(ours, logged_failures):
    talk, peer = ours.connected()
    select = ours.chip.sockets.select

    async def fail(*_):
        ours.chip.sockets.select = select
        raise ZeroDivisionError

    ours.chip.sockets.select = fail
    peer.protocol.dataReceived(b"later")
    ours.settle(0.1)
    assert len(logged_failures.flush(ZeroDivisionError)) == 1
    assert talk.received == b"later"


def test_an_abort_while_a_read_is_under_way_delivers_nothing(ours):
    talk, peer = ours.connected()
    receive = ours.chip.sockets.receive

    async def aborted(sd, limit):
        octets = await receive(sd, limit)
        talk.transport.abortConnection()
        return octets

    ours.chip.sockets.receive = aborted
    peer.protocol.dataReceived(b"too late")
    ours.settle(0.1)
    assert talk.received == b""
    assert isinstance(talk.lost, error.ConnectionAborted)


def test_a_protocol_may_close_and_connect_from_inside_its_callbacks(ours):
    results = []

    class Next(Talk):
        def dataReceived(self, data):
            super().dataReceived(data)
            self.transport.write(b"bye")
            self.transport.loseConnection()
            results.append(ours.dial())

    talk, peer = ours.connected(Next)
    peer.protocol.dataReceived(b"go")
    ours.settle(0.1)
    assert peer.taken == b"bye"
    assert talk.lost is not None
    ours.machine.answer_dial()
    ours.settle(0.1)
    assert isinstance(results[0][0], Talk)


def test_a_name_server_without_an_answer_to_give_is_unanswered(ours):
    question = Question("www.example.com", "192.0.2.53", ours.machine)
    answer = ours.begin(question.answer)
    port = ours.now(ours.radio.bind_udp(0, question, address=""))
    ours.settle(0.05)
    asked = dns.Message()
    asked.fromStr(ours.machine.udp_ports[0].written[0][0])
    question.datagramReceived(b"noise", ("192.0.2.53", 53))
    question.datagramReceived(_answered(asked.id + 1, dns.ENAME), ("192.0.2.53", 53))
    question.datagramReceived(_answered(asked.id, dns.ENAME), ("192.0.2.54", 53))
    assert answer == []
    question.datagramReceived(_answered(asked.id, dns.ESERVER), ("192.0.2.53", 53))
    assert isinstance(answer[0], radio.NameUnansweredError)
    question.datagramReceived(_answered(asked.id, dns.ESERVER), ("192.0.2.53", 53))
    ours.now(port.stop())


def _answered(number, code):
    return dns.Message(number & 0xFFFF, answer=1, rCode=code).toStr()


def test_a_look_up_that_is_given_up_asks_no_more(ours):
    ours.air.silent.add("slow.example")
    work = ours.radio.lookup("slow.example")
    results = ours.begin(work)
    ours.settle(0.05)
    work.cancel()
    assert isinstance(results[0], CancelledError)
    ours.machine.pump([0.1] * int(10 * ANSWER_TIMEOUT_S * TRIES + 5))
    for _ in range(4):
        ours.connected()  # its socket is free


def test_work_that_is_given_up_and_fails_by_a_fault_of_ours_is_told(ours, logged_failures):
    async def fail(name):
        await ours.chip.wlan.status()
        raise ZeroDivisionError

    ours.radio._ask_chip = fail
    ours.radio._names_by = NamesBy.CHIP
    work = ours.radio.lookup("www.example.com")
    results = ours.begin(work)
    work.cancel()
    ours.settle(0.05)
    assert isinstance(results[0], CancelledError)
    assert len(logged_failures.flush(ZeroDivisionError)) == 1


def test_a_host_that_trusts_the_headers_length_gets_on_as_well():
    ours = Radio(on=False)
    ours.chip.driver._link._style = ReadStyle.BY_HEADER
    ours.now(ours.radio.power_on())
    talk, peer = ours.connected()
    peer.protocol.dataReceived(b"odd")
    talk.transport.write(b"even")
    ours.settle(0.1)
    assert (talk.received, peer.taken) == (b"odd", b"even")
