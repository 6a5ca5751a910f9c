"""upload.py HOST PORT BYTES: sends random bytes, ends, and prints its own sum and the target's.

It writes while `write` returns True, and then waits for `drain`.
"""

import hashlib
import os
import sys

from tessel import net

BLOCK = 64 * 1024
host, port, nbytes = sys.argv[1:]
digest = hashlib.sha256()
left = int(nbytes)
waits = 0


def write_on():
    global left, waits
    while left:
        block = os.urandom(min(left, BLOCK))
        left -= len(block)
        digest.update(block)
        if not socket.write(block):
            waits += 1
            socket.once("drain", write_on)
            return
    socket.end()


socket = net.connect(int(port), host, write_on)
socket.on("data", lambda data: print("counted", data.decode(), end=""))
socket.on("close", lambda *_: print("sent", nbytes, digest.hexdigest()))
socket.on("close", lambda *_: print("waited", waits))
