"""How often the chip is asked."""

from itertools import pairwise
from typing import Any
from unittest.mock import AsyncMock, Mock

from twisted.internet.task import Clock

from tessel.radio.cc3000.poll import Poll


def test_who_waits_for_a_buffer_is_asked_at_once_and_then_less_and_less_often() -> None:
    clock, sockets = Clock(), Mock(select=AsyncMock(return_value=Mock(readable=())))
    poll = Poll(Mock(buffers=Mock(leaked=False)), sockets, clock)
    member: Any = Mock(
        sd=0, reads=True, looks=False, sends=True, send_some=AsyncMock(return_value=False)
    )
    poll.add(member)
    rounds = []
    for _ in range(60):
        clock.advance(0.0005)
        rounds.append(sockets.select.await_count)
    pauses = [later - sooner for sooner, later in pairwise(_changes(rounds))]
    assert pauses == [4, 8, 16, 20]  # in steps of 0.5 ms, after pauses of 0 and 1 ms


def _changes(counts: list[int]) -> list[int]:
    """Where a count grew."""
    return [at for at, (was, now) in enumerate(pairwise(counts)) if now > was]


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
