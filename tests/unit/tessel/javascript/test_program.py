"""The run of a JavaScript program, with a process and a reactor played by the test."""

import io
import os
import signal
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.testing import MemoryReactorClock, StringTransport

from tessel.board import Board
from tessel.javascript import program as under_test
from tessel.javascript.find_node import Node
from tessel.javascript.frames import FrameReader, encode_message
from tessel.javascript.program import CHANNEL_GRACE_S, FINISH_LIMIT_S, JavaScriptProgram
from tessel.javascript.signals import FORWARD_AFTER_S, KILL_AFTER_S
from tessel.node.base import runtime

NODE = Node(Path("/opt/node"), (22, 0, 0))
BAD_CALL = encode_message(1, {"op": "nonsense"})
NOT_A_FRAME = b"\xff" * 9


class Process:
    """The program's process: ends by SIGKILL, and else when the test says so."""

    def __init__(self):
        self.signals = []
        self.closed = False
        self.channel = nullcontext(
            SimpleNamespace(setblocking=lambda _: None, fileno=lambda: 7),
        )

    def when_ended(self, reactor, ended):
        del reactor
        self.ended = ended

    def signal(self, number):
        self.signals.append(number)
        if number is signal.SIGKILL:
            self.end(-number)

    def close(self):
        self.closed = True

    def end(self, returned):
        """End the process, and with it the channel."""
        self.close_channel()
        self.ended(returned)

    def close_channel(self):
        if self.wire.connected:
            self.wire.connected = False
            self.wire.protocol.connectionLost()


class Wire(StringTransport):
    """The channel between both."""

    bufferSize = 0


class Reactor(MemoryReactorClock):
    """Runs a script of the test: at which second it does what."""

    LIMIT_S = 60
    STEP_S = 0.05

    def __init__(self, process, script):
        super().__init__()
        self.process = process
        self.begin = []
        self.stopped = False
        for at, action in script:
            self.callLater(at, action)

    def callWhenRunning(self, call, *args):
        self.begin.append((call, args))

    def callFromThread(self, call, *args):
        self.callLater(0, call, *args)

    def adoptStreamConnection(self, descriptor, family, factory):
        del descriptor, family
        wire = self.process.wire = Wire()
        wire.protocol = factory.buildProtocol(None)
        wire.protocol.makeConnection(wire)

    def run(self):
        for call, args in self.begin:
            call(*args)
        while not self.stopped:
            assert self.seconds() < self.LIMIT_S, "the run does not end"
            self.advance(self.STEP_S)

    def stop(self):
        self.stopped = True


@pytest.fixture
def process(monkeypatch):
    played = Process()
    monkeypatch.setattr(under_test, "NodeProcess", lambda *_: played)
    handlers = {number: signal.getsignal(number) for number in under_test.SIGNALS}
    yield played
    for number, handler in handlers.items():
        signal.signal(number, handler)
    runtime.install(None)  # a run that ends by force leaves the board on


@pytest.fixture
def run(process):
    """Runs a script; returns the exit code, the text on standard error, and when it ended."""

    def run_script(*script, leave_at_once=None):
        reactor, errors = Reactor(process, script), io.StringIO()
        process.program = JavaScriptProgram(
            reactor, {}, lambda: 0.5, errors, leave_at_once or pytest.fail
        )
        code = process.program.run(NODE, Path("x.js"), [])
        assert process.closed
        return code, errors.getvalue(), reactor.seconds()

    return run_script


def interrupt():
    os.kill(os.getpid(), signal.SIGINT)


def events(process):
    return [frame.fields for frame in FrameReader().feed(process.wire.value())]


@pytest.mark.parametrize(
    ("returned", "code", "text"),
    [
        (0, 0, ""),
        (7, 7, ""),
        (-signal.SIGSEGV, 139, "tessel: the program's process was ended by SIGSEGV\n"),
        (-signal.SIGTERM, 143, "tessel: the program's process was ended by SIGTERM\n"),
    ],
)
def test_the_exit_code_is_that_of_the_process(run, process, returned, code, text):
    assert run((1, lambda: process.end(returned)))[:2] == (code, text)


