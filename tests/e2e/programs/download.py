"""download.py HOST PORT BYTES: asks a source for bytes; prints how many came and their sum."""

import hashlib
import sys

from tessel import net

host, port, nbytes = sys.argv[1:]
digest = hashlib.sha256()
received = 0


def add(data):
    global received
    received += len(data)
    digest.update(data)


socket = net.connect(int(port), host)
socket.on("data", add)
socket.on("end", lambda: print(received, digest.hexdigest()))
socket.write(nbytes.encode() + b"\n")
