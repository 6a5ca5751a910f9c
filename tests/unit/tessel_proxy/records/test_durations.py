"""Histograms of durations."""

import pytest

from tessel_proxy.records.durations import (
    LAG_BOUNDS_S,
    LIFE_BOUNDS_S,
    STEP_BOUNDS_S,
    Histogram,
)


def test_a_duration_counts_in_the_first_bucket_that_is_long_enough():
    histogram = Histogram((0.1, 1.0))
    for seconds in (0.05, 0.1, 0.11, 1.0, 1.01, 600.0):
        histogram.observe(seconds)
    assert histogram.counts == [2, 2, 2]
    assert list(histogram.cumulative()) == [(0.1, 2), (1.0, 4), (float("inf"), 6)]
    assert histogram.sum_s == pytest.approx(602.27)


@pytest.mark.parametrize("bounds", [STEP_BOUNDS_S, LIFE_BOUNDS_S, LAG_BOUNDS_S])
def test_bounds_ascend(bounds):
    assert list(bounds) == sorted(set(bounds))
