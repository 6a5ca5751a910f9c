import pytest

from bench.stats import Spread, ratios, shown


def test_a_spread_has_the_median_and_the_noise_around_it():
    assert Spread.of([5.0, 1.0, 3.0]) == Spread(median=3.0, least=1.0, greatest=5.0)


def test_of_no_runs_there_is_no_spread():
    with pytest.raises(ValueError, match="no runs"):
        Spread.of([])


def test_a_spread_is_shown_with_its_noise():
    assert str(Spread.of([1.0, 2.0, 4.0])) == "2 (1-4)"


def test_a_single_run_is_shown_alone():
    assert str(Spread.of([2.0])) == "2"


def test_ratios_are_of_runs_made_side_by_side():
    assert ratios([10.0, 40.0], [5.0, 10.0]) == [2.0, 4.0]


def test_a_run_with_nothing_to_compare_with_has_no_ratio():
    assert ratios([10.0, 40.0], [0.0, 10.0]) == [4.0]


def test_a_run_that_the_other_missed_has_no_ratio():
    assert ratios([10.0, 40.0], [5.0]) == [2.0]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (0.01234, "0.0123"),
        (1.5, "1.5"),
        (99.94, "99.9"),
        (1234.5, "1234"),
        (-3.0, "-3"),
    ],
)
def test_three_digits_are_shown(value, text):
    assert shown(value) == text