def test_a_process_that_cannot_be_started_is_an_error(run, process, monkeypatch):
    def refuse(*_):
        process.close()
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(under_test, "NodeProcess", refuse)
    assert run()[:2] == (1, "tessel: /opt/node cannot be started: Permission denied\n")


@pytest.mark.parametrize("sent", [BAD_CALL, NOT_A_FRAME], ids=["bad call", "no frame"])
def test_a_process_that_breaks_the_rules_is_killed(run, process, sent):
    code, text, _ = run((1, lambda: process.wire.protocol.dataReceived(sent)))
    assert (code, process.signals) == (1, [signal.SIGKILL])
    assert text.startswith("tessel: the program's process broke the channel's rules: ")


def test_a_process_that_closes_its_channel_has_a_moment_to_end(run, process):
    code, text, ended_at = run((1, process.close_channel))
    assert (code, process.signals) == (1, [signal.SIGKILL])
    assert text == "tessel: the program's process has closed its channel to the device\n"
    assert ended_at == pytest.approx(1 + CHANNEL_GRACE_S, abs=0.2)


def test_a_channel_that_outlives_the_process_is_not_waited_for(run, process):
    assert run((1, lambda: process.ended(5)))[0] == 5


def test_a_fault_of_the_device_kills_the_process(run, process):
    def broken():
        process.program._uncaught(KeyError("a bug"))

    code, text, _ = run((1, broken))
    assert (code, process.signals) == (1, [signal.SIGKILL])
    assert "KeyError: 'a bug'" in text


def test_a_fault_at_the_end_is_reported_and_the_code_is_not_0(run, process, monkeypatch):
    async def finish(_):
        raise RuntimeError("not closed")

    monkeypatch.setattr(Board, "finish", finish)
    code, text, _ = run((1, lambda: process.end(0)))
    assert code == 1
    assert "RuntimeError: not closed" in text


def test_an_end_that_hangs_is_given_up(run, process, monkeypatch):
    async def finish(_):
        await Deferred()

    monkeypatch.setattr(Board, "finish", finish)
    code, text, ended_at = run((1, lambda: process.end(6)))
    assert (code, text) == (6, "tessel: the device did not close all within 12 s\n")
    assert ended_at == pytest.approx(1 + FINISH_LIMIT_S, abs=0.2)


# Signals.


def test_a_signal_is_announced_and_passed_on(run, process):
    code, text, _ = run((1, interrupt), (2, lambda: process.end(-signal.SIGINT)))
    assert (code, process.signals) == (130, [signal.SIGINT])
    assert text == "tessel: stopped by SIGINT\n"
    assert events(process) == [{"event": "signal", "name": "SIGINT"}]


def test_a_signal_that_the_process_got_itself_is_not_passed_on(run, process):
    ended = 1 + FORWARD_AFTER_S / 2, lambda: process.end(-signal.SIGINT)
    assert run((1, interrupt), ended)[0] == 130
    assert process.signals == []


def test_a_process_that_does_not_react_to_a_signal_is_killed(run, process):
    code, text, ended_at = run((1, interrupt))
    assert (code, process.signals) == (130, [signal.SIGINT, signal.SIGKILL])
    assert text.startswith("tessel: the program did not react to SIGINT within 5 s")
    assert ended_at == pytest.approx(1 + FORWARD_AFTER_S + KILL_AFTER_S, abs=0.3)


def test_a_program_that_handles_a_signal_takes_its_time(run, process):
    handled = encode_message(0, {"op": "signal", "name": "SIGINT"})
    code, text, _ = run(
        (1, interrupt),
        (1.1, lambda: process.wire.protocol.dataReceived(handled)),
        (30, lambda: process.end(4)),
    )
    assert (code, text, process.signals) == (4, "", [])


def test_a_second_signal_ends_both_at_once(run, process):
    left = []
    run((1, interrupt), (2, interrupt), leave_at_once=left.append)
    assert left == [130]
    assert process.signals == [signal.SIGINT, signal.SIGKILL]
