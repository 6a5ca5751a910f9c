"""One process as a member: what it allows with an engine, and without."""

from dataclasses import replace

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from tessel_proxy.fleet.device_news import DeviceNews
from tessel_proxy.fleet.engine import EXCHANGE_S, RENEW_S, Admission, Demand, EngineError, Totals
from tessel_proxy.fleet.gathering import GATHER_S, GatheredAccounts
from tessel_proxy.fleet.joining import SharedGuesses
from tessel_proxy.fleet.local import ASK_S, LocalEngine
from tessel_proxy.fleet.local_days import LocalDays
from tessel_proxy.fleet.local_devices import LocalDevices
from tessel_proxy.fleet.local_guesses import LocalGuesses
from tessel_proxy.fleet.local_places import LocalPlaces
from tessel_proxy.fleet.member import Member
from tessel_proxy.fleet.notices import DeviceMoved
from tessel_proxy.fleet.parts import STALE_S
from tessel_proxy.fleet.standings import Standings
from tessel_proxy.limits.accounts import SWEEP_AT, AccountLimits
from tessel_proxy.records.ends import Outcome
from tessel_proxy.startup.config import Config

CONFIG = Config(
    max_tunnels_per_account=8,
    max_substreams_per_account=100,
    opens_per_s=100,
    bytes_per_s=10_000_000,
    bytes_per_day=10_000,
)


class Fragile:
    """A LocalEngine that can be away."""

    def __init__(self, clock):
        self._engine = LocalEngine(clock)
        self.is_away = False
        self.loses_answers = False

    def hear(self, notice, member):
        self._engine._members[member].hear(notice)

    def __getattr__(self, name):
        method = getattr(self._engine, name)
        if name == "listen":
            return method

        async def call(*values, **named):
            if self.is_away:
                raise EngineError("away")
            answer = await method(*values, **named)
            if self.loses_answers:
                raise EngineError("no answer in time")
            return answer

        return call


class Process:
    """A member with its limits, and the tunnels of named devices."""

    def __init__(self, name, engine, clock, config=CONFIG):
        self.limits = AccountLimits(config, clock)
        self.heard = []
        self.here = set()
        self.member = Member(
            name,
            engine,
            clock,
            config,
            self.limits,
            workers=2,
            hear=self.heard.append,
            is_here=lambda *device: device in self.here,
        )
        self.guesses = SharedGuesses(engine, 5)
        self.member.start()

    def close(self, account="kim", device=None):
        """Close a tunnel."""
        self.limits.close_tunnel(account, self.limits.by_account[account])
        if device is not None:
            self.here.remove((account, device))
            self.member.left(account, device)

    def open(self, account="kim", device=None):
        """Open a tunnel; return whether it may be open."""
        if (account, device) in self.here:
            self.close(account, device)
        allowed = now(self.member.take(account, device))
        opened = allowed and self.limits.open_tunnel(account) is not None
        if opened and device is not None:
            self.here.add((account, device))
        return opened

    def open_substreams(self, account="kim"):
        """Open as many as are allowed; return how many."""
        usage, opened = self.limits.by_account[account], 0
        while usage.open_substream() is None:
            opened += 1
        return opened

    @property
    def usage(self):
        return self.limits.by_account["kim"]


def now(coroutine):
    results = []
    Deferred.fromCoroutine(coroutine).addCallback(results.append)
    return results[0]


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def engine(clock):
    return Fragile(clock)


@pytest.fixture
def two(engine, clock):
    return Process("a", engine, clock), Process("b", engine, clock)


def pass_time(clock, seconds):
    for _ in range(int(seconds / EXCHANGE_S)):
        clock.advance(EXCHANGE_S)


def test_the_tunnels_of_an_account_are_limited_over_all_processes(two):
    a, b = two
    opened = [each.open() for _ in range(8) for each in (a, b)]
    assert sum(opened) == 8
    assert a.usage.tunnels + b.usage.tunnels == 8


