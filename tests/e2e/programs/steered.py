"""steered.py PORT: connects until it is ended, and prints each connection and each error."""

import sys

from tessel import net, timers

AGAIN_MS = 100


def connect():
    socket = net.connect(int(sys.argv[1]), "127.0.0.1", lambda: socket.write("hello"))
    socket.on("data", lambda _: print("connected", flush=True))
    socket.on("error", lambda error: print(error, flush=True))
    socket.on("close", lambda *_: timers.set_timeout(connect, AGAIN_MS))


connect()
