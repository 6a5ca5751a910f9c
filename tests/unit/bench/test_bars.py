import pytest

from bench.bars import CLAIMS, HEAD, Claim, at_least, at_most, bars_table
from bench.measures import measures
from bench.results import Results
from bench.sizes import FULL


def results_of(**runs):
    """Runs of the figure `f`, by contender."""
    return Results({"f": {name: list(each) for name, each in runs.items()}})


@pytest.mark.parametrize(
    ("value", "verdict"),
    [(0.3, "goal met"), (0.4, "goal met"), (0.5, "met"), (0.7, "missed: 0.7 of 0.6")],
)
def test_a_value_meets_the_goal_or_the_bar_or_neither(value, verdict):
    assert Claim("f", bar=at_most(0.6), goal=at_most(0.4)).verdict(value) == verdict


def test_a_least_value_may_be_exceeded():
    assert Claim("f", bar=at_least(1.7)).verdict(2.0) == "met"
    assert Claim("f", bar=at_least(1.7)).verdict(1.5) == "missed: 1.5 of 1.7"


def test_a_goal_without_a_bar_is_said_to_be_missed_by_itself():
    assert Claim("f", goal=at_most(5)).verdict(7) == "goal missed: 7 of 5"


def test_a_claim_against_another_is_about_the_ratio_of_each_run():
    claim = Claim("f", "other", bar=at_most(1))
    assert claim.spread(results_of(proxy=[1.0, 9.0], other=[2.0, 6.0])).median == 1.0


def test_a_claim_may_compare_two_figures_of_ours():
    results = Results({"fifty": {"proxy": [90.0]}, "one": {"proxy": [100.0]}})
    row = Claim("fifty", "proxy", "one", bar=at_least(0.9)).row(results)
    assert row == ["fifty / own one", "0.9", ">= 0.9", "-", "met"]


def test_a_claim_against_one_that_is_not_installed_is_not_measured():
    row = Claim("f", "other", bar=at_most(1)).row(results_of(proxy=[1.0]))
    assert row == ["f / other", "-", "<= 1", "-", "not measured"]


def test_claims_of_which_nothing_was_measured_have_no_line():
    assert bars_table(Results()) == [HEAD]


def test_each_claim_is_about_a_figure_that_a_measure_could_make():
    names = {measure.name for measure in measures(FULL)}
    for claim in CLAIMS:
        assert claim.figure.partition(",")[0].replace(" ", "-") in names | MADE_TOGETHER


# Figures whose measure has another name.
MADE_TOGETHER = {"10000-substreams", "2000-tunnels", "200000-in-sequence"}
