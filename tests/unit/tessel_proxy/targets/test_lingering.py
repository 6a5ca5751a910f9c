"""Targets whose substreams are over, and that have not taken everything yet."""

import pytest
from twisted.internet import error

from support.proxy_in_memory import Stage
from tessel_proxy.records.ends import Outcome
from tessel_proxy.targets.target import LINGER_LOOK_S, LINGER_S


@pytest.fixture
def stage():
    stage = Stage()
    stage.authenticate()
    return stage


def lingering(stage, nbytes=1000):
    """A closed target that takes nothing of what it was sent."""
    device, target = stage.relay()
    target.takes_nothing()
    device.transport.write(bytes(nbytes))
    stage.pump()
    target.end()
    stage.pump()
    assert target.closed
    return target


def test_one_that_takes_nothing_is_given_up_soon(stage):
    target = lingering(stage)
    stage.clock.advance(LINGER_LOOK_S)
    assert target.aborted


def test_one_that_takes_something_has_time_but_not_for_ever(stage):
    target = lingering(stage)
    for _ in range(int(LINGER_S / LINGER_LOOK_S) - 1):
        target.takes(1)
        stage.clock.advance(LINGER_LOOK_S)
        assert not target.aborted
    target.takes(1)
    stage.clock.advance(LINGER_LOOK_S)
    assert target.aborted


def test_one_that_took_all_and_does_not_close_is_closed_first_and_then_reset(stage):
    target = lingering(stage)
    target.takes(1000)
    target.closed = False
    stage.clock.advance(LINGER_LOOK_S)
    assert (target.closed, target.aborted) == (True, False)
    stage.clock.advance(LINGER_LOOK_S)
    assert target.aborted


def test_one_that_is_gone_leaves_nothing_behind(stage):
    target = lingering(stage)
    target.lose(error.ConnectionDone())
    stage.pump()
    assert not stage.clock.getDelayedCalls()
    assert not stage.opener.sockets
    assert stage.limits.substreams == 0


def test_one_that_closes_within_the_call_leaves_nothing_behind(stage):
    _, target = stage.relay()
    target.loseConnection = lambda: target.lose(error.ConnectionDone())  # as TCP half closed does
    target.end()
    stage.pump()
    assert not stage.clock.getDelayedCalls()
    assert stage.limits.substreams == 0


def test_it_counts_as_a_substream_until_its_socket_is_gone():
    stage = Stage(max_substreams_per_account=2)
    stage.authenticate()
    targets = [lingering(stage) for _ in range(2)]
    refused = ("error", f"connect {Outcome.TOO_MANY_SUBSTREAMS_OF_ACCOUNT.device_error}")
    assert refused in stage.open().events
    targets[0].lose(error.ConnectionDone())
    assert refused not in stage.open().events


def test_it_counts_though_its_tunnel_is_gone(stage):
    target = lingering(stage)
    stage.device.loseConnection()
    stage.pump()
    assert stage.limits.substreams == 1
    target.reset()
    assert stage.limits.substreams == 0


def test_what_it_holds_is_its_accounts_and_is_given_back_for_memory(stage):
    target = lingering(stage, nbytes=1000)
    (tally,) = stage.limits.tallies
    assert tally.held_bytes == 1000
    assert stage.session.held_bytes == 0
    tally.end_for_memory()
    assert target.aborted
    stage.pump()
    assert (tally.held_bytes, tally.substreams) == (0, 0)
