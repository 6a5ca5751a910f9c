"""RADIO=cc3000: power, network, connections and names, over an emulated chip in memory."""

import pytest
from twisted.internet import error
from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IConsumer, IPushProducer, ITCPTransport, IUDPTransport
from twisted.internet.protocol import DatagramProtocol
from twisted.names import dns
from zope.interface.verify import verifyObject

from support.chip_radio import OURS, Radio, Talk
from support.emulated_chip import but
from support.fake_air import HOME
from tessel.cc3000.bus import IBus
from tessel.cc3000.errors import SilentError
from tessel.radio import interface as radio
from tessel.radio.cc3000 import NamesBy, WifiCredentials
from tessel.radio.cc3000.dns_question import ANSWER_TIMEOUT_S, TRIES, DnsQuestion
from tessel.radio.cc3000.supervisor import AGAIN_BASE_S
from tessel.radio.interface import LinkState


@pytest.fixture
def ours():
    return Radio()


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
    ours.now(ours.radio.supervisor.join(OURS))
    assert ours.radio.link is LinkState.UP
    ours.now(ours.radio.supervisor.leave())
    assert ours.radio.link is LinkState.DOWN


def test_a_chip_that_is_not_there_is_said_and_switched_off():
    ours = Radio(on=False)
    ours.bus.silent = True
    result = ours.begin(ours.radio.power_on())
    ours.machine.pump([0.1] * 30)
    assert isinstance(result[0], radio.NetworkUnreachableError)
    assert ours.radio.link is LinkState.OFF


def test_a_network_that_is_not_there_is_said():
    ours = Radio(access_point=WifiCredentials(b"nowhere"), on=False)
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


def test_a_chip_that_is_started_again_is_up_once(ours):
    ours.links.clear()
    ours.chip.driver.abandon(SilentError("just now"))
    ours.settle(AGAIN_BASE_S + 1)
    assert ours.links == [LinkState.DOWN, LinkState.JOINING, LinkState.UP]


class Watcher(Talk):
    """Looks at the link when it is lost."""

    def __init__(self, radio):
        super().__init__()
        self._radio = radio
        self.link_then = None

    def connectionLost(self, reason=None):
        super().connectionLost(reason)
        self.link_then = self._radio.link


@pytest.mark.parametrize(
    ("loss", "link"),
    [
        (lambda ours: ours.air.vanish(HOME), LinkState.DOWN),
        (lambda ours: ours.chip.driver.abandon(SilentError("just now")), LinkState.DOWN),
        (lambda ours: ours.begin(ours.radio.supervisor.leave()), LinkState.DOWN),
        (lambda ours: ours.begin(ours.radio.supervisor.join(OURS)), LinkState.JOINING),
        (lambda ours: ours.begin(ours.radio.power_off()), LinkState.OFF),
    ],
    ids=["network", "chip", "leave", "join", "power"],
)
def test_whose_connection_is_cut_sees_a_link_that_is_not_up(ours, loss, link):
    talk, _ = ours.connected(lambda: Watcher(ours.radio))
    loss(ours)
    ours.settle(0.1)
    assert isinstance(talk.lost, error.ConnectionLost)
    assert talk.link_then is link


def test_a_look_up_ends_with_the_network_and_does_not_wait_for_the_next(ours):
    ours.air.silent.add("slow")
    looking = ours.begin(ours.radio.lookup("slow"))
    ours.settle(0.1)
    assert looking == []
    ours.air.vanish(HOME)
    ours.settle(0.1)
    assert isinstance(looking[0], radio.NameUnansweredError)


def test_off_and_on_is_up_once(ours):
    ours.links.clear()
    ours.now(ours.radio.power_off())
    ours.now(ours.radio.power_on())
    ours.settle(AGAIN_BASE_S + 1)
    assert ours.links == [LinkState.OFF, LinkState.DOWN, LinkState.JOINING, LinkState.UP]


def test_without_an_access_point_the_network_that_the_chip_joins_by_itself_will_do(ours):
    ours.radio.supervisor.access_point = None
    ours.now(ours.radio.power_off())
    ours.now(ours.radio.power_on())
    ours.settle(1)
    assert ours.radio.link is LinkState.UP


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


def test_a_link_that_is_watched_no_more_is_not_notified(ours):
    heard = []
    ours.radio.watch_link(heard.append)()
    ours.now(ours.radio.power_off())
    assert heard == []


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
        assert isinstance(results[0], radio.RadioRefusedError)


def test_without_an_ipv4_address_there_is_no_way(ours):
    assert isinstance(ours.dial("::1")[0], radio.AddressNotAvailableError)


@pytest.mark.parametrize("code", [-128, -1])
def test_past_the_chips_sockets_the_next_is_reported(code):
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


def test_who_waits_for_a_socket_when_the_radio_goes_off_is_notified(ours):
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


def test_who_gives_up_while_another_dials_keeps_nobody_waiting(ours):
    first = ours.dial()
    ours.settle(0.02)
    dial = ours.radio.connect(["192.0.2.8"], 80, Talk)
    second = ours.begin(dial)
    dial.cancel()
    ours.machine.answer_dial()
    ours.settle(0.1)
    assert isinstance(first[0], Talk)
    assert isinstance(second[0], CancelledError)
    assert len(ours.machine.tcpClients) == 1


def test_a_chip_lost_while_it_dials_is_said(ours):
    results = ours.dial()
    ours.settle(0.02)
    ours.now(ours.radio.power_off())
    assert isinstance(results[0], radio.NetworkUnreachableError)


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


def test_a_name_server_without_an_answer_to_give_is_unanswered(ours):
    question = DnsQuestion("www.example.com", "192.0.2.53", ours.machine)
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


def test_work_that_is_given_up_and_fails_by_a_fault_of_ours_is_reported(ours, logged_failures):
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


def test_it_is_what_it_says_it_is(ours):
    talk, _ = ours.connected()
    for interface in (ITCPTransport, IPushProducer, IConsumer):
        verifyObject(interface, talk.transport)
    verifyObject(radio.IRadio, ours.radio)
    verifyObject(radio.IRadioPort, ours.now(ours.radio.listen(0, Talk, address="", backlog=1)))
    port = ours.now(ours.radio.bind_udp(0, DatagramProtocol(), address=""))
    verifyObject(radio.IRadioPort, port)
    verifyObject(IUDPTransport, port)
    verifyObject(IBus, ours.bus)
    verifyObject(IBus, ours.bus._bus)
