"""What an account may have open, over all its tunnels."""

import pytest
from twisted.internet.task import Clock

from support.proxy_in_memory import Stage
from tessel_proxy.auth.local import ACCOUNT
from tessel_proxy.front.networks import networks
from tessel_proxy.limits import accounts as module
from tessel_proxy.limits.accounts import BURST_S, AccountLimits
from tessel_proxy.limits.bucket import Bucket
from tessel_proxy.limits.descriptors import PLENTY, DescriptorShares
from tessel_proxy.records.ends import Outcome
from tessel_proxy.startup.config import Config


@pytest.fixture
def clock():
    return Clock()


def test_a_bucket_gives_what_is_in_it_and_fills_with_time():
    bucket = Bucket(rate=2, size=4, now=0)
    assert [bucket.take(1, 0) for _ in range(5)] == [True] * 4 + [False]
    assert not bucket.is_full(1)
    assert [bucket.take(1, 1) for _ in range(3)] == [True, True, False]
    assert bucket.is_full(100)


def test_a_clock_that_goes_back_takes_nothing_away():
    bucket = Bucket(rate=1, size=1, now=10)
    assert bucket.take(1, 5)


def test_an_account_has_so_many_tunnels_and_no_more(clock):
    limits = AccountLimits(Config(max_tunnels_per_account=2), clock)
    tally = limits.open_tunnel("ann")
    assert limits.open_tunnel("ann") is tally
    assert limits.open_tunnel("ann") is None
    assert limits.open_tunnel("bob")
    tally.tunnels -= 1
    assert limits.open_tunnel("ann") is tally


def test_substreams_are_counted_over_all_tunnels_of_the_account(clock):
    limits = AccountLimits(Config(max_substreams_per_account=1), clock)
    tally = limits.open_tunnel("ann")
    assert tally.open_substream() is None
    assert tally.open_substream() is Outcome.TOO_MANY_SUBSTREAMS_OF_ACCOUNT
    assert limits.open_tunnel("bob").open_substream() is None
    tally.close_substream(None)
    assert tally.open_substream() is None


def test_substreams_of_all_are_as_many_as_there_are_descriptors_for(clock):
    limits = AccountLimits(Config(), clock, 4)
    tally = limits.open_tunnel("ann")
    assert tally.open_substream() is None
    assert tally.open_substream() is Outcome.TOO_MANY_SUBSTREAMS_IN_ALL


def test_who_opens_too_fast_waits(clock):
    tally = AccountLimits(Config(opens_per_s=1), clock).open_tunnel("ann")
    assert [tally.open_substream() for _ in range(BURST_S)] == [None] * BURST_S
    assert tally.open_substream() is Outcome.OPENS_TOO_FAST
    clock.advance(1)
    assert tally.open_substream() is None


def test_coming_again_does_not_fill_the_bucket_even_when_others_are_forgotten(clock, monkeypatch):
    monkeypatch.setattr(module, "SWEEP_AT", 2)
    limits = AccountLimits(Config(opens_per_s=1), clock)
    spent = limits.open_tunnel("spent")
    spent.open_substream()
    spent.close_substream(None)
    unused = limits.open_tunnel("unused")
    spent.tunnels = unused.tunnels = 0
    limits._sweep_at = 2
    limits.open_tunnel("third")
    assert limits.open_tunnel("spent") is spent
    assert limits.open_tunnel("unused") is not unused


# --- on a tunnel


def test_a_tunnel_too_many_of_an_account_is_told_to_come_later():
    stage = Stage(max_tunnels_per_account=1)
    stage.limits.open_tunnel(ACCOUNT.name)  # another device of it
    stage.authenticate("retry/1", "reason/1")
    (answer,) = stage.heard
    assert (answer["authed"], answer["retry"]) == (False, True)
    assert answer["reason"] == "too_many_tunnels"
    assert stage.listener.lost


def test_an_open_too_many_is_emfile_and_costs_nothing_else():
    stage = Stage(max_substreams_per_account=1)
    stage.authenticate()
    first, _target = stage.relay()
    second = stage.open()
    assert ("error", f"connect {Outcome.TOO_MANY_SUBSTREAMS_OF_ACCOUNT.device_error}") in (
        second.events
    )
    assert "error" not in first.calls
    assert stage.limits.substreams == 1


def test_what_a_tunnel_had_is_given_back_when_it_ends():
    stage = Stage()
    stage.authenticate()
    stage.relay()
    stage.device.loseConnection()
    stage.pump()
    (tally,) = stage.limits._tallies.values()
    assert (tally.tunnels, tally.substreams, stage.limits.substreams) == (0, 0, 0)


def test_a_substream_without_an_byte_either_way_is_ended():
    stage = Stage(substream_idle_s=60)
    stage.authenticate()
    substream, target = stage.relay()
    for _ in range(3):
        stage.clock.advance(59)
        target.send(b"still here")
        stage.pump()
    assert "error" not in substream.calls
    stage.clock.advance(61)
    stage.pump()
    assert ("error", f"read {Outcome.SILENT_TOO_LONG.device_error}") in substream.events
    assert target.aborted


def test_an_open_that_never_says_where_to_is_ended_too():
    stage = Stage(substream_idle_s=60)
    stage.authenticate()
    substream = stage.open()
    stage.clock.advance(60)
    stage.pump()
    assert ("error", f"read {Outcome.SILENT_TOO_LONG.device_error}") in substream.events
    assert stage.limits.substreams == 0


BALANCED = {"proxy_protocol_from": networks("10.0.0.0/8")}


@pytest.mark.parametrize(
    ("settings", "waiting"),
    [({"legacy_port": 5006}, 0), (BALANCED, 100), ({**BALANCED, "legacy_port": 5006}, 200)],
)
def test_connections_that_wait_for_their_header_are_counted_at_each_door(settings, waiting):
    limits = AccountLimits(Config(max_unauthenticated=100, **settings), Clock(), PLENTY)
    assert limits.shares == DescriptorShares.of(PLENTY, Config().max_tunnels, waiting)
