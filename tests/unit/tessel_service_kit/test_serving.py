import signal
import socket

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import capturedLogs, formatEvent

from tessel_service_kit.serving import FAILED, HALT_S, OK, STOP_TIMEOUT_S, Hangups, Serving


class Reactor(MemoryReactorClock):
    """Returns from `run` once all has started; holds what a signal hands over for the next turn."""

    def __init__(self):
        super().__init__()
        self.stops = 0

    def run(self):
        for hook, args, more in self.whenRunningHooks:
            hook(*args, **more)

    def callFromThread(self, function, *args):
        self.callLater(0, function, *args)

    def stop(self):
        super().stop()
        self.stops += 1


class Run:
    """A Serving of a service that starts and stops as a test says, and the signals it caught."""

    def __init__(self, *, start=lambda: None, stop=lambda: None, reload=None, **more):
        self._start_with, self._stop_with = start, stop
        self.started = self.stopped = 0
        self.reactor = Reactor()
        self.handlers = {}
        self._serving = Serving(
            self._start,
            self._stop,
            self.reactor,
            reload=reload,
            foreseen=(LookupError,),
            catch=self.handlers.__setitem__,
            **more,
        )
        self.exit_code = self._serving.run()

    def _start(self):
        self.started += 1
        return self._start_with()

    def _stop(self):
        self.stopped += 1
        return self._stop_with()

    def signal(self, number):
        self.handlers[number](number, None)
        assert self.reactor.getDelayedCalls()  # nothing happens inside the signal itself
        self.reactor.advance(0)

    @property
    def final_code(self):
        return self._serving._exit_code


def test_sighup_reloads_until_the_stop_is_over():
    calls = []
    stopped = Deferred()
    run = Run(reload=lambda: calls.append("reload"), stop=lambda: stopped)
    run.signal(signal.SIGHUP)
    assert (calls, run.stopped) == (["reload"], 0)
    run.signal(signal.SIGTERM)
    run.signal(signal.SIGHUP)
    assert calls == ["reload"] * 2
    stopped.callback(None)
    run.signal(signal.SIGHUP)
    assert calls == ["reload"] * 2


def test_several_sighups_before_a_reload_cause_one_reload():
    calls = []
    run = Run(reload=lambda: calls.append("reload"))
    for _ in range(1000):
        run.handlers[signal.SIGHUP](signal.SIGHUP, None)
    run.reactor.advance(0)
    assert calls == ["reload"]
    run.signal(signal.SIGHUP)
    assert len(calls) == 2


def test_a_sighup_during_a_reload_causes_another_one():
    calls = []

    def reload():
        calls.append("reload")
        if len(calls) == 1:  # what has been read already may have changed
            run.handlers[signal.SIGHUP](signal.SIGHUP, None)

    run = Run(reload=reload)
    run.signal(signal.SIGHUP)
    run.reactor.advance(0)
    assert len(calls) == 2


def test_a_sighup_before_the_start_is_remembered():
    calls = []
    handlers = {}
    hangups = Hangups(catch=handlers.__setitem__)
    handlers[signal.SIGHUP](signal.SIGHUP, None)
    handlers[signal.SIGHUP](signal.SIGHUP, None)
    run = Run(reload=lambda: calls.append(run.started), hangups=hangups)
    assert calls == []  # what is to be reloaded may not be there yet
    run.reactor.advance(0)
    assert calls == [1]
    run.signal(signal.SIGHUP)
    assert len(calls) == 2


def test_without_such_a_sighup_nothing_is_reloaded():
    calls = []
    run = Run(reload=lambda: calls.append("reload"), hangups=Hangups(catch=lambda *_args: None))
    assert run.reactor.getDelayedCalls() == []


def test_a_service_with_nothing_to_reload_leaves_sighup_alone():
    assert signal.SIGHUP not in Run().handlers


def failing_with(error):
    def fail():
        raise error

    return fail


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_service_and_then_the_process_with_0(number):
    stopping = Deferred()
    run = Run(stop=lambda: stopping)
    assert (run.started, run.stopped) == (1, 0)
    run.signal(number)
    assert (run.stopped, run.reactor.stops) == (1, 0)
    stopping.callback(None)
    assert (run.final_code, run.reactor.stops) == (OK, 1)
    assert run.reactor.getDelayedCalls() == []


def test_a_second_signal_does_not_wait_for_a_clean_end():
    stopping = Deferred()
    halted = []
    run = Run(stop=lambda: stopping, halt=lambda: halted.append(1))
    run.signal(signal.SIGTERM)
    run.signal(signal.SIGTERM)
    assert (run.stopped, run.reactor.stops, halted) == (1, 0, [1])
    run.reactor.advance(HALT_S)
    assert (run.final_code, run.reactor.stops) == (OK, 1)
    stopping.callback(None)
    assert run.reactor.stops == 1


