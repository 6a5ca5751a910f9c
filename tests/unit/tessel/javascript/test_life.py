"""`tessel run PROGRAM.js` starts and ends as Node does; each process ends with the other."""

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import termios
import time
from contextlib import ExitStack, suppress

import pytest

from lab.waiting import eventually
from support.javascript.conversation import CONVERSATION, STEPS, echo_server
from support.javascript.on_device import PATIENCE_S, run_on_device, run_on_node
from support.javascript.running import Running
from tessel.javascript.signals import FORWARD_AFTER_S

FACTS = """
setImmediate(setImmediate, () => console.log(JSON.stringify({  // when all of the start is over
  argv: process.argv, execArgv: process.execArgv, main: require.main === module,
  paths: module.paths, file: __filename, parent: module.parent,
  signals: process.listenerCount('SIGINT'),
  ours: Object.keys(process.env).filter((name) => /^(TESSEL|NODE)_/.test(name)),
  resources: process.getActiveResourcesInfo(),
  stdin: process.stdin.constructor.name, stdout: process.stdout.constructor.name,
})));
"""
MODULE = """
import net, { connect } from 'node:net';
import { createRequire } from 'node:module';
const beside = createRequire(import.meta.url)('beside');
const facts = [process.argv, process.execArgv, import.meta.url, connect === net.connect, beside];
console.log(JSON.stringify(facts));
"""
LISTEN = "require('net').createServer().listen(0, '127.0.0.1', () => console.log('up'));\n"
COMPUTE = "console.log('up'); for (;;);\n"
HANDLE = """
process.on('SIGINT', () => { console.log('handled'); setTimeout(() => process.exit(7), 500); });
setInterval(() => {}, 1000);
console.log('up');
"""


# As Node.


@pytest.mark.parametrize(
    ("text", "code", "seen"),
    [
        ("", 0, ""),
        ("process.exit(3)", 3, ""),
        ("process.exitCode = 4", 4, ""),
        ("process.on('exit', () => { process.exitCode = 5 })", 5, ""),
        ("\nthrow new Error('mine')", 1, "program.js:2\nthrow new Error('mine')\n"),
        ("Promise.reject(new Error('mine'))", 1, "at Object.<anonymous> ("),
        ("process.nextTick(() => missing)", 1, "ReferenceError: missing is not defined"),
        ("let x = ;", 1, "SyntaxError: Unexpected token ';'"),
        ("require('./none')", 1, "Error: Cannot find module './none'"),
        ("process.abort()", 134, "tessel: the program's process was ended by SIGABRT\n"),
    ],
)
def test_the_exit_code_and_the_error_are_nodes(tmp_path, text, code, seen):
    ran = run_on_device(tmp_path, text)
    assert ran.code == code
    assert seen in ran.err
    assert bool(ran.err) == bool(seen)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("program.js", FACTS),
        ("program.cjs", FACTS),
        ("./program.js", FACTS),
        ("sub/program.js", FACTS),
        ("program.mjs", MODULE),
        ("esm/program.js", MODULE),
    ],
)
def test_a_program_finds_itself_and_its_modules_as_with_node(tmp_path, name, text):
    for folder in ("sub", "esm", "node_modules"):
        (tmp_path / folder).mkdir()
    (tmp_path / "esm" / "package.json").write_text('{"type": "module"}')
    (tmp_path / "node_modules" / "beside.json").write_text('"beside"')
    (tmp_path / "node_modules" / "beside.js").write_text("module.exports = 'beside'")
    arguments = ["-x", "a b", "--", "--env"]
    ours = run_on_device(tmp_path, text, *arguments, name=name)
    nodes = run_on_node(tmp_path, text, *arguments, name=name)
    assert (ours.code, ours.err) == (0, "")
    assert json.loads(ours.out) == json.loads(nodes.out)


def test_a_link_to_a_program_is_the_program(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "program.js").write_text("console.log(require('./beside'))")
    (tmp_path / "real" / "beside.js").write_text("module.exports = 'beside'")
    (tmp_path / "link.js").symlink_to("real/program.js")
    done = command(tmp_path, "link.js")
    assert (done.returncode, done.stdout) == (0, b"beside\n")


@pytest.mark.parametrize(
    ("name", "package"), [("index.js", None), ("main.js", '{"main": "main.js"}')]
)
def test_a_folder_with_a_program_is_the_program(tmp_path, name, package):
    (tmp_path / "board").mkdir()
    (tmp_path / "board" / name).write_text("console.log(process.argv.length, module.id)")
    if package is not None:
        (tmp_path / "board" / "package.json").write_text(package)
    done = command(tmp_path, "board")
    assert (done.returncode, done.stdout) == (0, b"2 .\n")


