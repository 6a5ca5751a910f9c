"""Signals reach a JavaScript program once; if one of both processes is killed, the other ends."""

import signal
from contextlib import ExitStack

import pytest

from lab.waiting import eventually
from support.javascript.conversation import CONVERSATION, STEPS, echo_server
from support.javascript.on_device import run_on_device
from support.javascript.running import END_S, HANDLE, Running
from tessel.javascript.signals import FORWARD_AFTER_S

LISTEN = "require('net').createServer().listen(0, '127.0.0.1', () => console.log('up'));\n"
COMPUTE = "console.log('up'); for (;;);\n"


@pytest.fixture
def start(tmp_path):
    """Starts a program; reads its output up to `up`."""
    with ExitStack() as running:

        def started(text, *arguments, **environ):
            program = running.enter_context(Running(tmp_path, text, *arguments, **environ))
            program.until("up")
            return program

        yield started


# Signals.


@pytest.mark.parametrize(
    ("text", "sent_to", "number"),
    [
        (LISTEN, "signal_device", signal.SIGINT),
        (LISTEN, "signal_both", signal.SIGTERM),
        (COMPUTE, "signal_device", signal.SIGTERM),
        (COMPUTE, "signal_both", signal.SIGINT),
    ],
    ids=["listening", "listening, both", "computing", "computing, both"],
)
def test_a_signal_ends_both_processes(start, text, sent_to, number):
    program = start(text)
    getattr(program, sent_to)(number)
    code, _, err = program.ended()
    assert code == 128 + number
    assert err.startswith("tessel: stopped by SIGINT" if number is signal.SIGINT else "")
    assert len(err.splitlines()) <= 2


def test_on_ctrl_c_the_user_sees_what_was_open_and_where_it_was_opened(start, tmp_path):
    program = start(
        "const net = require('net');\n"
        "const server = net.createServer().listen(0, 'localhost', () => {\n"
        "  const { port } = server.address();\n"
        "  console.log(port);\n"
        "  net.connect(port, '127.0.0.1', () => udp.bind(0, () => console.log('up')));\n"
        "});\n"
        "const udp = require('dgram').createSocket('udp4');\n"
    )
    program.signal_both(signal.SIGINT)
    _, _, err = program.ended()
    at = f"opened at {tmp_path}/program.js, line"
    first, *places = err.splitlines()
    assert first == "tessel: stopped by SIGINT. Still open:"
    assert [place.split(" ")[2] for place in places] == ["UDP", "socket", "server", "socket"]
    assert places[2].endswith(f"{at} 3")
    assert places[3].endswith(f"{at} 6")


@pytest.mark.parametrize("sent_to", ["signal_device", "signal_both"])
def test_a_program_with_a_listener_gets_a_signal_once_and_can_finish(start, sent_to):
    program = start(HANDLE)
    getattr(program, sent_to)(signal.SIGINT)
    assert program.ended() == (7, "handled\n", "")


def test_a_program_that_was_busy_gets_a_signal_once(start):
    busy_ms = 5 * FORWARD_AFTER_S * 1000  # so the device passes the signal on
    busy = f"Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, {busy_ms});"
    program = start(HANDLE + busy)
    program.signal_both(signal.SIGINT)
    assert program.ended() == (7, "handled\n", "")


def test_a_second_signal_ends_a_program_that_has_a_listener(start):
    program = start(HANDLE.replace("500", "60000"))
    program.signal_both(signal.SIGINT)
    program.until("handled")

    def ends_by_another():  # the device counts one that comes too soon as the same
        program.signal_both(signal.SIGINT)
        return program.device.poll() is not None

    eventually(ends_by_another, END_S)
    assert program.ended()[0] == 130


# One of both processes is killed.


def test_the_device_says_which_signal_has_ended_the_programs_process(start):
    program = start(LISTEN)
    program.signal_child(signal.SIGSEGV)
    code, _, err = program.ended()
    assert code == 128 + signal.SIGSEGV
    assert err == "tessel: the program's process was ended by SIGSEGV\n"


def test_a_program_that_needs_too_much_memory_ends_with_nodes_own_words(tmp_path):
    text = "const all = []; for (;;) all.push(new Array(100000).fill({}));"
    ran = run_on_device(tmp_path, text, NODE_OPTIONS="--max-old-space-size=20")
    assert ran.code == 134
    assert "JavaScript heap out of memory" in ran.err
    assert ran.err.endswith("tessel: the program's process was ended by SIGABRT\n")


@pytest.mark.parametrize("first", [None, signal.SIGSTOP], ids=["running", "stopped"])
@pytest.mark.parametrize(
    ("text", "seen"),
    [
        (LISTEN, "the device has ended, and with it the network of this program"),
        (COMPUTE, "the device has ended, and this program was busy: it is killed"),
    ],
    ids=["listening", "computing"],
)
def test_a_program_whose_device_was_killed_ends_and_says_so(start, text, seen, first):
    program = start(text)
    if first is not None:
        program.signal_child(first)
    program.signal_device(signal.SIGKILL)
    assert program.ended() == (-signal.SIGKILL, "", f"tessel: {seen}\n")


@pytest.mark.parametrize("victim", ["device", "child"])
@pytest.mark.parametrize("step", STEPS)
def test_killing_either_process_at_any_step_leaves_nothing(tmp_path, victim, step):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with (
        echo_server() as (port, peers),
        Running(tmp_path, CONVERSATION, str(port), TMPDIR=str(scratch)) as program,
    ):
        program.until(step)
        getattr(program, f"signal_{victim}")(signal.SIGKILL)
        code, _, err = program.ended()
        assert code == (-signal.SIGKILL if victim == "device" else 128 + signal.SIGKILL)
        assert ("the device has ended" if victim == "device" else "ended by SIGKILL") in err
        assert len(err.splitlines()) == 1
        eventually(lambda: not any(peer.is_alive() for peer in peers), END_S, "sockets were left")
    assert list(scratch.iterdir()) == []
