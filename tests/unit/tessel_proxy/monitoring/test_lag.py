"""How late the reactor's timers fire."""

from twisted.internet.task import Clock

from tessel_proxy.monitoring.lag import LOOK_S, LagWatch
from tessel_proxy.records.durations import Histogram


def test_a_busy_reactor_shows_as_lag():
    clock, lag = Clock(), Histogram((0.1, 1.0))
    LagWatch(clock, lag).start()
    clock.advance(LOOK_S)  # in time
    clock.advance(LOOK_S + 0.7)  # a call took so much longer
    assert lag.counts == [1, 1, 0]


def test_it_measures_until_it_is_stopped():
    clock, lag = Clock(), Histogram()
    watch = LagWatch(clock, lag)
    watch.start()
    clock.pump([LOOK_S] * 3)
    watch.stop()
    clock.pump([LOOK_S] * 3)
    assert sum(lag.counts) == 3
    assert not clock.getDelayedCalls()


def test_a_watch_that_was_never_started_can_be_stopped():
    LagWatch(Clock(), Histogram()).stop()
