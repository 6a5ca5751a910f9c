"""Programs and their test runners that replace parts of the language which the runtime uses."""

import pytest

from support.javascript.on_device import run_on_device

CONNECTING = """
const net = require('net');
const server = net.createServer((socket) => socket.end('hello')).listen(0, () => {
  net.connect(server.address().port).on('data', (bytes) => {
    console.log(String(bytes));
    server.close();
  });
});
"""


@pytest.mark.parametrize(
    "change",
    [
        "Error.captureStackTrace = function () {};",
        "Error.prepareStackTrace = (error) => String(error);",
        "Error.stackTraceLimit = 0;",
    ],
)
def test_a_program_that_changes_how_stacks_are_made_can_connect(change, tmp_path):
    done = run_on_device(tmp_path, change + CONNECTING)
    assert (done.code, done.out) == (0, "hello\n"), done.err


def test_a_program_that_changes_how_stacks_are_made_gets_the_error_of_a_refused_way(tmp_path):
    done = run_on_device(
        tmp_path,
        """
        Error.captureStackTrace = function () {};
        try { require('child_process').spawn('true'); } catch (error) { console.log(error.code); }
        """,
    )
    assert (done.code, done.out) == (0, "ERR_FEATURE_UNAVAILABLE_ON_PLATFORM\n"), done.err
