"""The end of a JavaScript program: last bytes, open sockets, faults and wrong settings."""

import os
import socket
import subprocess
import sys

import pytest

from support.javascript.on_device import PATIENCE_S, run_on_device


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


WRONG = "process.env.PROXY_PORT = 'x'; process.env.PROXY_TRUSTED = 'perhaps';\n"
FAULTS = ("PROXY_PORT='x'; allowed: ", "PROXY_TRUSTED='perhaps'; allowed: ")


@pytest.mark.parametrize(
    "user",
    [
        "require('net').connect(1, 'localhost').on('error', say);",
        "require('tls').connect(1, 'localhost').on('error', say);",
        "require('http').get('http://localhost').on('error', say);",
        "require('net').createServer().listen(0).on('error', say);",
        "require('dgram').createSocket('udp4').bind(0).on('error', say);",
        "require('dns').lookup('localhost', say);",
        "require('dns').promises.lookup('localhost').catch(say);",
        "require('dns').resolve4('localhost', say);",
        "require('dns').promises.resolve6('localhost').catch(say);",
        "require('wifi-cc3000').on('error', say);",
        "require('wifi-cc3000').on('error', () => {}).reset(say);",
    ],
)
def test_a_wrong_setting_of_the_program_itself_is_an_error_of_what_uses_it(tmp_path, user):
    say = "function say(error) { console.log(error.code, error.message); }\n"
    ran = run_on_device(tmp_path, WRONG + say + user)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("ERR_SETTINGS ")
    assert all(fault in ran.out for fault in FAULTS)


@pytest.mark.parametrize("user", ["require('net').connect(1)", "require('wifi-cc3000')"])
def test_a_wrong_setting_ends_a_program_that_does_not_listen_for_errors(tmp_path, user):
    ran = run_on_device(tmp_path, f"{WRONG}{user};\nsetInterval(() => {{}}, 1000);\n")
    assert (ran.code, ran.out) == (1, "")
    assert all(fault in ran.err for fault in FAULTS)


def test_a_program_may_switch_the_report_of_routes_on_itself(tmp_path):
    text = (
        "process.env._PROXY_DBG = '1';\n"
        "require('net').connect(1, '127.0.0.1').on('error', () => {});\n"
    )
    ran = run_on_device(tmp_path, text)
    assert (ran.code, ran.out) == (0, "")
    assert "tessel: 127.0.0.1:1 (net) directly: there is no token" in ran.err.splitlines()
