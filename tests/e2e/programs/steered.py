"""steered.py PORT: connects until it is ended, and prints each connection and each error.

It writes all the time, and does not read any more: then errors are easily lost.
"""

import sys

from tessel import net, timers

AGAIN_MS = 100
WRITE_MS = 20


def connect():
    def connected(_):
        print("connected", flush=True)
        socket.pause()

    def closed(*_):
        timers.clear_interval(writing)
        timers.set_timeout(connect, AGAIN_MS)

    socket = net.connect(int(sys.argv[1]), "127.0.0.1")
    writing = timers.set_interval(lambda: socket.write("x" * 1000), WRITE_MS)
    socket.once("data", connected)
    socket.on("error", lambda error: print(error, flush=True))
    socket.on("close", closed)


connect()
