"""How fast an account's substreams move bytes together."""

import pytest
from twisted.internet.task import Clock

from streamplex.tx.flow import MAX_STALL_S
from support.pause_recorder import RecordedPauses
from support.proxy_in_memory import LoggedEvents, Stage
from tessel_proxy.limits.accounts import AccountLimits
from tessel_proxy.limits.rate import PATIENCE_S, SHARE_BYTES, TURN_S, RateLimit
from tessel_proxy.relay.backpressure import Why
from tessel_proxy.startup.config import Config

RATE = 100_000
PIECE = 50_000


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def slow():
    stage = Stage(bytes_per_s=RATE)
    stage.authenticate()
    return stage


class Greedy:
    """Moves a piece whenever it is not paused."""

    def __init__(self, rate, piece=PIECE):
        self._rate = rate
        self._piece = piece
        self.pauses = RecordedPauses(resume=self.go_on)
        self.moved = 0

    def go_on(self):
        while True:
            self.moved += self._piece
            self._rate.moved(self._piece, self.pauses)
            if Why.RATE in self.pauses:
                return


def pass_time(clock, seconds):
    for _ in range(int(seconds / TURN_S)):
        clock.advance(TURN_S)


# --- the rate itself


def test_what_is_moved_comes_to_the_rate_and_a_seconds_worth_at_once(clock):
    greedy = Greedy(RateLimit(RATE, clock))
    greedy.go_on()
    pass_time(clock, 100)
    assert greedy.moved == pytest.approx(101 * RATE, abs=SHARE_BYTES + PIECE)


def test_many_that_are_greedy_get_the_same_and_together_no_more_than_one(clock):
    rate = RateLimit(RATE, clock)
    crowd = [Greedy(rate) for _ in range(10)]
    for each in crowd:
        each.go_on()
    pass_time(clock, 200)
    moved = [each.moved for each in crowd]
    assert max(moved) - min(moved) <= RATE + PIECE
    assert sum(moved) == pytest.approx(201 * RATE, abs=11 * PIECE)


def test_without_a_rate_nobody_waits(clock):
    rate = RateLimit(0, clock)
    greedy = Greedy(rate)
    for _ in range(10):
        rate.moved(10**9, greedy.pauses)
    assert rate.waiting == 0
    assert not rate.is_owed
    assert not clock.getDelayedCalls()


def test_one_timer_serves_all_who_wait_and_none_when_nobody_does(clock):
    rate = RateLimit(RATE, clock)
    crowd = [Greedy(rate) for _ in range(5)]
    for each in crowd:
        each.go_on()
    assert rate.waiting == 5
    assert len(clock.getDelayedCalls()) == 1
    for each in crowd:
        rate.leave(each.pauses)
    assert not clock.getDelayedCalls()


def test_who_leaves_because_of_one_before_it_has_no_turn(clock):
    rate = RateLimit(RATE, clock)
    second = RecordedPauses(resume=lambda: pytest.fail("it had left"))
    first = RecordedPauses(resume=lambda: rate.leave(second))
    rate.moved(2 * RATE, first)
    rate.admit(second)
    pass_time(clock, 10)
    assert rate.waiting == 0


def test_one_that_fails_in_its_turn_costs_the_others_nothing(clock):
    rate = RateLimit(RATE, clock)
    resumed = []
    bad = RecordedPauses(resume=lambda: 1 / 0)
    rate.moved(2 * RATE, bad)
    rate.moved(1, RecordedPauses(resume=lambda: resumed.append("good")))
    with pytest.raises(ZeroDivisionError):
        clock.advance(2)
    clock.advance(2)
    assert resumed == ["good"]


def test_with_patience_everybody_has_a_turn_before_its_tunnel_takes_it_for_stalled(clock):
    assert PATIENCE_S < MAX_STALL_S
    rate = RateLimit(1, clock, PATIENCE_S)
    crowd = [Greedy(rate) for _ in range(10)]
    for each in crowd:
        each.go_on()
    before = [each.moved for each in crowd]
    clock.advance(PATIENCE_S)
    assert [each.moved - moved for each, moved in zip(crowd, before, strict=True)] == [PIECE] * 10


