"""How often the chip is asked."""

from typing import Any
from unittest.mock import AsyncMock, Mock

from twisted.internet.task import Clock

from tessel.radio.cc3000.poll import Poll


def test_a_quiet_chip_is_asked_less_and_a_wake_ends_that() -> None:
    clock, sockets = Clock(), Mock(select=AsyncMock(return_value=Mock(readable=())))
    poll = Poll(Mock(), sockets, clock)
    member: Any = Mock(
        sd=0, reads=True, looks=False, sends=False, send_some=AsyncMock(return_value=False)
    )
    poll.add(member)
    clock.pump([0.001] * 3000)
    before = sockets.select.await_count
    clock.pump([0.001] * 400)
    assert 9 <= sockets.select.await_count - before <= 11
    poll.wake()
    before = sockets.select.await_count
    clock.pump([0.001] * 400)
    assert sockets.select.await_count - before > 30
