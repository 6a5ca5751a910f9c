"""What the runtime adds to the chip: patience of a second, four more tries, its own words."""

import pytest
from twisted.internet import error
from twisted.internet.defer import CancelledError, Deferred, fail
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock

from support.chip_radio import Radio, Talk
from tessel.cc3000.errors import CommandError
from tessel.errors import NodeError
from tessel.network.chip import ChipNetwork
from tessel.network.interface import IHostIgnored, Target
from tessel.network.routed import NoWatcher
from tessel.radio.cc3000 import NamesBy
from tessel.radio.interface import (
    NameNotFoundError,
    NetworkUnreachableError,
    NoSocketError,
    RadioError,
    RadioRefusedError,
)

HERE = Target("192.0.2.7", 80)


class FakeRadio:
    """`dials` has each attempt; `outcome` is what comes of the next ones by itself."""

    def __init__(self):
        self.dials = []
        self.outcome = None

    def connect(self, addresses, port, factory):
        dial = Deferred()
        self.dials.append(dial)
        if self.outcome is not None:
            dial.errback(self.outcome)
        return dial

    def lookup(self, name):
        return fail(self.outcome)

    def listen(self, port, factory, *, address, backlog):
        return fail(self.outcome)

    def bind_udp(self, port, protocol, *, address):
        return fail(self.outcome)


class Stage:
    def __init__(self):
        self.clock = Clock()
        self.radio = FakeRadio()
        self.network = ChipNetwork(self.radio, self.clock)

    def connect(self):
        return self.network.connect(HERE, Protocol, NoWatcher())

    def error_of(self, attempt):
        failure = attempt.result
        attempt.addErrback(lambda _: None)
        assert failure.check(NodeError), failure
        return str(failure.value), failure.value.code


@pytest.fixture
def stage():
    return Stage()


def refused():
    error = RadioRefusedError("refused")
    error.__cause__ = CommandError("connect", -1)
    return error


def test_what_is_refused_is_tried_five_times_a_tenth_of_a_second_apart(stage):
    stage.radio.outcome = refused()
    attempt = stage.connect()
    for tries in range(1, 5):
        assert len(stage.radio.dials) == tries
        stage.clock.advance(0.1)

    assert len(stage.radio.dials) == 5
    text, code = stage.error_of(attempt)
    assert text == "ENOENT Cannot connect to 192.0.2.7 Got: err-1"
    assert code == "ECONNREFUSED"


def test_a_try_that_succeeds_is_the_last(stage):
    stage.radio.outcome = refused()
    attempt = stage.connect()
    stage.radio.outcome = None
    stage.clock.advance(0.1)
    protocol = Protocol()
    stage.radio.dials[-1].callback(protocol)

    assert attempt.result is protocol
    assert stage.clock.getDelayedCalls() == []


def test_a_chip_that_does_not_answer_is_given_up_after_a_second_each_time(stage):
    attempt = stage.connect()
    stage.clock.pump([1, 0.1] * 5)

    assert len(stage.radio.dials) == 5
    assert stage.error_of(attempt) == (
        "ENOENT Cannot connect to 192.0.2.7 Got: err-5",
        "ETIMEDOUT",
    )


def test_a_second_connection_waits_for_its_turn_and_has_its_second_then(stage):
    first, second = stage.connect(), stage.connect()
    assert len(stage.radio.dials) == 1
    stage.clock.advance(0.9)
    stage.radio.dials[0].callback("connected")
    stage.clock.advance(0.9)
    stage.radio.dials[1].callback("connected too")

    assert (first.result, second.result) == ("connected", "connected too")


def test_one_that_is_given_up_by_its_socket_makes_room(stage):
    first, second = stage.connect(), stage.connect()
    first.addErrback(lambda failure: failure.trap(CancelledError))
    first.cancel()

    assert len(stage.radio.dials) == 2
    stage.radio.dials[1].callback("connected")
    assert second.result == "connected"