def test_a_tunnel_that_ends_makes_room_on_the_other_process_with_the_next_exchange(two, clock):
    a, b = two
    for _ in range(8):
        a.open()
    assert not b.open()
    a.usage.tunnels -= 1
    pass_time(clock, EXCHANGE_S)
    assert b.open()


def test_tunnels_that_are_asked_for_at_the_same_time_are_all_counted(clock):
    asked = []

    class Slow(LocalEngine):
        async def admit(self, *values, **_named):
            asked.append(values)
            await waiting
            return Admission(True, Totals(Demand(2), 1))

    waiting = Deferred()
    process = Process("a", Slow(clock), clock)
    for _ in range(2):
        Deferred.fromCoroutine(process.member.take("kim", None))
    assert [values[3] for values in asked] == [0, 1]
    waiting.callback(None)


class Counting(LocalEngine):
    """A LocalEngine that counts how often it is asked for a place."""

    asked = 0

    async def admit(self, *values, **named):
        self.asked += 1
        return await super().admit(*values, **named)


def test_far_from_the_limit_most_tunnels_open_without_a_call(clock):
    engine = Counting(clock)
    config = replace(CONFIG, max_tunnels_per_account=1000)
    a = Process("a", engine, clock, config)
    for _ in range(5):
        assert all(a.open() for _ in range(20))
        pass_time(clock, EXCHANGE_S)
    assert engine.asked == 1
    assert next(iter(engine.accounts())).demand.tunnels == 100


def test_a_device_that_moves_is_reported_to_the_process_that_had_it(two):
    a, b = two
    a.open(device="d")
    b.open(device="d")
    assert (a.heard, b.heard) == ([DeviceMoved("kim", "d", "b")], [])


def test_a_device_that_has_left_takes_no_place_along_when_it_comes_back_elsewhere(two, clock):
    a, b = two
    devices = [f"device {n}" for n in range(4)]
    for device in devices:
        a.open(device=device)
    for _ in range(4):
        a.open()
    for device in devices:
        a.close(device=device)
    pass_time(clock, EXCHANGE_S)
    assert sum(a.open() for _ in range(9)) == 4
    assert sum(b.open(device=device) for device in devices) == 0


def test_the_substreams_of_an_account_are_limited_over_all_processes(two, clock):
    a, b = two
    a.open()
    b.open()
    opened = 0
    for _ in range(12):
        opened += a.open_substreams() + b.open_substreams()
        pass_time(clock, EXCHANGE_S)
    assert 95 <= opened <= 100


def test_each_of_four_processes_may_use_its_even_part_of_a_new_account_at_once(engine, clock):
    config = replace(CONFIG, max_substreams_per_account=24, max_tunnels_per_account=40)
    for n in range(4):
        process = Process(str(n), engine, clock, config)
        pass_time(clock, RENEW_S)
        for account in ("ann", "bob", "kim"):
            process.open(account)
    for account in ("ann", "bob", "kim"):
        process.open(account)
        assert process.open_substreams(account) >= 6
        pass_time(clock, EXCHANGE_S)


@pytest.mark.parametrize("busy", [1, 4])
def test_busy_processes_reach_the_limit_beside_idle_ones_and_stay_within_it(engine, clock, busy):
    config = replace(CONFIG, max_substreams_per_account=24, max_tunnels_per_account=40)
    processes = [Process(str(n), engine, clock, config) for n in range(4)]
    pass_time(clock, RENEW_S)
    for each in processes:
        each.open()
    pass_time(clock, EXCHANGE_S)
    opened = 0
    for _ in range(20):
        opened += sum(each.open_substreams() for each in processes[:busy])
        pass_time(clock, EXCHANGE_S)
        assert opened < 24 + 4  # even parts are rounded up
    assert opened >= 24


def test_an_account_on_one_process_may_use_the_whole_limit(two, clock):
    a, _ = two
    a.open()
    opened = []
    for _ in range(10):
        opened.append(a.open_substreams())
        pass_time(clock, EXCHANGE_S)
    assert sum(opened) == 100
    assert opened[0] >= 50


