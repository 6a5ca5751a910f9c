"""Node's socket.setTimeout."""

import pytest
from twisted.internet.task import Clock

from tessel_service_kit.idle_timer import IdleTimer


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def fired(clock):
    return []


@pytest.fixture
def timer(clock, fired):
    return IdleTimer(clock, lambda: fired.append(clock.seconds()))


def test_silence_is_reported_once(timer, clock, fired):
    timer.arm(0.3)
    clock.pump([0.1] * 20)
    assert fired == [pytest.approx(0.3)]


def test_activity_puts_it_off(timer, clock, fired):
    timer.arm(1)
    for _ in range(3):
        clock.advance(0.75)
        timer.touch()
    assert not fired
    clock.advance(0.99)
    assert not fired
    clock.advance(0.02)
    assert len(fired) == 1


def test_the_next_activity_after_a_silence_arms_it_again(timer, clock, fired):
    timer.arm(1)
    clock.advance(1)
    clock.advance(5)
    timer.touch()
    clock.advance(1)
    assert fired == [1, 7]


def test_disarmed_it_says_nothing(timer, clock, fired):
    timer.arm(1)
    timer.disarm()
    timer.touch()
    timer.disarm()
    clock.advance(10)
    assert not fired
    assert not clock.getDelayedCalls()


def test_armed_anew_it_counts_from_then(timer, clock, fired):
    timer.arm(1)
    clock.advance(0.9)
    timer.arm(2)
    clock.advance(1.9)
    assert not fired
    clock.advance(0.1)
    assert len(fired) == 1


def test_many_touches_cost_one_delayed_call(timer, clock):
    timer.arm(1)
    for _ in range(1000):
        timer.touch()
    assert len(clock.getDelayedCalls()) == 1


def test_touched_while_not_armed_it_does_nothing(timer, clock):
    timer.touch()
    assert not clock.getDelayedCalls()