def test_the_users_options_for_node_are_kept(tmp_path):
    (tmp_path / "first.js").write_text("console.log('first')")
    ran = run_on_device(tmp_path, "console.log('then')", NODE_OPTIONS="--require ./first.js")
    assert ran.lines == ["first", "then"]


# The standard streams.


def command(folder, program, **streams):
    return subprocess.run(
        [sys.executable, "-m", "tessel", "run", program],
        cwd=folder,
        env=os.environ | {"RADIO": "host"},
        timeout=PATIENCE_S,
        check=False,
        **({"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | streams),
    )


def test_input_and_output_are_the_programs(tmp_path):
    (tmp_path / "program.js").write_text("process.stdin.pipe(process.stdout)")
    data = os.urandom(300_000)
    done = command(tmp_path, "program.js", input=data)
    assert (done.returncode, done.stdout, done.stderr) == (0, data, b"")
    (tmp_path / "data").write_bytes(data)
    with (tmp_path / "data").open("rb") as source:
        assert command(tmp_path, "program.js", stdin=source).stdout == data


def test_a_program_that_does_not_read_ends_while_its_input_is_open(tmp_path):
    (tmp_path / "program.js").write_text("console.log('done')")
    reading, writing = os.pipe()
    try:
        assert command(tmp_path, "program.js", stdin=reading).stdout == b"done\n"
        assert os.get_blocking(reading)  # untouched: another process may read it, too
    finally:
        os.close(reading)
        os.close(writing)


@pytest.mark.parametrize("closed", [0, 1, 2])
def test_a_closed_stream_does_not_prevent_the_start(tmp_path, closed):
    (tmp_path / "program.js").write_text(
        "process.stdin.resume(); console.log('x'); console.error('y'); process.exitCode = 3;"
    )
    shell = (
        f"exec {sys.executable} -m tessel run program.js {closed}{'<' if closed == 0 else '>'}&-"
    )
    done = subprocess.run(
        ["sh", "-c", shell],
        cwd=tmp_path,
        env=os.environ | {"RADIO": "host"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 3


def test_a_terminal_is_the_programs(tmp_path):
    text = (
        "const { stdin, stdout } = process;\n"
        "stdin.setRawMode(true);\n"
        "stdout.write(`ready ${stdin.isTTY} ${stdout.isTTY}\\n`);\n"
        "stdin.once('data', (key) => { stdout.write(`key ${key[0]}\\n`); process.exit(); });\n"
    )
    assert in_terminal(tmp_path, text, b"ready true true", b"\x03") == (0, "key 3")


def test_ctrl_c_in_a_terminal_reaches_the_program_once(tmp_path):
    text = HANDLE.replace("500", "50").replace("console.log('up')", "console.log('up now')")
    assert in_terminal(tmp_path, text, b"up now", b"\x03") == (7, "handled")


def in_terminal(folder, text, ready, keys):
    """Run a program in a terminal, type keys when it is ready; return its code and last line."""
    (folder / "program.js").write_text(text)
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "tessel", "run", "program.js"],
        cwd=folder,
        env=os.environ | {"RADIO": "host"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - it only calls the system
    )
    os.close(theirs)
    shown = b""
    while ready not in shown:
        shown += os.read(ours, 1000)
    os.write(ours, keys)
    with suppress(OSError):  # when no process has the terminal any more
        while piece := os.read(ours, 1000):
            shown += piece
    os.close(ours)
    return process.wait(PATIENCE_S), shown.decode().replace("^C", "").splitlines()[-1]


# Signals.


@pytest.fixture
def start(tmp_path):
    """Starts a program; reads its output up to `up`."""
    with ExitStack() as running:

        def started(text, *arguments, **environ):
            program = running.enter_context(Running(tmp_path, text, *arguments, **environ))
            program.until("up")
            return program

        yield started


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("sent_to", ["signal_device", "signal_both"])
@pytest.mark.parametrize("text", [LISTEN, COMPUTE], ids=["listening", "computing"])
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


def test_a_second_signal_ends_a_program_that_has_a_listener(start):
    program = start(HANDLE.replace("500", "60000"))
    program.signal_both(signal.SIGINT)
    program.until("handled")
    time.sleep(FORWARD_AFTER_S)  # one that comes sooner is the same
    program.signal_both(signal.SIGINT)
    assert program.ended()[0] == 130


# One of both processes is killed.


@pytest.mark.parametrize(
    ("number", "name"), [(signal.SIGKILL, "SIGKILL"), (signal.SIGSEGV, "SIGSEGV")]
)
def test_the_device_says_which_signal_has_ended_the_programs_process(start, number, name):
    program = start(LISTEN)
    program.signal_child(number)
    code, _, err = program.ended()
    assert code == 128 + number
    assert err == f"tessel: the program's process was ended by {name}\n"


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


def test_a_process_that_closes_its_channel_is_ended(tmp_path):
    node = tmp_path / "node"
    node.write_text(
        f"#!{sys.executable}\n"
        "import os, sys, time\n"
        "if sys.argv[1] == '--version': sys.exit(print('v22.0.0'))\n"
        "os.close(int(os.environ['TESSEL_CHANNEL_FD']))\n"
        "time.sleep(60)\n"
    )
    node.chmod(0o755)
    ran = run_on_device(tmp_path, "", TESSEL_NODE=str(node))
    assert ran.code == 1
    assert ran.err == "tessel: the program's process has closed its channel to the device\n"


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
        eventually(lambda: not any(peer.is_alive() for peer in peers), 5, "sockets were left")
    assert list(scratch.iterdir()) == []


# The end.


def test_bytes_that_were_written_just_before_the_end_are_sent(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        ran = run_on_device(
            tmp_path,
            f"const socket = require('net').connect({port}, '127.0.0.1', () => {{\n"
            "  socket.write('x'.repeat(100000));\n"
            "  process.exit(9);\n"
            "});\n",
        )
        connection, _ = listener.accept()
        with connection:
            received = b"".join(iter(lambda: connection.recv(65536), b""))
    assert (ran.code, ran.err, len(received)) == (9, "", 100_000)


def test_a_program_may_exit_while_a_server_a_look_up_and_a_dial_are_open(tmp_path):
    ran = run_on_device(
        tmp_path,
        "const net = require('net');\n"
        "net.createServer().listen(0, '127.0.0.1', () => {\n"
        "  net.connect(1, '192.0.2.1').on('error', () => {});\n"
        "  require('dns').lookup('localhost', () => {});\n"
        "  setImmediate(() => process.exit(6));\n"
        "});\n",
    )
    assert (ran.code, ran.out, ran.err) == (6, "", "")


FAULTY = """
import sys
from tessel.__main__ import main
from tessel.board import Board
from tessel.javascript import program
from twisted.internet.defer import Deferred

async def finish(board):
    {fault}

Board.finish = finish
program.FINISH_LIMIT_S = 0.2
sys.exit(main(["run", "program.js"]))
"""


@pytest.mark.parametrize(
    ("fault", "seen"),
    [
        ("raise RuntimeError('closing failed')", "RuntimeError: closing failed"),
        ("await Deferred()", "tessel: the device did not close all within 0.2 s"),
    ],
)
@pytest.mark.parametrize(("code", "expected"), [(0, 1), (6, 6)])
def test_a_fault_of_the_device_at_the_end_is_reported_and_the_run_ends(
    tmp_path, fault, seen, code, expected
):
    (tmp_path / "program.js").write_text(f"process.exitCode = {code};")
    done = subprocess.run(
        [sys.executable, "-c", FAULTY.format(fault=fault)],
        cwd=tmp_path,
        env=os.environ | {"RADIO": "host"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == expected
    assert seen in done.stderr


def test_a_node_that_cannot_be_started_is_one_line(tmp_path):
    node = tmp_path / "node"
    node.write_text("#!/bin/sh\nrm $0\necho v22.0.0\n")  # it answers, and then it is gone
    node.chmod(0o755)
    ran = run_on_device(tmp_path, "", TESSEL_NODE=str(node))
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == f"tessel: {node} cannot be started: No such file or directory\n"


# Settings.


def test_a_wrong_setting_of_the_program_itself_is_reported_as_for_python(tmp_path):
    text = (
        "process.env.PROXY_PORT = 'x';\n"
        "require('net').connect(1, 'localhost').on('error', () => {});\n"
        "setInterval(() => {}, 1000);\n"
        "process.on('exit', (code) => console.log('cleaned', code));\n"
    )
    ran = run_on_device(tmp_path, text)
    assert (ran.code, ran.out) == (1, "cleaned 1\n")
    assert ran.err.startswith("tessel: PROXY_PORT='x'")
    assert len(ran.err.splitlines()) == 1


def test_a_busy_program_with_a_wrong_setting_is_killed(tmp_path):
    text = "process.env.PROXY_PORT = 'x';\nrequire('net').connect(1, 'localhost');\nfor (;;);\n"
    ran = run_on_device(tmp_path, text)
    assert (ran.code, len(ran.err.splitlines())) == (1, 1)


def test_a_program_may_switch_the_report_of_routes_on_itself(tmp_path):
    text = (
        "process.env._PROXY_DBG = '1';\n"
        "require('net').connect(1, '127.0.0.1').on('error', () => {});\n"
    )
    ran = run_on_device(tmp_path, text)
    assert (ran.code, ran.out) == (0, "")
    assert "tessel: 127.0.0.1:1 (net) directly: there is no token" in ran.err.splitlines()