def test_rates_follow_the_demand(two, clock):
    a, b = two
    a.open()
    b.open()
    for _ in range(5):
        a.usage.opens.spend(80, clock.seconds())
        pass_time(clock, EXCHANGE_S)
    assert a.usage.opens._rate == pytest.approx(90.0)
    assert b.usage.opens._rate == pytest.approx(10.0)
    assert a.usage.to_targets._rate == 5_000_000


def test_a_process_without_demand_keeps_what_may_be_opened_at_once(two, clock):
    a, b = two
    a.open()
    b.open()
    for _ in range(5):
        a.usage.opens.spend(80, clock.seconds())
        pass_time(clock, EXCHANGE_S)
    assert b.usage.opens.level(clock.seconds()) == 500  # of 1,000, half for each process


def test_the_bytes_of_a_day_are_limited_over_all_processes(two):
    a, b = two
    a.open()
    b.open()
    moved = 0
    while a.usage.quota.move(10) | b.usage.quota.move(10):
        moved += 20
    assert 10_000 - 20 <= moved <= 10_000 + 200  # a slice of allowance each
    assert a.open_substreams() == 0
    assert a.usage.open_substream() is Outcome.QUOTA_SPENT


def test_unused_bytes_of_a_slice_are_given_back_by_a_process_that_stops(two, engine):
    a, b = two
    a.open()
    a.usage.quota.move(10)
    now(a.member.stop())
    b.open()
    moved = 0
    while b.usage.quota.move(1):
        moved += 1
    assert moved == 10_000 - 10


def test_wrong_tokens_of_a_source_count_on_all_processes(two):
    a, b = two
    for _ in range(3):
        a.guesses.wrong("192.0.2.1")
    assert now(b.guesses.level("192.0.2.1")) == 3.0


# --- without the engine


def test_without_the_engine_the_last_totals_count_but_an_even_part_is_allowed_at_least(
    two, engine, clock
):
    a, b = two
    for _ in range(6):
        a.open()
    b.open()
    pass_time(clock, RENEW_S + EXCHANGE_S)
    engine.is_away = True
    assert [b.open() for _ in range(4)] == [True] * 3 + [False]  # 8 / 2 for b
    assert [a.open() for _ in range(2)] == [True, False]  # 8 - 1, as b last had


def test_without_the_engine_for_a_minute_each_process_has_its_even_part(two, engine, clock):
    a, b = two
    a.open()
    b.open()
    pass_time(clock, RENEW_S + EXCHANGE_S)
    engine.is_away = True
    pass_time(clock, STALE_S + 2 * EXCHANGE_S)
    assert sum(b.open() for _ in range(9)) == 3
    assert a.usage.max_substreams == 50
    assert a.usage.opens._rate == 50.0


def test_wrong_tokens_are_not_known_without_the_engine(two, engine):
    a, _ = two
    engine.is_away = True
    a.guesses.wrong("192.0.2.1")
    assert now(a.guesses.level("192.0.2.1")) is None


def test_devices_that_came_without_the_engine_are_reported_when_it_is_back(two, engine, clock):
    a, b = two
    a.open(device="d")
    engine.is_away = True
    assert b.open(device="d")
    engine.is_away = False
    pass_time(clock, EXCHANGE_S)
    assert a.heard == [DeviceMoved("kim", "d", "b")]


def test_an_older_notice_does_not_cut_a_tunnel_of_which_the_engine_has_not_heard_yet(
    two, engine, clock
):
    _, b = two
    engine.is_away = True
    b.open(device="d")
    engine.hear(DeviceMoved("kim", "d", "a", age_s=0.2), "b")
    assert b.heard == []
    engine.is_away = False
    pass_time(clock, EXCHANGE_S)
    engine.hear(DeviceMoved("kim", "d", "a"), "b")
    assert b.heard == [DeviceMoved("kim", "d", "a")]


def test_an_admission_whose_answer_was_lost_does_not_end_the_tunnel_that_came_after_it(
    engine, clock
):
    a, b, c = (Process(name, engine, clock) for name in "abc")
    a.open(device="d")
    engine.loses_answers = True
    assert b.open(device="d")
    engine.loses_answers = False
    clock.advance(GATHER_S / 2)
    assert c.open(device="d")
    assert b.heard == [DeviceMoved("kim", "d", "c")]
    b.close(device="d")  # as it does when it hears that
    pass_time(clock, EXCHANGE_S)
    assert c.heard == []


