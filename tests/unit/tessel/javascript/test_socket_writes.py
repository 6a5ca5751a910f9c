"""Writes of programs to their sockets, also empty ones."""

import pytest

from support.javascript.on_device import run_on_device

ECHOING = """
const net = require('net');
const server = net.createServer((socket) => socket.pipe(socket)).listen(0, () => {
  const socket = net.connect(server.address().port);
  const came = [];
  socket.on('data', (bytes) => came.push(String(bytes)));
  socket.on('close', () => { console.log(came.join('')); server.close(); });
  %s
});
"""


@pytest.mark.parametrize(
    "writes",
    [
        "socket.write(''); socket.end('after');",
        "socket.write(Buffer.alloc(0)); socket.end('after');",
        "socket.write(Buffer.alloc(0), () => socket.end('after'));",
        "socket.on('connect', () => socket.write('', () => socket.end('after')));",
        "socket.cork(); socket.write(''); socket.write(''); socket.uncork(); socket.end('after');",
        "socket.write('after'); socket.end('');",
    ],
)
def test_a_write_of_no_bytes_is_done_and_sends_nothing(writes, tmp_path):
    done = run_on_device(tmp_path, ECHOING % writes)
    assert (done.code, done.out) == (0, "after\n"), done.err
