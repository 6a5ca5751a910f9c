"""Should the proxy be given new tunnels?"""

import pytest
from twisted.internet.task import Clock

from tessel_proxy.monitoring.readiness import CREDENTIALS_WRONG_S, Readiness

CREDENTIALS = "the token service does not accept this proxy's credentials"


@pytest.fixture
def readiness():
    return Readiness(Clock(), lambda: True)


def test_a_proxy_that_listens_is_ready(readiness):
    assert readiness.obstacles == []


def test_one_that_does_not_listen_or_is_going_is_not(readiness):
    readiness.is_listening = lambda: False
    assert readiness.obstacles == ["not listening"]
    readiness.draining = True
    assert readiness.obstacles == ["draining"]


def test_one_whose_memory_is_full_is_not_ready_until_it_is_less(readiness):
    readiness.is_full = lambda: True
    assert readiness.obstacles == ["memory is full: no new tunnels"]
    readiness.is_full = lambda: False
    assert readiness.obstacles == []


def test_wrong_credentials_count_until_they_are_right(readiness):
    readiness.credentials_wrong()
    assert readiness.obstacles == [CREDENTIALS]
    readiness.credentials_right()
    assert readiness.obstacles == []


def test_wrong_credentials_are_tried_again_after_a_while(readiness):
    readiness.credentials_wrong()
    readiness.clock.advance(CREDENTIALS_WRONG_S - 1)
    assert readiness.obstacles == [CREDENTIALS]
    readiness.clock.advance(1)
    assert readiness.obstacles == []
