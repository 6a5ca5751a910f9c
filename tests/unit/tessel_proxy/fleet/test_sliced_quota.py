"""The bytes of a day, taken in slices."""

import pytest
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock

from tessel_proxy.fleet.engine import EngineError, Slice
from tessel_proxy.fleet.sliced_quota import RETRY_S, SETTLE_S, SLICE_BYTES, USED_UP_S, SlicedQuota

LIMIT, SLICE = 1000, 10  # 1 %
EVEN = 250  # of 4 processes
DAY_S = 100.0


class Engine:
    """Gives slices of a day's bytes, at once or when `answer` is called."""

    def __init__(self):
        self.taken, self.asked, self.answers = 0, [], []
        self.is_away, self.is_slow = False, False

    def take(self, wanted):
        self.asked.append(wanted)
        if self.is_away:
            return fail(EngineError("away"))
        if self.is_slow:
            self.answers.append((Deferred(), wanted))
            return self.answers[-1][0]
        return succeed(self._part(wanted))

    def _part(self, wanted):
        nbytes = min(wanted, LIMIT - self.taken)
        self.taken += nbytes
        return Slice(nbytes, DAY_S)

    def answer(self):
        answer, wanted = self.answers.pop()
        answer.callback(self._part(wanted))


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def engine():
    return Engine()


@pytest.fixture
def quota(engine, clock):
    return SlicedQuota(LIMIT, engine.take, clock, lambda: EVEN)


def test_without_a_limit_nothing_is_asked(engine, clock):
    quota = SlicedQuota(0, engine.take, clock, lambda: 0)
    assert quota.move(10**12)
    assert not quota.is_spent
    assert engine.asked == []


def test_all_bytes_of_the_day_can_be_moved_and_not_one_more(quota, engine):
    moved = 0
    while quota.move(1):
        moved += 1
    assert moved == LIMIT
    assert quota.is_spent
    assert engine.taken == LIMIT


def test_a_slice_is_asked_for_before_it_is_needed(quota, engine):
    quota.move(1)
    assert engine.asked == [SLICE + 1]
    for _ in range(SLICE // 2):
        quota.move(1)
    assert len(engine.asked) == 1
    quota.move(1)
    assert len(engine.asked) == 2


def test_bytes_do_not_wait_for_a_slow_engine_and_are_settled_when_it_answers(quota, engine):
    engine.is_slow = True
    for _ in range(SLICE - 1):
        assert quota.move(1)
    assert len(engine.asked) == 1
    engine.answer()
    assert (engine.taken, quota.left) == (SLICE + 1, 2)


def moved_by(quota):
    moved = 0
    while quota.move(1):
        moved += 1
    return moved


def test_the_allowance_without_the_engine_is_the_even_part(quota, engine, clock):
    engine.is_away = True
    assert moved_by(quota) == EVEN
    engine.is_away = False
    assert quota.is_spent  # it is not asked more often than each RETRY_S
    clock.advance(RETRY_S)
    assert not quota.is_spent
    assert engine.taken == EVEN + SLICE


def test_a_process_that_has_moved_its_even_part_gets_one_slice_more(quota, engine):
    for _ in range(EVEN):
        quota.move(1)
    engine.is_away = True
    assert moved_by(quota) == engine.taken - EVEN + SLICE


def test_more_than_a_slice_may_be_moved_until_the_first_answer(quota, engine):
    engine.is_slow = True
    assert quota.move(5 * SLICE)
    assert quota.move(5 * SLICE)
    engine.answer()
    assert (engine.taken, quota.is_spent) == (6 * SLICE, False)


def test_a_debt_from_before_the_answer_is_settled_without_another_byte(quota, engine):
    engine.is_slow = True
    for _ in range(EVEN):
        quota.move(1)
    engine.answer()
    engine.answer()
    assert (engine.taken, quota.left) == (EVEN + SLICE, SLICE)


def test_a_debt_is_settled_when_the_engine_is_back_without_another_byte(quota, engine, clock):
    engine.is_away = True
    moved_by(quota)
    clock.advance(SETTLE_S)
    engine.is_away = False
    clock.advance(SETTLE_S)
    assert (engine.taken, quota.left) == (EVEN + SLICE, SLICE)
    assert not clock.getDelayedCalls()


def test_a_debt_is_remembered_while_the_engine_is_away(quota, engine, clock):
    engine.is_away = True
    quota.move(1)
    assert quota.is_running


def test_a_spent_day_ends_with_the_day_of_the_engine(quota, engine, clock):
    while quota.move(100):
        pass
    clock.advance(DAY_S)
    engine.taken = 0
    assert not quota.is_spent
    assert quota.move(1)


def test_what_is_left_of_a_slice_ends_with_the_day(quota, engine, clock):
    quota.move(1)
    assert quota.is_running
    clock.advance(DAY_S)
    assert not quota.is_spent
    assert (quota.left, quota.is_running) == (0, False)


def test_no_slice_is_larger_than_the_largest(engine, clock):
    quota = SlicedQuota(10**12, engine.take, clock, lambda: 0)
    quota.move(1)
    assert engine.asked == [SLICE_BYTES + 1]


def test_a_day_that_was_used_up_goes_on_when_another_member_gives_bytes_back(quota, engine, clock):
    while quota.move(1):
        pass
    engine.taken -= 5
    assert quota.is_spent  # it is not asked more often than each USED_UP_S
    clock.advance(USED_UP_S)
    assert not quota.is_spent
    assert moved_by(quota) == 5
