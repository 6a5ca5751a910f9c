"""Totals are not used while the hosts report to the engine what it has lost."""

import pytest
from twisted.internet.task import Clock

from tessel_proxy.fleet.engine import MEMBER_LIVES_S
from tessel_proxy.fleet.valkey.rebuilding import REBUILD_S, Rebuilding


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def rebuilding(clock):
    found = Rebuilding(clock, REBUILD_S)
    clock.advance(2 * MEMBER_LIVES_S)  # until there is a connection
    found.answered("1")
    return found


def is_used(rebuilding, epoch):
    rebuilding.answered(epoch)
    return not rebuilding.is_under_way


def test_totals_of_an_engine_that_was_emptied_are_used_again_after_a_while(rebuilding, clock):
    assert not is_used(rebuilding, "2")
    clock.advance(REBUILD_S - 0.1)
    assert not is_used(rebuilding, "2")
    clock.advance(0.1)
    assert is_used(rebuilding, "2")


def test_totals_after_a_silence_may_be_without_members_that_have_lapsed(rebuilding, clock):
    clock.advance(MEMBER_LIVES_S + 0.1)
    rebuilding.answered("1")
    assert not is_used(rebuilding, "1")
    clock.advance(REBUILD_S)
    assert is_used(rebuilding, "1")


def test_totals_after_a_short_silence_are_used(rebuilding, clock):
    clock.advance(MEMBER_LIVES_S)
    assert is_used(rebuilding, "1")
