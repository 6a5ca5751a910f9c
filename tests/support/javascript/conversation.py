"""A small conversation of a JavaScript program with a server, for tests that kill one of them."""

import socket
from contextlib import contextmanager, suppress
from threading import Thread

STEPS = ["begun", "connected", "sent", "received", "served", "ended"]

CONVERSATION = """
const net = require('net');
const server = net.createServer((socket) => socket.end());
console.log('begun');
const socket = net.connect(process.argv[2], '127.0.0.1', () => {
  console.log('connected');
  socket.write('hello', () => console.log('sent'));
});
socket.once('data', () => {
  console.log('received');
  server.listen(0, '127.0.0.1', () => { console.log('served'); socket.end(); server.close(); });
});
socket.on('close', () => console.log('ended'));
setTimeout(() => {}, 60000); // the test kills one of both before
"""


@contextmanager
def echo_server():
    """A server that echoes, with a thread for each connection; gives its port and the threads."""
    peers = []

    def echo(connection):
        with connection, suppress(ConnectionError):
            while data := connection.recv(4096):
                connection.sendall(data)

    def accept():
        with suppress(OSError):
            while True:
                peers.append(Thread(target=echo, args=[listener.accept()[0]], daemon=True))
                peers[-1].start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1], peers
        listener.shutdown(socket.SHUT_RDWR)
