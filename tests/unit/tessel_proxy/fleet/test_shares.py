"""How the limits of an account are divided among processes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tessel_proxy.fleet.shares import demand_of, even_part, number_part, rate_part

LIMIT = 1000.0


def test_the_only_process_may_have_the_whole_limit():
    assert number_part(100, 10, 10, 1, members=1) == 100
    assert rate_part(LIMIT, 0.0, 0.0, 1) == LIMIT


@given(st.integers(1, 10_000), st.integers(0, 10_000))
def test_a_process_that_gets_an_account_finds_room_beside_one_that_had_it_alone(limit, own):
    alone = number_part(limit, own, own, 1, members=2)
    comes = number_part(limit, 0, own, 2, members=2)
    assert alone + comes < max(limit, own) + 2  # even parts are rounded up
    assert alone > own or own >= limit  # so the whole limit can be reached


@given(
    st.integers(1, 10_000),
    st.lists(st.integers(0, 500), min_size=2, max_size=8),
)
def test_the_parts_of_all_processes_stay_within_the_limit(limit, own):
    total, holders = sum(own), len(own)
    parts = [number_part(limit, each, total, holders, holders, lately=total) for each in own]
    assert all(part >= each for part, each in zip(parts, own, strict=True))
    assert sum(parts) < max(limit, total) + holders  # even parts are rounded up


@given(st.integers(1, 10_000), st.integers(2, 8), st.data())
def test_where_nothing_else_is_open_an_even_part_is_allowed_at_once(limit, members, data):
    even = even_part(limit, members)
    own = data.draw(st.integers(0, even))
    for holders in range(1, members + 1):
        assert number_part(limit, own, own, holders, members) >= min(even, limit)


@given(st.integers(1, 10_000), st.integers(2, 8), st.data())
def test_others_that_decide_by_former_totals_find_what_these_left_them(limit, members, data):
    """One process has more than its even part; the others have opened nothing, but they may."""
    former = data.draw(st.integers(0, limit))
    total = data.draw(st.integers(former, limit))
    stale = [number_part(limit, 0, former, members, members, lately=former)] * (members - 1)
    part = number_part(limit, total, total, members, members, lately=former)
    if part > total:
        assert part + sum(stale) < limit + members  # even parts are rounded up


@given(st.lists(st.floats(0, 1e9), min_size=2, max_size=8))
def test_the_parts_of_a_rate_add_up_to_no_more_than_the_limit(demands):
    total, holders = sum(demands), len(demands)
    parts = [rate_part(LIMIT, each, total, holders) for each in demands]
    assert sum(parts) <= LIMIT * (1 + 1e-9)
    assert min(parts) >= 0.2 * LIMIT / holders * (1 - 1e-9)


def test_without_any_demand_a_rate_is_divided_evenly():
    assert rate_part(LIMIT, 0.0, 0.0, 4) == 250.0


def test_a_busy_process_gets_most_of_a_rate():
    assert rate_part(LIMIT, 90.0, 100.0, 2) == pytest.approx(820.0)


def test_two_busy_processes_approach_equal_parts_within_some_seconds():
    parts = [900.0, 100.0]
    for _ in range(8):
        demands = [demand_of(part, LIMIT, was_short=True) for part in parts]
        parts = [rate_part(LIMIT, each, sum(demands), 2) for each in demands]
    assert parts == pytest.approx([500.0, 500.0], abs=30.0)


def test_a_process_that_needs_less_than_its_part_is_soon_not_short():
    wants, part = 400.0, 100.0
    for _ in range(8):
        used = min(wants, part)
        mine = demand_of(used, LIMIT, was_short=wants > part)
        others = demand_of(LIMIT - part, LIMIT, was_short=True)
        part = rate_part(LIMIT, mine, mine + others, 2)
    assert part >= 0.95 * wants


@pytest.mark.parametrize(("members", "part"), [(0, 10), (1, 10), (3, 4), (20, 1)])
def test_an_even_part_is_rounded_up(members, part):
    assert even_part(10, members) == part
