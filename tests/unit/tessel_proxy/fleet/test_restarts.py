"""When a worker that died is started again."""

import pytest

from tessel_proxy.fleet.restarts import LONGEST_PAUSE_S, STABLE_S, Restarts


def test_the_first_restart_is_at_once_and_later_ones_wait_longer_and_longer():
    restarts = Restarts()
    assert [restarts.died(1.0) for _ in range(5)] == [0.0, 0.5, 1.0, 2.0, 4.0]


def test_no_pause_is_longer_than_the_longest():
    restarts = Restarts()
    assert [restarts.died(1.0) for _ in range(2000)][-1] == LONGEST_PAUSE_S


def test_a_worker_that_lived_long_is_started_at_once_again():
    restarts = Restarts(early_deaths=7)
    assert restarts.died(STABLE_S) == 0.0
    assert not restarts.is_loop


def test_three_early_deaths_in_a_row_are_a_crash_loop_until_the_worker_has_lived_long():
    restarts = Restarts()
    loops = []
    for _ in range(3):
        restarts.died(2.0)
        loops.append(restarts.is_loop)
    assert loops == [False, False, True]
    restarts.has_lived(STABLE_S - 1)
    assert restarts.is_loop
    restarts.has_lived(STABLE_S)
    assert not restarts.is_loop


@pytest.mark.parametrize("lived_s", [0.0, STABLE_S - 0.1])
def test_only_an_early_death_counts(lived_s):
    restarts = Restarts()
    restarts.died(lived_s)
    restarts.died(lived_s)
    assert restarts.early_deaths == 2
