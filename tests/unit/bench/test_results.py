import pytest

from bench.processes import BenchError
from bench.results import Results


def test_a_result_is_kept_and_read_again(tmp_path):
    results = Results()
    results.add("MB/s", "proxy", 2.5)
    results.add("MB/s", "proxy", 3.5)
    results.save(tmp_path / "result.json", date="2026-11-22 12:00:00", commit="abc")
    assert Results.load(tmp_path / "result.json") == results


def test_contenders_come_in_the_order_of_their_first_figure():
    results = Results()
    for name in ("proxy", "direct", "proxy", "stunnel"):
        results.add("MB/s", name, 1.0)
    assert results.contenders == ["proxy", "direct", "stunnel"]


def test_what_was_not_measured_has_no_spread():
    assert Results().spread("MB/s", "proxy") is None


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"runs": {}}'])
def test_a_file_that_is_not_a_result_is_refused(tmp_path, text):
    (tmp_path / "odd.json").write_text(text)
    with pytest.raises(BenchError, match="is not the result of a run"):
        Results.load(tmp_path / "odd.json")
