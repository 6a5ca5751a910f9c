"""A certificate is about to expire."""

import pytest
from twisted.internet.task import Clock

from support.proxy_in_memory import LoggedEvents
from tessel_proxy.front.expiry import LOOK_S, WARN_BEFORE, ExpiryWatch

DAY_S = 24 * 3600


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(autouse=True)
def logged():
    with LoggedEvents() as logged:
        yield logged


def warnings(logged):
    return [(each["log_level"].name, each["days"]) for each in logged.named("certificate_expires")]


def test_there_is_a_warning_each_day_while_it_is_about_to_expire(clock, logged):
    ends = WARN_BEFORE.total_seconds() + 1
    watch = ExpiryWatch(clock, lambda: ends, clock.seconds)
    watch.start()
    assert warnings(logged) == []
    clock.advance(LOOK_S)
    clock.advance(LOOK_S)
    assert warnings(logged) == [("warn", 13.0), ("warn", 12.0)]
    assert logged.named("certificate_expires")[0]["error"] == "TP3004"
    ends += 90 * DAY_S
    clock.advance(LOOK_S)
    assert len(warnings(logged)) == 2
    watch.stop()
    assert clock.getDelayedCalls() == []


def test_one_that_has_expired_is_an_error(clock, logged):
    clock.advance(DAY_S)
    watch = ExpiryWatch(clock, lambda: 0.0, clock.seconds)
    watch.start()
    assert warnings(logged) == [("error", -1.0)]
    watch.stop()


def test_where_nothing_is_known_nothing_is_said(clock, logged):
    watch = ExpiryWatch(clock, lambda: None, clock.seconds)
    watch.stop()
    watch.start()
    assert warnings(logged) == []
    watch.stop()


def test_a_look_that_fails_is_told(clock, logged_failures):
    watch = ExpiryWatch(clock, lambda: 1 // 0, clock.seconds)
    watch.start()
    assert len(logged_failures.flush(ZeroDivisionError)) == 1
