"""One timer for the deadlines of all openings."""

import pytest
from twisted.internet.task import Clock

from tessel_proxy.targets.deadlines import Deadlines


class Opening:
    def __init__(self, scene):
        self.scene = scene
        self.at_expiry = lambda: None
        scene.deadlines.add(self)

    def expire(self):
        self.scene.expired.append(self)
        self.at_expiry()


class Scene:
    def __init__(self):
        self.clock = Clock()
        self.deadlines = Deadlines(self.clock, 30.0)
        self.expired = []


@pytest.fixture
def scene():
    return Scene()


def test_each_expires_after_its_own_time(scene):
    first = Opening(scene)
    scene.clock.advance(20)
    second = Opening(scene)
    scene.clock.advance(9.9)
    assert scene.expired == []
    scene.clock.advance(0.1)
    assert scene.expired == [first]
    scene.clock.advance(20)
    assert scene.expired == [first, second]
    assert not scene.clock.getDelayedCalls()


def test_one_timer_is_enough_and_none_is_left_when_all_have_ended(scene):
    openings = [Opening(scene) for _ in range(9)]
    assert len(scene.clock.getDelayedCalls()) == 1
    for opening in openings:
        scene.deadlines.remove(opening)
    assert not scene.clock.getDelayedCalls()
    scene.deadlines.remove(openings[0])  # as one that was connected at once


def test_one_that_has_ended_does_not_expire_and_those_behind_it_do(scene):
    first = Opening(scene)
    scene.clock.advance(1)
    second = Opening(scene)
    scene.deadlines.remove(first)
    scene.clock.advance(30)
    assert scene.expired == [second]


def test_one_that_fails_as_it_expires_keeps_no_other_open(scene):
    first, second = Opening(scene), Opening(scene)
    first.at_expiry = lambda: 1 / 0
    with pytest.raises(ZeroDivisionError):  # which the reactor logs
        scene.clock.advance(30)
    scene.clock.advance(0)
    assert scene.expired == [first, second]


def test_one_that_expires_may_end_another_and_begin_a_third(scene):
    first, second = Opening(scene), Opening(scene)
    first.at_expiry = lambda: (scene.deadlines.remove(second), Opening(scene))
    scene.clock.advance(30)
    assert scene.expired == [first]
    assert len(scene.clock.getDelayedCalls()) == 1
    scene.clock.advance(30)
    assert len(scene.expired) == 2
