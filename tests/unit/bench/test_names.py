"""`--only NAME`, as all programs of the bench understand it."""

import importlib

import pytest

from bench.measures import measures
from bench.names import named
from bench.processes import BenchError
from bench.sizes import QUICK

MEASURES = measures(QUICK)
WITH_ONLY = ["bench.__main__", "bench.instructions", "bench.workers"]


def test_measures_are_chosen_by_how_their_names_begin():
    assert [measure.name for measure in named(MEASURES, ["opens", "up-50"])] == [
        "up-50",
        "opens-1",
        "opens-50",
    ]


def test_all_are_measured_if_none_is_named():
    assert named(MEASURES, []) == MEASURES
    assert len({measure.name for measure in MEASURES}) == len(MEASURES) > 20


@pytest.mark.parametrize("names", [["sideways"], ["up-50", "sideways"]])
def test_an_unknown_name_is_answered_with_those_that_there_are(names):
    with pytest.raises(BenchError, match=r"--only sideways: .* there are: down-1, up-1"):
        named(MEASURES, names)


@pytest.mark.parametrize("module", WITH_ONLY)
def test_a_program_measures_nothing_if_a_name_is_unknown(module, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["bench", "--only", "opens", "--only", "sideways"])
    assert importlib.import_module(module).main() == 1
    assert "bench: --only sideways: " in (said := capsys.readouterr()).err
    assert said.out == ""
