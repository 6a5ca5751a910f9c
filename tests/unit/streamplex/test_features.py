"""Names of extensions in a peer's first object."""

import pytest

from streamplex.features import DEVICE, GOAWAY, HALFCLOSE, PING, RETRY, REUSE, offered


def test_the_features_are_named_as_on_the_wire():
    assert [REUSE, HALFCLOSE, RETRY, DEVICE] == ["reuse/1", "halfclose/1", "retry/1", "device/1"]
    assert GOAWAY == "goaway/1"
    assert PING == "ping/1"


def test_names_that_are_not_known_are_read_as_well():
    assert offered({"token": "x", "features": [REUSE, "later/9"]}) == {REUSE, "later/9"}


@pytest.mark.parametrize(
    "first", [None, True, "features", ["features"], {}, {"features": None}, {"features": REUSE}]
)
def test_a_peer_that_names_none_offers_none(first):
    assert offered(first) == frozenset()


def test_what_is_not_a_name_is_passed_over():
    assert offered({"features": [1, None, [REUSE], {}, RETRY, RETRY]}) == {RETRY}