def test_counts_are_right_again_after_the_engine_has_lost_them(two, engine, clock):
    a, b = two
    for _ in range(4):
        a.open()
        b.open()
    engine._engine = LocalEngine(clock)
    pass_time(clock, EXCHANGE_S)
    assert not a.open()
    assert not b.open()


def test_a_device_that_left_before_the_engine_heard_of_it_is_not_notified(two, engine, clock):
    a, b = two
    a.open(device="d")
    engine.is_away = True
    b.open(device="d")
    b.close(device="d")
    engine.is_away = False
    pass_time(clock, EXCHANGE_S)
    assert a.heard == []


def test_a_device_that_is_refused_without_the_engine_keeps_its_tunnel_elsewhere(two, engine, clock):
    a, b = two
    a.open(device="d")
    engine.is_away = True
    while b.open():
        pass
    assert not b.open(device="d")
    engine.is_away = False
    pass_time(clock, EXCHANGE_S)
    assert a.heard == []


# --- nothing is refused below the limit


LARGE = replace(CONFIG, max_tunnels_per_account=200)


def test_places_that_another_process_has_not_used_refuse_no_tunnel(engine, clock):
    a, b = (Process(name, engine, clock, LARGE) for name in "ab")
    assert a.open()  # with some places in advance
    assert sum(b.open() for _ in range(250)) == 199
    assert not a.open()


def test_a_tunnel_that_has_just_been_closed_elsewhere_leaves_its_place(two):
    a, b = two
    assert sum(a.open() for _ in range(9)) == 8
    a.close()
    assert b.open()
    assert not b.open()


def test_a_process_that_does_not_answer_delays_a_refusal_by_less_than_its_deadline(clock):
    engine = LocalEngine(clock)
    a = Process("a", engine, clock)
    engine.listen("hung", lambda _notice: Deferred())
    now(engine.exchange("hung", {"kim": Demand(8)}))
    answers = [Deferred.fromCoroutine(a.member.take("kim", None)) for _ in range(2)]
    clock.advance(ASK_S)
    assert [each.result for each in answers] == [False, False]


def test_the_end_of_a_tunnel_near_the_limit_is_reported_at_once(two, engine, clock):
    a, _ = two
    for _ in range(8):
        a.open()
    for _ in range(2):
        a.close()
    clock.advance(GATHER_S)
    assert now(engine.exchange("b", {"kim": Demand()}))["kim"].demand.tunnels == 6


# --- nothing grows


def test_ten_thousand_accounts_that_come_and_go_leave_nothing_behind(clock):
    engine = LocalEngine(clock)
    config = replace(CONFIG, bytes_per_day=0)
    a, b = (Process(name, engine, clock, config) for name in "ab")
    left = []
    for number in range(10_000):
        account = f"account {number}"
        for each in (a, b):
            assert each.open(account, device="d")
        a.close(account, "d")  # as its device has moved
        b.close(account, "d")
        if number % 100 == 99:
            clock.advance(EXCHANGE_S)
            left.append(sum(_sizes(each) for each in (engine, a.member, b.member)))
    assert max(left) <= 10  # members, timers
    assert max(len(each.limits.by_account) for each in (a, b)) <= SWEEP_AT


OWNED = (
    DeviceNews,
    GatheredAccounts,
    LocalDays,
    LocalDevices,
    LocalGuesses,
    LocalPlaces,
    Standings,
)


def _sizes(owner):
    """Return how many entries the collections of an object have."""
    found = vars(owner).values()
    return sum(_size(each) for each in found)


def _size(value):
    if isinstance(value, dict | set | list):
        inside = value.values() if isinstance(value, dict) else value
        return len(value) + sum(_size(each) for each in inside)
    if isinstance(value, OWNED):
        return _sizes(value)
    return 0