@pytest.mark.parametrize(
    ("error", "text", "code"),
    [
        (NoSocketError("none"), "ENOENT: Cannot open another socket.", "EMFILE"),
        (NetworkUnreachableError("off"), "ENETUNREACH: Wifi is not connected.", "ENETUNREACH"),
    ],
)
def test_what_another_try_would_not_change_is_tried_once(stage, error, text, code):
    stage.radio.outcome = error
    attempt = stage.connect()

    assert len(stage.radio.dials) == 1
    assert stage.error_of(attempt) == (text, code)


def calls(network):
    return [
        network.lookup("example.com"),
        network.listen(80, Protocol, "", 5),
        network.bind_udp(80, Protocol(), ""),
    ]


def test_every_call_has_the_tessels_words_for_no_wifi_and_no_socket(stage):
    stage.radio.outcome = NetworkUnreachableError("off")
    for call in calls(stage.network):
        assert stage.error_of(Deferred.fromCoroutine(call))[0].startswith("ENETUNREACH: Wifi")
    stage.radio.outcome = NoSocketError("none")
    for call in calls(stage.network):
        assert stage.error_of(Deferred.fromCoroutine(call))[0].startswith("ENOENT: Cannot open")


def test_for_all_else_the_words_are_nodes(stage):
    stage.radio.outcome = RadioError("odd")
    told = [stage.error_of(Deferred.fromCoroutine(call))[0] for call in calls(stage.network)]

    assert told == ["getaddrinfo EIO example.com", "listen EIO: [::]:80", "bind EIO 0.0.0.0:80"]


def test_a_name_that_there_is_not_is_reported_as_node_does(stage):
    stage.radio.outcome = NameNotFoundError("none")
    looking = Deferred.fromCoroutine(stage.network.lookup("example.com"))

    assert stage.error_of(looking) == ("getaddrinfo ENOTFOUND example.com", "ENOTFOUND")


# Over the emulated chip, which is kept by a connect until it is answered or given up.


class Board(Radio):
    def __init__(self, **options):
        super().__init__(**options)
        self.network = ChipNetwork(self.radio, self.machine, self.radio.connect_turn)

    def connect(self, host):
        return self.begin(self.network.connect(Target(host, 80), Talk, NoWatcher()))

    def dialled(self):
        return [dial[0] for dial in self.machine.tcpClients]


@pytest.fixture
def board():
    return Board()


def give_up(board):
    board.machine.refuse_dial(error.TimeoutError())


def test_a_silent_host_is_reported_after_the_time_of_five_tries_and_dialled_once(board):
    silent = board.connect("192.0.2.1")
    board.settle(5)
    assert silent == []
    board.settle(1)
    assert (silent[0].code, board.dialled()) == ("ETIMEDOUT", ["192.0.2.1"])


def test_while_one_host_is_silent_another_is_dialled_as_soon_as_the_chip_is_free(board):
    silent, live = board.connect("192.0.2.1"), board.connect("192.0.2.2")
    board.settle(6)
    assert (live, board.dialled()) == ([], ["192.0.2.1"])
    give_up(board)
    board.settle(0.1)
    assert board.dialled() == ["192.0.2.1", "192.0.2.2"]
    board.machine.answer_dial()
    board.settle(0.1)
    assert isinstance(live[0], Talk)
    assert silent[0].code == "ETIMEDOUT"


def test_several_silent_hosts_are_dialled_in_turn_and_the_live_one_after_them(board):
    hosts = [f"192.0.2.{number}" for number in (1, 2, 3)]
    attempts = [board.connect(host) for host in hosts]
    for _ in hosts[:-1]:
        board.settle(6)
        give_up(board)
    board.settle(0.1)
    assert board.dialled() == hosts
    board.machine.answer_dial()
    board.settle(0.1)
    assert isinstance(attempts[-1][0], Talk)


def test_a_silent_connect_that_the_program_gave_up_keeps_the_chip_and_the_next_waits(board):
    deferred = board.network.connect(Target("192.0.2.1", 80), Talk, NoWatcher())
    board.begin(deferred)
    board.settle(0.1)
    deferred.cancel()
    live = board.connect("192.0.2.2")
    board.settle(5.9)
    assert live == []
    give_up(board)
    board.settle(0.1)
    board.machine.answer_dial()
    board.settle(0.1)
    assert isinstance(live[0], Talk)


