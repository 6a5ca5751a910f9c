"""Reasons to pause."""

import pytest

from support.pause_recorder import RecordedPauses
from tessel_proxy.relay.backpressure import Why


@pytest.fixture
def calls():
    return []


@pytest.fixture
def pauses(calls):
    return RecordedPauses(
        *(lambda name=name: calls.append(name) for name in ("pause", "resume", "taken"))
    )


def test_it_goes_on_only_when_nobody_has_a_reason_any_more(pauses, calls):
    pauses.add(Why.FULL)
    pauses.add(Why.RATE)
    pauses.remove(Why.FULL)
    assert calls == ["pause"]
    assert Why.RATE in pauses
    pauses.remove(Why.RATE)
    assert calls == ["pause", "resume"]


def test_a_reason_that_was_not_given_changes_nothing(pauses, calls):
    pauses.remove(Why.OPENING)
    assert calls == []


def test_at_its_end_it_goes_on_and_is_not_paused_again(pauses, calls):
    pauses.add(Why.RATE)
    pauses.end()
    pauses.add(Why.FULL)
    assert calls == ["pause", "resume"]
    assert Why.FULL not in pauses


def test_a_transport_that_is_lost_stops_nobody(pauses, calls):
    pauses.pauseProducing()
    pauses.stopProducing()
    pauses.resumeProducing()
    assert calls == ["pause", "taken", "resume"]
