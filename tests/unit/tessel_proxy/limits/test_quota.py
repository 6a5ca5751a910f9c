"""How much an account moves in a day."""

import pytest
from twisted.internet.task import Clock

from support.proxy_in_memory import LoggedEvents, Stage
from tessel_proxy.limits.accounts import AccountLimits
from tessel_proxy.limits.quota import DAY_S, DailyQuota
from tessel_proxy.records.ends import Outcome
from tessel_proxy.startup.config import Config

SPENT = ("error", f"read {Outcome.QUOTA_SPENT.device_error}")
REFUSED = ("error", f"connect {Outcome.QUOTA_SPENT.device_error}")


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def stage():
    stage = Stage(bytes_per_day=10, auth_recheck_s=0.0)
    stage.authenticate()
    return stage


@pytest.fixture(autouse=True)
def logged():
    with LoggedEvents() as logged:
        yield logged


def test_what_goes_beyond_it_at_once_is_let_through_and_nothing_after(clock):
    quota = DailyQuota(10, clock)
    assert [quota.move(nbytes) for nbytes in (4, 5, 6, 1)] == [True, True, True, False]
    assert quota.is_spent


def test_a_day_begins_with_the_first_byte_and_ends_all_it_spent(clock):
    quota = DailyQuota(10, clock)
    clock.advance(1000)
    quota.move(10)
    clock.advance(DAY_S - 1)
    assert quota.is_spent
    clock.advance(1)
    assert not quota.is_spent
    assert quota.move(9)
    assert not quota.is_spent
    assert quota.is_running


def test_without_one_nothing_is_counted(clock):
    quota = DailyQuota(0, clock)
    assert quota.move(10**12)
    assert not quota.is_spent
    assert not quota.is_running


def test_an_account_with_a_day_running_is_not_forgotten(clock):
    tally = AccountLimits(Config(bytes_per_day=10), clock).open_tunnel("ann")
    tally.tunnels -= 1
    tally.quota.move(1)
    assert not tally.is_forgettable(clock.seconds())
    clock.advance(DAY_S)
    assert tally.is_forgettable(clock.seconds())


# --- on a tunnel


def test_both_ways_count_and_what_is_open_ends_with_its_next_byte(stage, logged):
    device, target = stage.relay()
    device.transport.write(b"12345")
    stage.pump()
    target.send(b"67890")
    stage.pump()
    assert device.data == b"67890"
    assert SPENT not in device.events
    target.send(b"!")
    stage.pump()
    assert device.data == b"67890"
    assert device.events[-2:] == [SPENT, ("close",)]
    assert target.aborted
    (line,) = logged.named("substream_closed")
    assert (line["outcome"], line["error"]) == ("quota_spent", "TP1015")


@pytest.mark.parametrize("begin", [Stage.open, Stage.connect, lambda stage: stage.relay()[0]])
def test_what_a_device_sends_ends_its_substream_however_far_it_is(stage, begin):
    device = begin(stage)
    device.transport.write(bytes(10))
    stage.pump()
    assert SPENT not in device.events
    device.transport.write(b"!")
    stage.pump()
    assert device.events[-2:] == [SPENT, ("close",)]


def test_new_substreams_are_refused_until_the_day_is_over(stage, logged):
    device, _ = stage.relay()
    device.transport.write(bytes(10))
    stage.pump()
    assert REFUSED in stage.open().events
    assert logged.named("substream_closed")[0]["error"] == "TP1015"
    assert stage.limits.open_tunnel("bob").open_substream() is None
    stage.clock.advance(DAY_S)
    assert REFUSED not in stage.open().events


def test_what_was_held_when_the_target_ends_is_held_to_the_quota_too(stage):
    device, target = stage.relay()
    target.takes_nothing()
    for _ in range(3):
        device.transport.write(bytes(5_000))
        stage.pump()
    target.end()
    stage.pump()
    assert len(target.value()) == 5_000
    assert device.events[-2:] == [SPENT, ("close",)]
