"""events.py HOST PORT: says one word to a TCP service and prints what happens, an event a line."""

import sys

from tessel import net

host, port = sys.argv[1:]
socket = net.connect(int(port), host)
socket.on("connect", lambda: print("connect"))
socket.on("data", lambda data: print("data", len(data)))
socket.on("end", lambda: print("end"))
socket.on("error", lambda error: print("error", error.code, error))
socket.on("close", lambda *_: print("close"))
socket.write(b"hello")