def test_who_comes_again_has_not_been_forgiven(clock):
    limits = AccountLimits(Config(bytes_per_s=1, max_tunnels_per_account=1), clock)
    tally = limits.open_tunnel("ann")
    tally.to_devices.moved(SHARE_BYTES, Greedy(tally.to_devices).pauses)
    tally.tunnels -= 1
    assert not tally.is_forgettable(clock.seconds())
    clock.advance(SHARE_BYTES)
    assert tally.is_forgettable(clock.seconds())


# --- on a tunnel


def test_a_device_that_sends_too_fast_is_held_back_and_nothing_is_lost(slow):
    device, target = slow.relay()
    for _ in range(8):
        device.transport.write(bytes(PIECE))
        slow.pump()
    assert RATE < len(target.value()) <= RATE + PIECE
    slow.clock.advance(1)
    assert len(target.value()) < 8 * PIECE
    for _ in range(10):
        slow.clock.advance(1)
        slow.pump()
    assert len(target.value()) == 8 * PIECE


def test_a_target_that_sends_too_fast_is_not_read_for_a_while(slow):
    device, target = slow.relay()
    for _ in range(3):
        assert target.reading
        target.send(bytes(PIECE))
    slow.pump()
    assert not target.reading
    assert len(device.data) == 3 * PIECE
    slow.clock.advance(0.5)
    assert target.reading


def test_what_came_early_counts_and_who_opens_while_there_is_a_debt_waits_too(slow):
    first = slow.open()
    for _ in range(4):
        first.transport.write(bytes(PIECE))
        slow.pump()
    slow.connect()
    assert len(slow.dials) == 0
    for _ in range(3):
        slow.clock.advance(1)
        slow.pump()
    assert len(slow.dials) == 1


def test_a_target_is_read_again_only_when_the_device_takes_it_as_well(slow):
    _, target = slow.relay()
    slow.connection.ends[1].reading = slow.connection.ends[0].reading = False
    for _ in range(6):
        target.send(bytes(PIECE))
        slow.pump()
    assert not target.reading
    slow.clock.advance(10)
    assert not target.reading  # the device is full
    slow.connection.ends[1].reading = slow.connection.ends[0].reading = True
    slow.pump()
    slow.clock.advance(10)
    slow.pump()
    assert target.reading


def test_the_targets_end_lets_out_what_the_rate_has_held(slow):
    device, target = slow.relay()
    for _ in range(6):
        device.transport.write(bytes(PIECE))
        slow.pump()
    assert len(target.value()) < 6 * PIECE
    target.end()
    assert len(target.value()) == 6 * PIECE
    (tally,) = slow.limits.tallies
    assert tally.to_targets.waiting == 0


def test_who_waits_for_the_rate_is_neither_silent_nor_stalled():
    stage = Stage(bytes_per_s=1, substream_idle_s=30)
    stage.authenticate()
    device, target = stage.relay()
    with LoggedEvents() as logged:
        for _ in range(8):  # more than a tunnel holds
            device.transport.write(bytes(65_000))
            stage.pump()
        for _ in range(4 * 7):
            stage.clock.advance(PATIENCE_S / 4)
            stage.pump()
        assert len(target.value()) == 8 * 65_000
        assert not logged.named("substream_closed")
        stage.clock.advance(30)
        assert logged.named("substream_closed")[0]["outcome"] == "silent_too_long"


def test_what_has_ended_waits_no_more(slow):
    device, target = slow.relay()
    for _ in range(4):
        device.transport.write(bytes(PIECE))
        slow.pump()
        target.send(bytes(PIECE))
    device.transport.fail("enough")
    slow.pump()
    (tally,) = slow.limits.tallies
    assert (tally.to_targets.waiting, tally.to_devices.waiting) == (0, 0)
    assert not slow.clock.getDelayedCalls()
