"""A TCP socket: send a line to an echo server, and print its answer.

tessel run examples/echo.py HOST PORT
"""

import sys

from tessel import net

if len(sys.argv) != 3:
    print("usage: tessel run examples/echo.py HOST PORT", file=sys.stderr)
    sys.exit(2)
host, port = sys.argv[1:]


def connected():
    socket.write("Hello from the device\n")


def answered(data):
    print(data.decode(), end="")
    socket.end()  # the program ends when no socket is open


socket = net.connect(int(port), host, connected)
socket.on("data", answered)
