"""The run of a program, around a reactor in memory: what ends it, and with what code."""

import contextlib
import io
import re
import signal
import sys
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import Logger, LogLevel, globalLogPublisher
from twisted.python.failure import Failure

from support.program_reactor import Reactor
from tessel.errors import NodeError
from tessel.node import dns, net, timers
from tessel.node.base import runtime
from tessel.node.events import EventEmitter
from tessel.program.liveness import Liveness, OwnClock
from tessel.program.program import FOREIGN_POLL_S, Program


class Run:
    def __init__(self, main, **environ):
        self.reactor = Reactor()
        self.errors = io.StringIO()
        self.left = []
        self.program = Program(self.reactor, environ, lambda: 1.0, self.errors, self.left.append)
        self.main = main

    def __call__(self):
        kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            return self.program.run(self.main)
        finally:
            runtime.install(None)
            for number, handler in kept.items():
                signal.signal(number, handler)

    @property
    def said(self):
        return self.errors.getvalue()


def run(main, **environ):
    a_run = Run(main, **environ)
    return a_run(), a_run.said


def nothing():
    pass


def test_a_program_that_opens_nothing_ends_at_once():
    assert run(nothing) == (0, "")


def test_it_goes_on_until_its_last_timer():
    fired = []
    assert run(lambda: timers.set_timeout(fired.append, 500, "x")) == (0, "")
    assert fired == ["x"]


def test_an_unreferenced_timer_does_not_keep_it():
    fired = []
    run(lambda: timers.set_timeout(fired.append, 500, "x").unref())
    assert fired == []


def fail_now():
    raise NodeError("it broke", "EBROKE")


@pytest.mark.parametrize(
    "main",
    [
        fail_now,
        lambda: timers.set_timeout(fail_now, 5),
        lambda: EventEmitter().emit("error", NodeError("it broke", "EBROKE")),
        lambda: timers.next_tick(fail_now),
    ],
)
def test_an_error_that_nobody_handles_ends_it_with_its_message(main):
    code, said = run(main)
    assert code == 1
    assert "it broke" in said


def test_only_the_first_error_is_reported():
    def main():
        timers.next_tick(fail_now)
        raise NodeError("the first", "EFIRST")

    code, said = run(main)
    assert code == 1
    assert "the first" in said
    assert "it broke" not in said


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [(0, 0, ""), (None, 0, ""), (3, 3, ""), ("words", 1, "words\n"), (True, 1, "")],
)
def test_sys_exit_is_honoured(status, code, said):
    assert run(lambda: sys.exit(status)) == (code, said)
    assert run(lambda: timers.set_timeout(sys.exit, 5, status)) == (code, said)


def test_ctrl_c_in_the_program_itself_is_a_signal():
    def main():
        raise KeyboardInterrupt

    code, said = run(main)
    assert code == 130
    assert re.fullmatch(r"tessel: stopped by SIGINT at .*test_program.py, line \d+\n", said)


def test_ctrl_c_says_what_is_still_open_and_where_it_was_opened():
    def main():
        timers.set_timeout(signal.raise_signal, 5, signal.SIGINT)
        net.create_server().listen(8080)
        net.connect(1, "192.0.2.1")
        timers.set_interval(print, 60_000).unref()
        for _ in range(3):
            timers.set_timeout(print, 60_000)

    code, said = run(main, RADIO="host")
    lines = said.splitlines()
    here = r", opened at .*test_program.py, line \d+"
    assert code == 130
    assert lines[0] == "tessel: stopped by SIGINT. Still open:"
    assert len(lines) == 4
    for line, what in zip(
        lines[1:], ["server on port 8080", "socket to 192.0.2.1:1", "timer of 60 s"], strict=True
    ):
        assert re.fullmatch(f"  {what}{here}( \\(3 times\\))?", line)


def test_a_second_ctrl_c_ends_a_callback_that_never_returns():
    a_run = Run(nothing)

    def busy():
        signal.raise_signal(signal.SIGINT)
        assert a_run.left == []
        signal.raise_signal(signal.SIGINT)
        assert a_run.left == [130]

    a_run.main = lambda: timers.set_timeout(busy, 5)
    assert a_run() == 130


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_program_that_waits(number, code):
    heard = []

    def main():
        timers.set_timeout(signal.raise_signal, 5, number)
        timers.set_timeout(heard.append, 100, "x")

    assert run(main)[0] == code
    assert heard == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_breaks_into_a_program_that_is_busy(number, code):
    def main():
        signal.raise_signal(number)
        raise AssertionError("it went on")

    assert run(main)[0] == code


