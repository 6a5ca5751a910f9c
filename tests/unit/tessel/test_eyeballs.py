"""Several addresses at once, and the back-off of the tunnel."""

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock

from tessel.network.limits import BACKOFF_CAP_S
from tessel.network.tunneled.backoff import Backoff
from tessel.radio.eyeballs import STAGGER_S, interleaved, race


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
        self.result = race([self._dial(number) for number in range(count)], self.clock)
        self.outcome = []
        self.result.addBoth(self.outcome.append)

    def _dial(self, number):
        def dial():
            self.started.append(number)
            return self.deferreds[number]

        return dial


def test_families_take_turns_the_first_ones_first():
    given = ["2001:db8::1", "2001:db8::2", "192.0.2.1", "2001:db8::3", "192.0.2.1"]
    assert interleaved(given) == ["2001:db8::1", "192.0.2.1", "2001:db8::2", "2001:db8::3"]


def test_the_first_to_stand_wins_and_the_rest_give_up():
    dials = Dials(3)
    dials.clock.advance(STAGGER_S)
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


def test_when_all_fail_the_best_addresss_error_is_told():
    dials = Dials(2)
    dials.clock.advance(STAGGER_S)
    dials.deferreds[1].errback(OSError("second"))
    assert dials.outcome == []
    dials.deferreds[0].errback(OSError("first"))
    assert str(dials.outcome[0].value) == "first"


def test_cancelling_gives_all_up():
    dials = Dials(3)
    dials.clock.advance(STAGGER_S)
    dials.result.cancel()
    assert dials.cancelled == [0, 1]
    assert dials.outcome[0].check(CancelledError)
    assert not dials.clock.getDelayedCalls()


def test_a_single_address_sets_no_timer():
    assert not Dials(1).clock.getDelayedCalls()


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_the_wait_doubles_up_to_a_cap_and_is_jittered_fully(share):
    backoff = Backoff(lambda: share)
    waits = []
    for _ in range(40):
        backoff.failed(100.0)
        waits.append(backoff.wait_s(100.0))
    assert waits[:4] == [share * wait for wait in (1, 2, 4, 8)]
    assert waits[-1] == share * BACKOFF_CAP_S


def test_the_wait_passes_and_success_forgets_it():
    backoff = Backoff(lambda: 1.0)
    assert backoff.wait_s(0) == 0
    backoff.failed(100.0)
    assert backoff.wait_s(100.25) == 0.75
    assert backoff.wait_s(102) == 0
    backoff.succeeded()
    backoff.failed(200.0)
    assert backoff.wait_s(200.0) == 1
    backoff.succeeded()
    assert backoff.wait_s(200.0) == 1  # as the proxy asked, or as the last failure did
