"""The end of a JavaScript program: last bytes, open sockets, faults and wrong settings."""

import socket

import pytest

from support.javascript.on_device import run_on_device


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


USERS = """
const said = (user) => (error) => console.log(user, error.code, error.message);
require('net').connect(1, 'localhost').on('error', said('net'));
require('tls').connect(1, 'localhost').on('error', said('tls'));
require('http').get('http://localhost').on('error', said('http'));
require('net').createServer().listen(0).on('error', said('server'));
require('dgram').createSocket('udp4').bind(0).on('error', said('dgram'));
require('dns').lookup('localhost', said('lookup'));
require('dns').promises.lookup('localhost').catch(said('promised'));
require('dns').resolve4('localhost', said('resolve4'));
require('dns').promises.resolve6('localhost').catch(said('resolve6'));
require('wifi-cc3000').on('error', said('wifi')).reset(said('reset'));
"""


def test_a_wrong_setting_of_the_program_itself_is_an_error_of_what_uses_it(tmp_path):
    ran = run_on_device(tmp_path, WRONG + USERS)
    assert (ran.code, ran.err) == (0, "")
    told = dict(line.split(" ", 1) for line in ran.lines)
    assert len(told) == USERS.count("said('")
    for error in told.values():
        assert error.startswith("ERR_SETTINGS ")
        assert all(fault in error for fault in FAULTS)


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
