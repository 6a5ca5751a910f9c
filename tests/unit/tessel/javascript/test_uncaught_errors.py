"""The text of an uncaught error is Node's: it begins with the line that has thrown."""

import pytest

from support.javascript.on_device import run_on_device, run_on_node

BEGINNING = 5  # lines: where, the line, the marker, an empty one, and the error

THROWING = {
    "a listener of data": "socket.on('data', () => {\n  throw new Error('mine');\n});",
    "a listener of the connection": "socket.on('connect', () => {\n  throw new Error('mine');\n});",
    "a listener of the end": "socket.resume().on('end', () => {\n  throw new Error('mine');\n});",
    "a promise": "(async () => {\n  for await (const _ of socket) throw new Error('mine');\n})();",
}


@pytest.mark.parametrize("listener", THROWING.values(), ids=THROWING)
def test_the_line_of_the_program_that_throws_is_shown_as_by_node(listener, tmp_path):
    program = f"""
const net = require('net');
net.createServer((socket) => socket.end('x')).listen(0, '127.0.0.1', function listening() {{
  const socket = net.connect(this.address().port, '127.0.0.1');
  {listener}
}});
"""
    expected = run_on_node(tmp_path, program)
    done = run_on_device(tmp_path, program)
    assert done.err.splitlines()[:BEGINNING] == expected.err.splitlines()[:BEGINNING]
    assert done.code == expected.code == 1


def test_an_error_event_without_a_listener_is_shown_as_by_node(tmp_path):
    program = "require('net').connect(1, '127.0.0.1');"
    expected = run_on_node(tmp_path, program)
    done = run_on_device(tmp_path, program)
    assert done.err.splitlines()[:BEGINNING] == expected.err.splitlines()[:BEGINNING]


@pytest.mark.parametrize(
    ("line", "call"),
    [
        ("require('net').connect(1, '127.0.0.1');", "connect"),
        ("require('http').get('http://127.0.0.1:1');", "connect"),
        ("require('net').createServer().listen(0, '192.0.2.1');", "listen"),
    ],
)
def test_a_network_error_names_the_line_that_opened_the_socket_or_server(tmp_path, line, call):
    done = run_on_device(tmp_path, f"\n\n{line}\n")
    assert done.code == 1
    assert done.err.splitlines()[BEGINNING] == f"    at {call} ({tmp_path}/program.js:3)"
