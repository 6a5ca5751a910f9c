"""A program for the device that transfers bytes from or to the site.

usage: tessel run bench/device_program.py D|U PORT BYTES

It prints a JSON object: seconds, and CPU seconds of the device.
"""

import json
import struct
import sys
import time

from tessel import net

PIECE = bytes(65_536)


class Transfer:
    """A transfer over one socket; native/site.c describes the site's protocol."""

    def __init__(self, direction: str, port: int, nbytes: int) -> None:
        self._order = struct.pack(">cQ", direction.encode(), nbytes)
        self._left = nbytes if direction == "U" else 0
        self._due = nbytes if direction == "D" else 1  # one byte answers an upload
        self._socket = net.connect(port, "127.0.0.1", self._connected)
        self._socket.on("drain", self._fill)
        self._socket.on("data", self._take)
        self._socket.on("end", self._finish)

    def _connected(self) -> None:
        self._started = time.perf_counter(), time.process_time()
        self._socket.write(self._order)
        self._fill()

    def _fill(self) -> None:
        while self._left:
            piece = PIECE[: self._left]
            self._left -= len(piece)
            if not self._socket.write(piece):
                return

    def _take(self, data: bytes) -> None:
        self._due -= len(data)

    def _finish(self) -> None:
        if self._due:
            sys.exit(f"{self._due} bytes are missing")
        now = time.perf_counter(), time.process_time()
        seconds, cpu_s = (end - start for end, start in zip(now, self._started, strict=True))
        print(json.dumps({"seconds": seconds, "cpu_s": cpu_s}))


Transfer(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
