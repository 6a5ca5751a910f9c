"""farewell.py HOST PORT WORDS: reads until its peer has ended, and only then sends something."""

import sys

from tessel import net

host, port, words = sys.argv[1:]
socket = net.connect({"host": host, "port": int(port), "allow_half_open": True})
socket.on("data", lambda data: print("heard", data.decode(), end=""))
socket.on("end", lambda: print("end"))
socket.on("end", lambda: socket.end(words.encode()))
socket.on("close", lambda *_: print("close"))