def test_a_second_signal_ends_it_at_once():
    a_run = Run(nothing)

    def main():
        a_run.reactor.stop = lambda: None  # it hangs on the way out
        timers.set_timeout(signal.raise_signal, 5, signal.SIGTERM)
        a_run.reactor.callLater(0.5, signal.raise_signal, signal.SIGTERM)

    a_run.main = main
    with pytest.raises(AssertionError, match="goes on"):
        a_run()
    assert a_run.left == [143]


class TestTwistedsOwn:
    def test_a_timer_of_the_reactor_keeps_it(self):
        fired = []
        a_run = Run(nothing)
        a_run.main = lambda: a_run.reactor.callLater(0.5, fired.append, "x")
        assert a_run() == 0
        assert fired == ["x"]

    def test_a_socket_of_the_reactor_keeps_it(self):
        a_run = Run(nothing)

        def main():
            a_run.reactor.selectables.append("socket")
            timers.set_timeout(a_run.reactor.selectables.remove, 5 * FOREIGN_POLL_S, "socket")

        a_run.main = main
        assert a_run() == 0

    def test_a_thread_of_the_reactor_keeps_it(self):
        pool = SimpleNamespace(working=[None])
        a_run = Run(nothing)

        def main():
            a_run.reactor.threadpool = pool
            timers.set_timeout(pool.working.clear, 5)

        a_run.main = main
        assert a_run() == 0

    def test_what_the_runtime_has_for_itself_does_not(self):
        reactor = Reactor()
        clock = OwnClock(reactor)
        liveness = Liveness(reactor, clock)
        call = clock.callLater(5, nothing)
        reactor.selectables.append("tunnel")
        assert clock.getDelayedCalls() == [call]
        assert not liveness.busy(lambda selectable: selectable == "tunnel")
        assert liveness.busy(lambda selectable: False)
        reactor.callLater(5, nothing)
        assert clock.getDelayedCalls() == [call]
        assert liveness.busy(lambda selectable: selectable == "tunnel")

    def test_own_time_is_the_reactors(self):
        clock = Clock()
        clock.advance(5)
        assert OwnClock(clock).seconds() == 5


class TestLog:
    def observed(self, main, **environ):
        a_run = Run(main, **environ)
        globalLogPublisher.addObserver(a_run.program.observe)
        try:
            return a_run(), a_run.said
        finally:
            globalLogPublisher.removeObserver(a_run.program.observe)

    def test_what_twisted_caught_ends_it_too(self, logged_failures):
        def main():
            Logger().failure("Unhandled", Failure(NodeError("in Twisted", "E")))

        code, said = self.observed(main)
        assert code == 1
        assert "in Twisted" in said
        logged_failures.flush(NodeError)

    def test_a_deferreds_error_that_nobody_handled_ends_it_too(self, logged_failures):
        def main():
            dropped = Deferred()
            dropped.cycle = dropped  # told only when the collector finds it
            dropped.errback(NodeError("dropped", "E"))

        code, said = self.observed(main)
        assert code == 1
        assert "dropped" in said
        logged_failures.flush(NodeError)

    def test_so_does_the_error_of_a_deferred_that_the_program_still_has(self):
        kept = Deferred()

        assert self.observed(lambda: kept.errback(NodeError("kept", "E"))) == (1, "tessel: kept\n")
        assert self.observed(nothing) == (0, "")

    def test_sys_exit_in_the_callback_of_a_deferred_is_honoured(self):
        kept = Deferred().addCallback(sys.exit)

        assert self.observed(lambda: kept.callback(3)) == (3, "")

    def test_the_log_is_shown_to_who_asks(self):
        def main():
            Logger(namespace="tessel").debug("the tunnel {what}", what="speaks")
            Logger(namespace="other").debug("silence")

        assert self.observed(main, _PROXY_DBG="") == (0, "tessel: the tunnel speaks\n")
        assert self.observed(main) == (0, "")

    def test_who_asks_learns_what_a_signal_found_open(self):
        def main():
            timers.set_timeout(signal.raise_signal, 5, signal.SIGTERM)
            runtime.current().handles.open("socket to example.com:80")

        code, said = self.observed(main, _PROXY_DBG="1")
        assert code == 143
        assert "tessel: ended by SIGTERM; open was: socket to example.com:80\n" in said
        assert self.observed(main) == (143, "")

    def test_a_failure_that_is_not_critical_is_no_end(self):
        def main():
            failure = Failure(NodeError("handled", "E"))
            Logger().emit(LogLevel.info, "seen", log_failure=failure)

        assert self.observed_without_failures(main) == (0, "")

    def observed_without_failures(self, main):
        a_run = Run(main)
        event = {"log_level": LogLevel.info, "log_failure": Failure(NodeError("handled", "E"))}
        a_run.main = lambda: a_run.program.observe(event)
        return a_run(), a_run.said


