from twisted.internet.abstract import isIPv6Address
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock

from tessel_service_kit.happy_eyeballs import (
    ATTEMPT_DELAY_S,
    MAX_ADDRESSES,
    interleaved,
    race_dials,
)


class Dials:
    """Dials that do what a test says."""

    def __init__(self, count):
        self.clock = Clock()
        self.started = []
        self.cancelled = []
        self.deferreds = [
            Deferred(lambda _, number=number: self.cancelled.append(number))
            for number in range(count)
        ]
        self.result = race_dials([self._dial(number) for number in range(count)], self.clock)
        self.outcome = []
        self.result.addBoth(self.outcome.append)

    def _dial(self, number):
        def dial():
            self.started.append(number)
            return self.deferreds[number]

        return dial


def test_families_take_turns_the_first_ones_first():
    given = ["2001:db8::1", "2001:db8::2", "192.0.2.1", "2001:db8::3", "192.0.2.1"]
    order = ["2001:db8::1", "192.0.2.1", "2001:db8::2", "2001:db8::3"]
    assert interleaved(given, isIPv6Address) == order


def test_of_many_addresses_only_the_first_are_tried():
    given = [f"192.0.2.{number}" for number in range(100)]
    assert interleaved(given, isIPv6Address) == given[:MAX_ADDRESSES]


def test_the_first_to_connect_wins_and_the_rest_give_up():
    dials = Dials(3)
    dials.clock.advance(ATTEMPT_DELAY_S)
    dials.deferreds[1].callback("connection")
    assert dials.outcome == ["connection"]
    assert dials.started == [0, 1]
    assert dials.cancelled == [0]
    assert not dials.clock.getDelayedCalls()


def test_the_next_is_tried_at_once_when_one_fails():
    dials = Dials(2)
    dials.deferreds[0].errback(OSError("first"))
    assert dials.started == [0, 1]
    dials.deferreds[1].callback("connection")
    assert dials.outcome == ["connection"]


def test_when_all_fail_the_best_addresss_error_is_reported():
    dials = Dials(2)
    dials.clock.advance(ATTEMPT_DELAY_S)
    dials.deferreds[1].errback(OSError("second"))
    assert dials.outcome == []
    dials.deferreds[0].errback(OSError("first"))
    assert str(dials.outcome[0].value) == "first"


def test_cancelling_gives_all_up():
    dials = Dials(3)
    dials.clock.advance(ATTEMPT_DELAY_S)
    dials.result.cancel()
    assert dials.cancelled == [0, 1]
    assert dials.outcome[0].check(CancelledError)
    assert not dials.clock.getDelayedCalls()


def test_a_single_address_sets_no_timer():
    assert not Dials(1).clock.getDelayedCalls()
