"""Timers that share the reactor's."""

import pytest
from twisted.internet.task import Clock

from streamplex.tx.timers import TICK_S, SharedTimers


class Sleeper:
    def __init__(self, wake):
        self.wake = wake


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def timers(clock):
    return SharedTimers(clock)


def test_a_sleeper_is_woken_when_it_is_due_and_not_before(clock, timers):
    woken = []
    timers.wake_in(3, Sleeper(lambda: woken.append(clock.seconds())))
    clock.advance(3 - TICK_S)
    assert not woken
    clock.advance(TICK_S)
    assert woken == [3]


def test_a_sleeper_between_two_ticks_is_woken_at_the_later_one(clock, timers):
    woken = []
    timers.wake_in(1.01, Sleeper(lambda: woken.append(timers.seconds())))
    clock.pump([TICK_S] * 16)
    assert woken == [1 + TICK_S]


def test_all_sleepers_of_a_tick_take_one_timer_of_the_clock(clock, timers):
    woken = []
    for number in range(1000):
        timers.wake_in(15, Sleeper(lambda number=number: woken.append(number)))
    assert len(clock.getDelayedCalls()) == 1
    clock.advance(15)
    assert woken == list(range(1000))


def test_a_cancelled_sleeper_is_not_woken(clock, timers):
    woken = []
    cancelled = Sleeper(lambda: woken.append("cancelled"))
    tick = timers.wake_in(1, cancelled)
    timers.wake_in(1, Sleeper(lambda: woken.append("kept")))
    timers.cancel(tick, cancelled)
    clock.advance(1)
    assert woken == ["kept"]


def test_a_sleeper_that_is_cancelled_after_it_was_woken_changes_nothing(clock, timers):
    woken = []
    sleeper = Sleeper(lambda: woken.append(clock.seconds()))
    tick = timers.wake_in(1, sleeper)
    clock.advance(1)
    timers.cancel(tick, sleeper)
    timers.wake_in(1, sleeper)
    clock.advance(1)
    assert woken == [1, 2]


def test_a_sleeper_may_cancel_one_behind_it_and_sleep_again(clock, timers):
    woken = []

    def first():
        timers.cancel(tick, behind)
        timers.wake_in(0, Sleeper(lambda: woken.append("new")))

    timers.wake_in(1, Sleeper(first))
    behind = Sleeper(lambda: woken.append("behind"))
    tick = timers.wake_in(1, behind)
    clock.advance(1)
    clock.advance(0)
    assert woken == ["new"]


def test_a_sleeper_that_fails_is_logged_and_stops_no_other(clock, timers, logged_failures):
    woken = []
    timers.wake_in(1, Sleeper(lambda: 1 / 0))
    timers.wake_in(1, Sleeper(lambda: woken.append("woken")))
    clock.advance(1)
    assert woken == ["woken"]
    assert [each.type for each in logged_failures.flush()] == [ZeroDivisionError]


def test_a_tick_without_sleepers_takes_no_timer(clock, timers):
    for _ in range(100):
        sleeper = Sleeper(print)
        timers.cancel(timers.wake_in(15, sleeper), sleeper)
    assert not clock.getDelayedCalls()