def test_a_fault_on_the_way_out_is_reported(monkeypatch):
    a_run = Run(nothing)

    async def broken():
        raise NodeError("stuck", "ESTUCK")

    monkeypatch.setattr(a_run.program._board, "power_off", broken)
    assert a_run() == 1
    assert "stuck" in a_run.said


# No internal error ends a program with 0.


def deepest(call):
    """Call it with as little stack left as lets it begin."""

    def down():
        try:
            down()
        except RecursionError:
            call()

    down()


@pytest.mark.parametrize("where", ["report", "write", "close"])
def test_an_error_that_cannot_be_shown_is_still_an_error(where):
    class NotShownError(Exception):
        def __str__(self):
            raise ValueError("no text")

    a_run = Run(nothing)

    def main():
        if where == "write":
            a_run.program._errors = None  # as sys.stderr is, of a process begun without one
        if where == "close":
            a_run.errors.close()
        raise NotShownError if where == "report" else ZeroDivisionError

    a_run.main = main
    assert a_run() == 1
    if where == "report":
        assert "NotShownError" in a_run.said


def test_an_error_at_the_end_of_the_stack_is_still_an_error():
    a_run = Run(nothing)

    def fails():
        raise ZeroDivisionError

    def main():
        with contextlib.suppress(RecursionError):  # as a Deferred of Twisted's would
            deepest(lambda: runtime.current().call(fails))

    a_run.main = main
    a_run.program._board.runtime._uncaught = Mock(side_effect=RecursionError)
    assert a_run() == 1
    assert a_run.said


def test_a_recursion_without_end_is_an_error():
    def deeper():
        deeper()

    code, said = run(lambda: timers.set_timeout(deeper, 1))
    assert code == 1
    assert "RecursionError" in said


class Strange(BaseException):
    """Neither an Exception nor an exit."""


@pytest.mark.parametrize("how", ["main", "timer", "tick", "coroutine", "deferred", "dns", "emit"])
@pytest.mark.parametrize("kind", [Strange, ZeroDivisionError, GeneratorExit])
def test_whatever_is_raised_wherever_ends_it_with_an_error(logged_failures, how, kind):
    a_run = Run(nothing, RADIO="host")

    def fails(*_):
        raise kind("odd")

    async def coroutine():
        fails()

    def deferred():
        broken = Deferred()
        broken.addCallback(fails)
        timers.set_timeout(broken.callback, 1, None)

    ways = {
        "main": fails,
        "timer": lambda: timers.set_timeout(fails, 1),
        "tick": lambda: timers.next_tick(fails),
        "coroutine": lambda: Deferred.fromCoroutine(coroutine()),
        "deferred": deferred,
        "dns": lambda: dns.lookup("192.0.2.1", fails),
        "emit": lambda: EventEmitter().on("x", fails).emit("x"),
    }
    a_run.main = lambda: ways[how]() and None
    globalLogPublisher.addObserver(a_run.program.observe)
    try:
        assert a_run() == 1
    finally:
        globalLogPublisher.removeObserver(a_run.program.observe)
    assert "odd" in a_run.said
    logged_failures.flush(kind)


def test_an_error_that_comes_when_nothing_is_open_any_more_counts(monkeypatch, logged_failures):
    a_run = Run(nothing)
    log = Logger()

    async def logs():
        log.failure("a bug", Failure(ZeroDivisionError("late")))

    monkeypatch.setattr(a_run.program._board, "finish", logs)
    globalLogPublisher.addObserver(a_run.program.observe)
    try:
        assert a_run() == 1
    finally:
        globalLogPublisher.removeObserver(a_run.program.observe)
    assert "late" in a_run.said
    logged_failures.flush(ZeroDivisionError)


def test_a_program_that_asked_for_its_exit_code_keeps_it(monkeypatch, logged_failures):
    a_run = Run(lambda: sys.exit(0))
    log = Logger()

    async def logs():
        log.failure("cut", Failure(ZeroDivisionError("late")))

    monkeypatch.setattr(a_run.program._board, "power_off", logs)
    globalLogPublisher.addObserver(a_run.program.observe)
    try:
        assert a_run() == 0
    finally:
        globalLogPublisher.removeObserver(a_run.program.observe)
    logged_failures.flush(ZeroDivisionError)


def test_the_radio_is_asked_what_is_its_own():
    a_run = Run(nothing, RADIO="host")
    a_run.main = lambda: net.connect(1, "192.0.2.1").unref()
    assert a_run() == 0
    assert a_run.reactor.tcpClients


def test_a_program_that_ends_while_its_chip_comes_up_leaves_nothing_behind():
    a_run = Run(nothing, RADIO="cc3000-sim")
    a_run.main = lambda: net.connect(1, "192.0.2.1").unref()
    assert a_run() == 0
    assert a_run.said == ""
