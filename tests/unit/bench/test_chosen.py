import pytest

from bench.measures import chosen
from bench.processes import BenchError
from bench.sizes import QUICK


def test_measures_are_chosen_by_how_their_names_begin():
    assert [measure.name for measure in chosen(["opens", "up-50"], QUICK)] == [
        "up-50",
        "opens-1",
        "opens-50",
    ]


def test_all_are_measured_if_none_is_named():
    assert len({measure.name for measure in chosen([], QUICK)}) == len(chosen([], QUICK)) > 20


def test_an_unknown_name_is_answered_with_those_that_there_are():
    with pytest.raises(BenchError, match="there are: down-1, up-1"):
        chosen(["sideways"], QUICK)
