"""What the runtime adds to the chip: patience of a second, four more tries, its own words."""

import pytest
from twisted.internet.defer import CancelledError, Deferred, fail
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock

from tessel.cc3000.errors import CommandError
from tessel.errors import NodeError
from tessel.network.chip import ChipNetwork
from tessel.network.interface import Target
from tessel.network.routed import NobodyWatches
from tessel.radio.interface import (
    NameNotFoundError,
    NetworkUnreachableError,
    NoSocketError,
    RadioError,
    RefusedError,
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
        return self.network.connect(HERE, Protocol, NobodyWatches())

    def error_of(self, attempt):
        failure = attempt.result
        attempt.addErrback(lambda _: None)
        assert failure.check(NodeError), failure
        return str(failure.value), failure.value.code


@pytest.fixture
def stage():
    return Stage()


def refused():
    error = RefusedError("refused")
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
    stage.radio.dials[0].callback("stands")
    stage.clock.advance(0.9)
    stage.radio.dials[1].callback("stands too")

    assert (first.result, second.result) == ("stands", "stands too")


def test_one_that_is_given_up_by_its_socket_makes_room(stage):
    first, second = stage.connect(), stage.connect()
    first.addErrback(lambda failure: failure.trap(CancelledError))
    first.cancel()

    assert len(stage.radio.dials) == 2
    stage.radio.dials[1].callback("stands")
    assert second.result == "stands"


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


def test_a_name_that_there_is_not_is_told_as_node_does(stage):
    stage.radio.outcome = NameNotFoundError("none")
    looking = Deferred.fromCoroutine(stage.network.lookup("example.com"))

    assert stage.error_of(looking) == ("getaddrinfo ENOTFOUND example.com", "ENOTFOUND")
