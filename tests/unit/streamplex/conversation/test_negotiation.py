"""What a peer's first object names: features and the first window."""

import pytest

from streamplex.conversation.negotiation import first_window, offered
from streamplex.features import RETRY, REUSE


def test_names_that_are_not_known_are_read_as_well():
    assert offered({"token": "x", "features": [REUSE, "later/9"]}) == {REUSE, "later/9"}


@pytest.mark.parametrize(
    "first", [None, True, "features", ["features"], {}, {"features": None}, {"features": REUSE}]
)
def test_a_peer_that_names_none_offers_none(first):
    assert offered(first) == frozenset()


def test_entries_that_are_no_text_are_ignored():
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
