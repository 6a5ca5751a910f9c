from bench.results import Results
from bench.table import aligned, comparison_table, figures_table


def lines_of(table):
    return [line.split() for line in table.splitlines()]


def test_the_figures_of_others_say_how_many_times_as_much_ours_is():
    results = Results({"MB/s": {"proxy": [10.0], "stunnel": [5.0]}})
    assert lines_of(figures_table(results)) == [["proxy", "stunnel"], ["MB/s", "10", "5", "x2"]]


def test_a_contender_without_that_figure_has_a_dash():
    results = Results({"a": {"proxy": [1.0], "direct": [2.0]}, "b": {"proxy": [3.0]}})
    assert lines_of(figures_table(results))[2] == ["b", "3", "-"]


def test_what_shrank_is_not_compared():
    results = Results({"MiB": {"proxy": [1.0], "other": [-2.0]}})
    assert lines_of(figures_table(results))[1] == ["MiB", "1", "-2"]


def test_an_earlier_result_is_compared_by_medians_of_ours():
    now = Results({"a": {"proxy": [3.0]}, "new": {"proxy": [1.0]}})
    then = Results({"a": {"proxy": [2.0, 2.0, 9.0]}})
    assert lines_of(comparison_table(now, then))[1:] == [["a", "3", "2", "(2-9)", "1.5", "-"]]


def test_beside_the_change_of_ours_stands_the_machines_drift():
    now = Results({"a": {"proxy": [3.0], "Twisted forwarder": [2.0]}})
    then = Results({"a": {"proxy": [2.0], "Twisted forwarder": [1.0]}})
    assert lines_of(comparison_table(now, then))[1] == ["a", "3", "2", "1.5", "2"]


def test_columns_stand_below_each_other():
    assert aligned([["a", "1"], ["long", "100"]]) == "a       1\nlong  100"