def test_one_that_gave_up_while_it_waited_for_the_chip_is_not_dialled(board):
    board.connect("192.0.2.1")
    waiting = board.network.connect(Target("192.0.2.2", 80), Talk, NoWatcher())
    board.begin(waiting)
    live = board.connect("192.0.2.3")
    board.settle(2)
    waiting.cancel()
    give_up(board)
    board.settle(0.1)
    assert board.dialled() == ["192.0.2.1", "192.0.2.3"]
    board.machine.answer_dial()
    board.settle(0.1)
    assert isinstance(live[0], Talk)


def test_the_second_address_of_a_name_is_tried_when_the_first_is_silent(board):
    board.air.names["two"] = ["192.0.2.1", "192.0.2.2"]
    found = board.connect("two")
    board.settle(6)
    give_up(board)
    board.settle(0.1)
    assert board.dialled() == ["192.0.2.1", "192.0.2.2"]
    board.machine.answer_dial()
    board.settle(0.1)
    assert isinstance(found[0], Talk)


@pytest.mark.parametrize("asked_first", [True, False])
def test_a_name_is_found_also_when_a_silent_connect_keeps_the_chip_for_long(board, asked_first):
    board.air.names["live"] = ["192.0.2.2"]
    if asked_first:
        live = board.connect("live")
        board.connect("192.0.2.1")
    else:
        board.connect("192.0.2.1")
        board.settle(0.1)
        live = board.connect("live")
    board.settle(20)
    give_up(board)
    board.settle(0.1)
    board.machine.answer_dial()
    board.settle(0.1)
    assert isinstance(live[0], Talk)


def test_a_look_up_by_the_chip_that_is_silent_delays_a_connect_and_does_not_fail_it():
    board = Board(names_by=NamesBy.CHIP)
    board.air.silent.add("nowhere")
    board.begin(Deferred.fromCoroutine(board.network.lookup("nowhere")))
    live = board.connect("192.0.2.2")
    board.settle(10)
    assert (live, board.dialled()) == ([], [])
    board.air.answer("nowhere", [])
    board.settle(0.1)
    board.machine.answer_dial()
    board.settle(0.1)
    assert isinstance(live[0], Talk)


# The host of a port.

HOSTS = ["localhost", "127.0.0.1", "::1", "192.0.2.77", "example.com", "10.10.220.131"]


@pytest.mark.parametrize("host", ["", "0.0.0.0", "::", *HOSTS])
def test_a_port_of_the_chip_listens_whatever_host_was_named(board, host):
    tcp = board.now(board.network.listen(8080, Talk, host, 5))
    udp = board.now(board.network.bind_udp(7000, Talk(), host))
    assert (tcp.getHost().port, udp.getHost().port) == (8080, 7000)
    ignored = host in HOSTS[:-1]
    assert IHostIgnored.providedBy(tcp) is IHostIgnored.providedBy(udp) is ignored
    board.machine.call()
    board.settle(0.1)
    assert board.machine.udp_ports[0].number == 7000


def test_a_connection_waits_for_the_socket_of_a_look_up(board):
    """All four are in use, but one only until the name is found."""
    for number in range(3):
        board.connect(f"192.0.2.{number + 10}")
        board.settle(0.05)
        board.machine.answer_dial()
        board.settle(0.05)
    board.air.silent.add("slow")
    looking = board.begin(Deferred.fromCoroutine(board.network.lookup("slow")))
    board.settle(0.05)
    live = board.connect("192.0.2.1")
    board.settle(0.5)
    assert live == []
    board.air.answer("slow", ["192.0.2.2"])
    board.settle(0.1)
    board.machine.answer_dial()
    board.settle(0.1)
    assert looking == [["192.0.2.2"]]
    assert isinstance(live[0], Talk)
