"""Each signal reaches the program's process once; a process that ignores all is killed."""

import signal

import pytest
from twisted.internet.task import Clock

from tessel.javascript.signals import FORWARD_AFTER_S, KILL_AFTER_S, Signals

INT, TERM, KILL = signal.SIGINT, signal.SIGTERM, signal.SIGKILL
SOON = FORWARD_AFTER_S / 2


class Run:
    """A run of signals, with a clock that the test sets, and what comes of them."""

    def __init__(self):
        self.clock = Clock()
        self.sent, self.said, self.left = [], [], []
        self.signals = Signals(self.clock, self.sent.append, self.said.append, self.left.append)


@pytest.fixture
def run():
    return Run()


def test_a_process_that_has_not_got_the_signal_gets_it(run):
    run.signals.came(TERM)
    assert run.sent == []
    run.clock.advance(FORWARD_AFTER_S)
    assert run.sent == [TERM]


@pytest.mark.parametrize("step", ["reported", "process_ended"])
def test_a_process_that_has_got_it_from_the_terminal_does_not_get_it_again(run, step):
    run.signals.came(INT)
    getattr(run.signals, step)()
    run.clock.advance(FORWARD_AFTER_S + KILL_AFTER_S)
    assert (run.sent, run.clock.calls) == ([], [])


def test_a_program_that_handles_the_signal_may_take_its_time(run):
    run.signals.came(TERM)
    run.clock.advance(FORWARD_AFTER_S)
    run.signals.reported()
    run.clock.advance(100 * KILL_AFTER_S)
    assert (run.sent, run.said, run.left) == ([TERM], [], [])


def test_a_process_that_does_not_react_is_killed_with_a_line_for_the_user(run):
    run.signals.came(INT)
    run.clock.advance(FORWARD_AFTER_S)
    run.clock.advance(KILL_AFTER_S)
    assert run.sent == [INT, KILL]
    assert run.said == [
        "tessel: the program did not react to SIGINT within 5 s; its process is killed\n"
    ]


def test_the_same_signal_twice_at_once_counts_as_one(run):
    run.signals.came(TERM)
    run.clock.advance(SOON)
    run.signals.came(TERM)
    assert run.left == []


@pytest.mark.parametrize(("second", "after_s"), [(INT, FORWARD_AFTER_S), (TERM, SOON)])
def test_a_second_signal_ends_all_at_once(run, second, after_s):
    run.signals.came(INT)
    run.signals.reported()
    run.clock.advance(after_s)
    run.signals.came(second)
    assert run.left == [second]


def test_a_signal_after_the_end_of_the_process_ends_all_at_once(run):
    run.signals.process_ended()
    run.clock.advance(FORWARD_AFTER_S)
    run.signals.came(INT)
    assert (run.left, run.signals.first) == ([INT], None)


def test_a_signal_that_the_process_got_sooner_is_the_one_that_ended_it(run):
    run.signals.process_ended()
    run.clock.advance(SOON)
    run.signals.came(INT)
    assert (run.left, run.sent, run.signals.first) == ([], [], INT)
    run.clock.advance(FORWARD_AFTER_S)
    run.signals.came(INT)
    assert run.left == [INT]


def test_a_report_without_a_signal_of_the_command_changes_nothing(run):
    run.signals.reported()  # the program's process alone was signalled
    run.signals.came(INT)
    run.clock.advance(FORWARD_AFTER_S)
    assert run.sent == [INT]
