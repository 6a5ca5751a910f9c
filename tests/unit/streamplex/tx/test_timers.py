"""Timers that share the reactor's."""

import pytest
from twisted.internet.task import Clock

from streamplex.tx.timers import TICK_S, SharedTimers


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def timers(clock):
    return SharedTimers(clock)


def test_a_call_is_made_when_it_is_due_and_not_before(clock, timers):
    made = []
    timer = timers.callLater(3, lambda: made.append(clock.seconds()))
    clock.advance(3 - TICK_S)
    assert not made
    assert timer.active()
    clock.advance(TICK_S)
    assert made == [3]
    assert not timer.active()


def test_a_call_between_two_ticks_is_made_at_the_later_one(clock, timers):
    made = []
    timers.callLater(1.01, lambda: made.append(timers.seconds()))
    clock.pump([TICK_S] * 16)
    assert made == [1 + TICK_S]


def test_all_calls_of_a_tick_take_one_timer_of_the_clock(clock, timers):
    made = []
    for number in range(1000):
        timers.callLater(15, lambda number=number: made.append(number))
    assert len(clock.getDelayedCalls()) == 1
    clock.advance(15)
    assert made == list(range(1000))


def test_a_cancelled_call_is_not_made(clock, timers):
    made = []
    timer = timers.callLater(1, lambda: made.append("cancelled"))
    timers.callLater(1, lambda: made.append("kept"))
    timer.cancel()
    assert not timer.active()
    clock.advance(1)
    assert made == ["kept"]


def test_a_call_may_cancel_one_behind_it_and_begin_another(clock, timers):
    made = []
    timers.callLater(1, lambda: (behind.cancel(), timers.callLater(0, lambda: made.append("new"))))
    behind = timers.callLater(1, lambda: made.append("behind"))
    clock.advance(1)
    clock.advance(0)
    assert made == ["new"]


def test_a_call_that_fails_is_logged_and_stops_no_other(clock, timers, logged_failures):
    made = []
    timers.callLater(1, lambda: 1 / 0)
    timers.callLater(1, lambda: made.append("made"))
    clock.advance(1)
    assert made == ["made"]
    assert [each.type for each in logged_failures.flush()] == [ZeroDivisionError]


def test_cancelled_calls_are_forgotten_before_they_are_due(clock, timers):
    for _ in range(100):
        timers.callLater(15, print).cancel()
    assert [len(due) for due in timers._due.values()] == [0]
