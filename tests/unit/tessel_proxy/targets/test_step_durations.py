"""How long the steps of an opening take, as the metrics count it."""

import pytest
from twisted.internet import error

from support.proxy_in_memory import PUBLIC, Stage


@pytest.fixture
def stage():
    stage = Stage()
    stage.authenticate()
    return stage


def took(histogram):
    return sum(histogram.counts), histogram.sum_s


def test_look_up_and_dial_count_one_after_the_other(stage):
    stage.connect("target.example")
    stage.clock.advance(2)
    stage.resolver.answer("target.example", PUBLIC)
    stage.clock.advance(0.125)
    stage.dial().stands()
    durations = stage.opener.durations
    assert took(durations.lookup) == (1, 2.0)
    assert took(durations.dial) == (1, 0.125)
    assert took(durations.target_tls) == (0, 0.0)


def test_an_address_needs_no_look_up(stage):
    stage.relay()
    assert took(stage.opener.durations.lookup) == (0, 0.0)
    assert took(stage.opener.durations.dial) == (1, 0.0)


def test_a_step_that_fails_or_is_given_up_counts_as_well(stage):
    stage.connect("target.example")
    stage.clock.advance(3)
    stage.resolver.cannot_say("target.example")
    stage.connect()
    stage.clock.advance(5)
    stage.dial().fails(error.ConnectionRefusedError())
    stage.connect()
    stage.clock.advance(7)
    stage.connection.cut()
    assert took(stage.opener.durations.lookup) == (1, 3.0)
    assert took(stage.opener.durations.dial) == (2, 12.0)


def test_a_handshake_with_a_target_that_is_lost_counts(stage):
    stage.connect(name="tls")
    target = stage.dial().stands()
    stage.clock.advance(1)
    target.reset()
    assert took(stage.opener.durations.target_tls) == (1, 1.0)
