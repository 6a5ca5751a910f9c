"""The pure parts of the count of instructions: callgrind's files, figures, the stored table."""

import pytest

from bench.callgrind import Counts, parsed
from bench.instruction_table import (
    Figure,
    build,
    comparison,
    least,
    load_tables,
    profile,
    save_tables,
)
from bench.instructions import WORKS, Run, Work, worse
from bench.processes import BenchError

PROFILE = """\
version: 1
positions: line
events: Ir
summary: 1234

ob=(1) /usr/bin/python
fl=(1) ceval.c
fn=(1) evaluate
16 400
+3 5
cfn=(2) look_up
calls=7 12
* 1000
-2 20
fn=(2)
12 300
fn=(3) evaluate'2
16 9
"""
WORK = Work("opens 1", "opening", Run(("opens",), 10), Run(("opens",), 20))


def figure(instructions):
    return Figure("opening", instructions, [("evaluate", 3.5)])


def test_a_profile_has_the_cost_of_each_function_without_its_calls():
    assert parsed(PROFILE) == Counts(734, {"evaluate": 434, "look_up": 300})


def test_a_figure_is_the_difference_of_two_runs_for_each_unit():
    short, long = Counts(700, {"a": 400, "b": 300}), Counts(1700, {"a": 500, "b": 1200})
    assert Figure.of(WORK.unit, long - short, WORK.more) == Figure(
        "opening", 100, [("b", 90), ("a", 10)]
    )


def test_the_counts_of_several_processes_are_added():
    both = Counts(700, {"a": 400, "b": 300}) + Counts(5, {"b": 5})
    assert both == Counts(705, {"a": 400, "b": 305})


def test_only_figures_beyond_their_margin_are_worse():
    stored = {"up 1": figure(1000), "down 1": figure(1000), "idle minute": figure(1000)}
    now = {"up 1": figure(1029), "down 1": figure(1031), "idle minute": figure(1031)}
    assert [work.name for work in worse(now, stored)] == ["down 1"]


def test_of_two_counts_the_lower_one_is_compared():
    now = {"up 1": figure(1000), "down 50": figure(1080)}
    assert least(now, {"down 50": figure(1010)}) == {"up 1": figure(1000), "down 50": figure(1010)}
    assert least(now, {"down 50": figure(1090)}) == now


def test_a_figure_that_is_not_stored_is_not_worse():
    assert worse({"up 1": figure(9)}, {}) == []


def test_the_table_shows_the_ratio_to_the_stored_figures():
    _, old, new = comparison({"up": figure(1100), "new": figure(2.5)}, {"up": figure(1000)}).split(
        "\n"
    )
    assert old.split() == ["up", "opening", "1,100", "1,000", "1.100"]
    assert new.split() == ["new", "opening", "2.500", "-", "-"]


def test_a_profile_shows_the_part_of_each_function():
    assert profile("up", figure(7)).split("\n")[1].split() == ["50.0%", "3.500", "evaluate"]


def test_tables_of_several_builds_are_stored_together(tmp_path):
    tables = {"Python 3.11": {"up": figure(1000)}, "Python 3.13": {"up": figure(2.25)}}
    save_tables(tmp_path / "table.json", tables)
    assert load_tables(tmp_path / "table.json") == tables


def test_without_a_table_nothing_is_stored(tmp_path):
    assert load_tables(tmp_path / "table.json") == {}


@pytest.mark.parametrize("text", ["no JSON", "[]", '{"Python": {"up": {}}}'])
def test_another_file_is_no_table(tmp_path, text):
    (tmp_path / "table.json").write_text(text)
    with pytest.raises(BenchError, match="is not a table of instructions"):
        load_tables(tmp_path / "table.json")


def test_each_kind_of_work_has_a_name_of_its_own_and_two_lengths():
    assert len({work.name for work in WORKS}) == len(WORKS)
    assert all(work.long.count > work.short.count for work in WORKS)


def test_the_build_of_python_is_named_in_one_line():
    assert build().startswith("Python 3.")
    assert "\n" not in build()
