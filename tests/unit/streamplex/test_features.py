"""Names of extensions in a peer's first object."""

import pytest

from streamplex.features import (
    CREDIT,
    DEVICE,
    GOAWAY,
    HALFCLOSE,
    PING,
    REASON,
    RETRY,
    REUSE,
    first_window,
    offered,
)


def test_the_features_are_named_as_on_the_wire():
    assert [REUSE, HALFCLOSE, RETRY, DEVICE] == ["reuse/1", "halfclose/1", "retry/1", "device/1"]
    assert REASON == "reason/1"
    assert GOAWAY == "goaway/1"
    assert PING == "ping/1"
    assert CREDIT == "credit/1"


def test_names_that_are_not_known_are_read_as_well():
    assert offered({"token": "x", "features": [REUSE, "later/9"]}) == {REUSE, "later/9"}


@pytest.mark.parametrize(
    "first", [None, True, "features", ["features"], {}, {"features": None}, {"features": REUSE}]
)
def test_a_peer_that_names_none_offers_none(first):
    assert offered(first) == frozenset()


def test_what_is_not_a_name_is_passed_over():
    assert offered({"features": [1, None, [REUSE], {}, RETRY, RETRY]}) == {RETRY}


@pytest.mark.parametrize(
    ("said", "nbytes"),
    [
        ({"window": 1000}, 1000),
        ({"window": 0}, 0),
        ({"window": 2**31 - 1}, 2**31 - 1),
        ({"window": 2**31}, 65_536),
        ({"window": -1}, 65_536),
        ({"window": True}, 65_536),
        ({"window": "1000"}, 65_536),
        ({}, 65_536),
        (None, 65_536),
    ],
)
def test_a_first_object_says_how_much_may_be_sent_at_first(said, nbytes):
    assert first_window(said) == nbytes
