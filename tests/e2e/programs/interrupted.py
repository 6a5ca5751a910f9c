"""interrupted.py HOST ENDLESS_PORT ECHO_PORT: a download without an end, and what ends it.

After that it tries an echo, again and again, until it works.
"""

import sys

from tessel import net, timers

RETRY_MS = 300
host, endless_port, echo_port = sys.argv[1], *map(int, sys.argv[2:])


def download():
    socket = net.connect(endless_port, host)
    socket.once("data", lambda _: say("receiving"))
    socket.on("end", lambda: say("end"))
    socket.on("error", lambda error: say("error", error.code))
    socket.on("close", lambda *_: say("close"))
    socket.on("close", lambda *_: echo())


def echo():
    socket = net.connect(echo_port, host)
    socket.on("data", lambda data: say("echo", data.decode()))
    socket.on("error", lambda _: timers.set_timeout(echo, RETRY_MS))
    socket.end(b"again")


def say(*words):
    print(*words, flush=True)


download()