def test_the_stop_timeout_can_be_set():
    run = Run(stop=Deferred, stop_timeout_s=40)
    run.signal(signal.SIGTERM)
    run.reactor.advance(39)
    assert run.reactor.stops == 0
    run.reactor.advance(1)
    assert run.reactor.stops == 1


def test_a_service_that_does_not_stop_in_time_is_abandoned():
    run = Run(stop=Deferred)
    run.signal(signal.SIGTERM)
    with capturedLogs() as logged:
        run.reactor.advance(STOP_TIMEOUT_S)
    assert (run.final_code, run.reactor.stops) == (OK, 1)
    assert [each["event"] for each in logged] == ["stopping"]


def test_start_and_stop_may_be_coroutines():
    async def step():
        pass

    run = Run(start=step, stop=step)
    run.signal(signal.SIGTERM)
    assert (run.final_code, run.reactor.stops) == (OK, 1)


def test_a_signal_while_it_starts_cancels_the_start_and_stops_the_service():
    cancelled = []
    starting = Deferred(cancelled.append)
    run = Run(start=lambda: starting)
    with capturedLogs() as logged:
        run.signal(signal.SIGTERM)
    assert cancelled == [starting]
    assert (run.stopped, run.final_code, run.reactor.stops) == (1, OK, 1)
    assert [each["event"] for each in logged] == ["stopping"]


def test_a_start_that_breaks_when_cancelled_ends_the_process_with_1(logged_failures):
    starting = Deferred(lambda it: it.errback(ZeroDivisionError()))
    run = Run(start=lambda: starting)
    run.signal(signal.SIGTERM)
    assert (run.stopped, run.final_code, run.reactor.stops) == (1, FAILED, 1)
    assert len(logged_failures.flush(ZeroDivisionError)) == 1


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (OSError(98, "Address already in use (while ...)"), "Address already in use"),
        (OSError("a port of another kind"), "a port of another kind"),
        (socket.gaierror(-2, "Name or service not known"), "[Errno -2] Name or service not known"),
    ],
)
def test_a_port_that_cannot_be_used_ends_the_process_with_1_and_a_reason(error, why):
    refused = CannotListenError("127.0.0.1", 443, error)
    with capturedLogs() as logged:
        run = Run(start=failing_with(refused))
    assert (run.exit_code, run.stopped, run.reactor.stops) == (FAILED, 1, 1)
    (event,) = logged
    assert (event["event"], event["host"], event["port"]) == ("cannot_listen", "127.0.0.1", 443)
    assert event["why"] == why


def test_a_socket_of_unix_that_cannot_be_used_is_named_by_its_path():
    refused = CannotListenError(None, "CONTROL_SOCKET='/run/a'", ValueError("it is in use"))
    with capturedLogs() as logged:
        run = Run(start=failing_with(refused))
    assert run.exit_code == FAILED
    assert formatEvent(logged[0]) == "cannot listen on CONTROL_SOCKET='/run/a': it is in use"


def test_a_foreseen_fault_at_the_start_ends_the_process_with_1_and_one_line():
    with capturedLogs() as logged:
        run = Run(start=failing_with(LookupError("no disk")))
    assert (run.exit_code, run.stopped, run.reactor.stops) == (FAILED, 1, 1)
    (event,) = logged
    assert (event["event"], str(event["why"])) == ("start_failed", "no disk")
    assert "log_failure" not in event


def test_an_unforeseen_fault_at_the_start_ends_the_process_with_1(logged_failures):
    run = Run(start=failing_with(ZeroDivisionError()))
    assert (run.exit_code, run.stopped, run.reactor.stops) == (FAILED, 1, 1)
    assert len(logged_failures.flush(ZeroDivisionError)) == 1


def test_a_signal_after_a_failed_start_does_not_make_it_a_success():
    stopping = Deferred()
    run = Run(start=failing_with(LookupError()), stop=lambda: stopping)
    run.signal(signal.SIGTERM)
    run.reactor.advance(HALT_S)
    assert (run.final_code, run.reactor.stops) == (FAILED, 1)
    stopping.callback(None)


def test_an_unforeseen_fault_while_stopping_ends_the_process_with_1(logged_failures):
    run = Run(stop=failing_with(ZeroDivisionError()))
    run.signal(signal.SIGTERM)
    assert (run.final_code, run.reactor.stops) == (FAILED, 1)
    assert len(logged_failures.flush(ZeroDivisionError)) == 1
