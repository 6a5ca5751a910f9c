"""Timers, ticks, and what keeps a program alive."""

import pytest

from support.fake_board import powered_board
from tessel.errors import BoardError
from tessel.node import timers
from tessel.node.base import runtime
from tessel.node.base.handles import Handles


@pytest.fixture
def board():
    with powered_board() as board:
        yield board


@pytest.fixture
def heard():
    return []


def test_a_timeout_fires_once_and_keeps_the_program_alive_till_then(board, heard):
    timers.set_timeout(heard.append, 100, "x")
    assert board.handles.names() == ["timer of 0.1 s"]
    board.pass_time(0.099)
    assert heard == []
    board.pass_time(0.002)
    board.pass_time(1)
    assert heard == ["x"]
    assert len(board.handles) == 0


def test_an_interval_goes_on_until_it_is_cleared(board, heard):
    interval = timers.set_interval(heard.append, 100, "x")
    for _ in range(3):
        board.pass_time(0.1)
    timers.clear_interval(interval)
    board.pass_time(1)
    assert heard == ["x", "x", "x"]
    assert len(board.handles) == 0


def test_an_interval_may_be_cleared_by_its_own_callback(board, heard):
    interval = timers.set_interval(lambda: (heard.append(1), interval.close()), 10)
    board.pass_time(0.01)
    board.pass_time(0.01)
    assert heard == [1]
    assert len(board.handles) == 0


def test_a_cleared_timeout_does_not_fire(board, heard):
    timeout = timers.set_timeout(heard.append, 10, "x")
    timers.clear_timeout(timeout)
    timers.clear_timeout(timeout)
    timers.clear_timeout(None)
    board.pass_time(1)
    assert heard == []


def test_a_delay_out_of_range_is_the_shortest(board, heard):
    for delay in (-5, 0, 2**31):
        timers.set_timeout(heard.append, delay, delay)
    board.pass_time(0.001)
    assert heard == [-5, 0, 2**31]


def test_refresh_starts_it_over(board, heard):
    timeout = timers.set_timeout(heard.append, 100, "x")
    board.pass_time(0.09)
    assert timeout.refresh() is timeout
    board.pass_time(0.09)
    assert heard == []
    board.pass_time(0.02)
    assert heard == ["x"]
    timeout.refresh()  # over: nothing to start
    board.pass_time(1)
    assert heard == ["x"]


def test_an_unreferenced_timer_keeps_nothing_alive(board):
    timeout = timers.set_timeout(lambda: None, 100).unref()
    assert not timeout.has_ref()
    assert len(board.handles) == 0
    assert timeout.ref().has_ref()
    assert len(board.handles) == 1


def test_an_immediate_comes_in_the_next_turn(board, heard):
    timers.set_immediate(heard.append, "x")
    assert heard == []
    board.run()
    assert heard == ["x"]


def test_a_cleared_immediate_does_not_come(board, heard):
    immediate = timers.set_immediate(heard.append, "x")
    timers.clear_immediate(immediate)
    timers.clear_immediate(immediate)
    timers.clear_immediate(None)
    board.run()
    assert heard == []
    assert len(board.handles) == 0


def test_ticks_come_in_order_and_one_may_ask_for_another(board, heard):
    timers.next_tick(lambda: (heard.append(1), timers.next_tick(heard.append, 3)))
    timers.next_tick(heard.append, 2)
    assert len(board.handles) == 1
    board.run()
    assert heard == [1, 2, 3]
    assert len(board.handles) == 0


def test_what_a_callback_raises_ends_the_program_and_nothing_else(board, heard):
    timers.set_timeout(lambda: 1 / 0, 1)
    timers.set_timeout(heard.append, 2, "x")
    board.pass_time(0.01)
    assert heard == ["x"]
    assert isinstance(board.uncaught.pop(), ZeroDivisionError)


def test_a_program_that_is_ending_hears_nothing(board, heard):
    timers.set_timeout(heard.append, 1, "x")
    board.runtime.stop()
    board.pass_time(0.01)
    assert heard == []


def test_without_a_board_there_is_nothing_to_run_on():
    with pytest.raises(BoardError, match="tessel run"):
        runtime.current()


def test_the_register_reports_when_its_last_handle_goes():
    idle = []
    handles = Handles(lambda: idle.append(1))
    one, two = handles.open("one"), handles.open("two")
    assert handles.names() == ["one", "two"]
    one.close()
    one.close()
    assert idle == []
    two.unref()
    assert idle == [1]
    two.close()  # it did not count any more
    two.ref()
    assert idle == [1]
    assert not two.has_ref()


def test_what_waits_for_a_tick_comes_before_timers_and_immediates(board):
    seen = []

    def start():
        timers.set_immediate(seen.append, "immediate")
        timers.set_timeout(seen.append, 0, "timeout")
        timers.next_tick(seen.append, "tick")
        seen.append("now")

    timers.set_timeout(start, 1)
    board.pass_time(0.1)
    board.pass_time(0.1)
    assert seen[:2] == ["now", "tick"]
    assert sorted(seen[2:]) == ["immediate", "timeout"]


@pytest.mark.parametrize("start", [timers.set_timeout, timers.set_interval])
def test_a_tick_may_clear_a_timer_that_is_due(board, start):
    seen = []
    timers.set_timeout(lambda: timers.next_tick(due.close), 1)
    due = start(lambda: seen.append("fired"), 1)
    board.pass_time(0.1)
    assert seen == []
    assert len(board.handles) == 0
