"""Coroutines as programs."""

import pytest
from twisted.internet.defer import Deferred

from support.fake_board import powered_board
from tessel import tasks


@pytest.fixture
def board():
    with powered_board() as board:
        yield board


async def wait_for(deferred):
    await deferred


def test_a_task_keeps_the_process_alive_until_it_is_done(board):
    step = Deferred()
    tasks.start(wait_for(step))
    assert len(board.handles) == 1
    step.callback(None)
    assert len(board.handles) == 0


def test_a_tasks_error_ends_the_program(board):
    step = Deferred()
    tasks.start(wait_for(step))
    step.errback(ValueError("no"))
    assert len(board.handles) == 0
    (error,) = board.uncaught
    assert str(error) == "no"
    board.uncaught.clear()


def test_a_cancelled_task_is_no_error(board):
    tasks.start(wait_for(Deferred())).cancel()
    assert len(board.handles) == 0
