"""Happy eyeballs over one answer."""

import pytest
from twisted.internet import error
from twisted.internet.task import Clock

from support.proxy_in_memory import Connect
from tessel_proxy.targets.dial import dial, in_turn
from tessel_service_kit.happy_eyeballs import ATTEMPT_DELAY_S, MAX_ADDRESSES

SIX, FOUR, OTHER = "2001:4860::1", "192.0.2.4", "192.0.2.5"
REFUSED = error.getConnectError((111, "refused"))
UNREACHABLE = error.getConnectError((101, "unreachable"))


class ConnectAtOnce(Connect):
    """Connects or fails inside the call, as a connection to this machine does."""

    def __init__(self, clock, *outcomes):
        super().__init__(clock)
        self._outcomes = list(outcomes)

    def __call__(self, address, port, caller):
        dial = super().__call__(address, port, caller)
        match self._outcomes.pop(0):
            case "stands":
                self.transport = dial.stands()
            case "takes its time":
                pass
            case reason:
                dial.fails(reason)
        return dial


class Race:
    def __init__(self, *addresses, connect=Connect):
        self.clock = Clock()
        self.connect = connect(self.clock)
        self.taken = []
        self.result = []
        self.attempt = dial(self.connect, self.clock, addresses, 80, self)

    def connected(self, address, connection):
        self.taken.append(connection)
        self.result.append(address)

    def failed(self, address, why):
        self.result.append((address, why.value))

    @property
    def dialled(self):
        return [dial.host for dial in self.connect.dials]

    def dial(self, number):
        return self.connect.dials[number]


def test_the_first_that_stands_wins():
    race = Race(SIX, FOUR)
    race.dial(0).stands()
    assert race.result == [SIX]
    assert race.dialled == [SIX]
    assert not race.clock.getDelayedCalls()


def test_the_connection_that_wins_is_taken_over():
    race = Race(SIX)
    transport = race.dial(0).stands()
    assert race.taken == [transport]


def test_one_that_stands_at_once_is_the_only_one():
    race = Race(SIX, FOUR, connect=lambda clock: ConnectAtOnce(clock, "stands"))
    assert race.result == [SIX]
    assert race.dialled == [SIX]
    assert race.taken == [race.connect.transport]
    assert not race.clock.getDelayedCalls()


def test_after_those_that_fail_at_once_the_next_are_tried():
    connect = lambda clock: ConnectAtOnce(clock, REFUSED, UNREACHABLE, "stands")  # noqa: E731
    race = Race(SIX, FOUR, OTHER, connect=connect)
    assert race.result == [OTHER]
    assert len(race.taken) == 1
    assert not race.clock.getDelayedCalls()


def test_all_failed_at_once_the_first_ones_reason_is_told():
    race = Race(SIX, FOUR, connect=lambda clock: ConnectAtOnce(clock, REFUSED, UNREACHABLE))
    assert race.result == [(SIX, REFUSED)]
    assert not race.clock.getDelayedCalls()


def test_one_that_fails_at_once_beside_another_leaves_it_alone():
    race = Race(SIX, FOUR, connect=lambda clock: ConnectAtOnce(clock, "takes its time", REFUSED))
    race.clock.advance(ATTEMPT_DELAY_S)
    assert not race.result
    race.dial(0).stands()
    assert race.result == [SIX]


def test_the_next_is_tried_after_a_moment_and_may_overtake():
    race = Race(SIX, FOUR, OTHER)
    race.clock.advance(ATTEMPT_DELAY_S)
    assert race.dialled == [SIX, FOUR]
    race.dial(1).stands()
    assert race.result == [FOUR]
    assert race.dial(0).stopped
    assert not race.clock.getDelayedCalls()


def test_after_a_failure_the_next_is_tried_at_once():
    race = Race(SIX, FOUR)
    race.dial(0).fails(UNREACHABLE)
    assert race.dialled == [SIX, FOUR]
    assert not race.result


def test_all_failed_the_first_ones_reason_is_told():
    race = Race(SIX, FOUR, OTHER)
    race.clock.advance(ATTEMPT_DELAY_S)
    race.dial(1).fails(UNREACHABLE)
    race.dial(2).fails(UNREACHABLE)
    assert not race.result
    race.dial(0).fails(REFUSED)
    assert race.result == [(SIX, REFUSED)]


def test_cancelled_everything_stops():
    race = Race(SIX, FOUR, OTHER)
    race.clock.advance(ATTEMPT_DELAY_S)
    race.attempt.stop()
    assert race.dial(0).stopped
    assert race.dial(1).stopped
    assert not race.clock.getDelayedCalls()
    assert not race.result


@pytest.mark.parametrize(
    ("addresses", "order"),
    [
        ([SIX, FOUR], [SIX, FOUR]),
        ([FOUR, OTHER, SIX], [FOUR, SIX, OTHER]),
        ([FOUR], [FOUR]),
    ],
)
def test_the_families_alternate_and_the_preferred_one_goes_first(addresses, order):
    assert in_turn(addresses) == order


def test_of_a_long_answer_only_the_beginning_is_tried():
    assert len(in_turn([f"192.0.2.{number}" for number in range(250)])) == MAX_ADDRESSES


def test_an_address_that_is_answered_twice_is_tried_once():
    assert in_turn([FOUR, FOUR, SIX, OTHER, SIX, FOUR]) == [FOUR, SIX, OTHER]


def test_of_a_repeated_address_no_attempt_outlives_the_dialling():
    race = Race(*[FOUR] * 3)
    race.clock.pump([ATTEMPT_DELAY_S] * 3)
    race.attempt.stop()
    assert [dial.stopped for dial in race.connect.dials] == [True]
    assert not race.result
