"""The same bytes to Node's HTTP and to the device's: their programs hear the same."""

import pytest

from support.node import ask, http_bytes, node, recorded

RECORDED = recorded("http_bytes.json")["results"]
# All differences there are: docs/node.md names them, too.
DIFFERENT = {
    ("server", "HTTP/1.0 kept alive"): "requests of a pipeline are offered one by one",
    ("refused", "upgrade"): "the same: here the first is answered before the second is read",
    ("client", "a long body"): "what comes behind a response is no error of it",
    ("client", "HEAD with a body"): "the same",
}


@pytest.fixture(scope="module")
def heard():
    return http_bytes.on_device()


CASES = [(part, name) for part, each in RECORDED.items() for name in each]


def test_all_cases_are_recorded():
    assert http_bytes.SERVER.keys() == RECORDED["server"].keys() == RECORDED["refused"].keys()
    assert http_bytes.CLIENT.keys() == RECORDED["client"].keys()


@pytest.mark.parametrize(("part", "name"), [case for case in CASES if case not in DIFFERENT])
def test_a_program_hears_what_it_would_hear_on_node(heard, part, name):
    assert heard[part][name] == RECORDED[part][name]


@pytest.mark.parametrize(("part", "name"), DIFFERENT)
def test_a_difference_that_is_listed_is_there(heard, part, name):
    assert heard[part][name] != RECORDED[part][name]


def test_the_record_is_what_a_node_says():
    for quiet_ms in ("150", "3000"):  # how long its peers wait before they close: it may be busy
        said = ask(node(), "http_bytes.js", http_bytes.cases(), QUIET_MS=quiet_ms)["results"]
        if said == RECORDED:
            break
    assert said == RECORDED
