"""A program for the device that transfers bytes by HTTP, over the radio of the settings.

usage: tessel run bench/radio_program.py down|up PORT BYTES

It prints a JSON object: bytes, seconds of the transfer, and CPU seconds of the whole process since
its start.
"""

import json
import sys
import time

from tessel import http

PIECE = bytes(65_536)


class Transfer:
    def __init__(self, port: int, size: int) -> None:
        self._size = size
        self._came = 0
        self._left = size
        self._options = {"host": "127.0.0.1", "port": port, "path": f"/{size}"}
        self._began = time.perf_counter()

    def down(self) -> None:
        http.get(self._options, self._answered)

    def up(self) -> None:
        headers = {"Content-Length": self._size}
        options = {**self._options, "method": "POST", "headers": headers}
        self._request = http.request(options, self._taken)
        self._request.on("drain", self._fill)
        self._fill()

    def _fill(self) -> None:
        while self._left:
            piece = PIECE[: self._left]
            self._left -= len(piece)
            if not self._request.write(piece):
                return
        self._request.end()

    def _answered(self, response: http.IncomingMessage) -> None:
        response.on("data", self._take)
        response.on("end", lambda: self._finish(self._came))

    def _taken(self, response: http.IncomingMessage) -> None:
        """Read the response to an upload: the number of bytes that the site received."""
        body: list[bytes] = []
        response.on("data", body.append)
        response.on("end", lambda: self._finish(int(b"".join(body))))

    def _take(self, data: bytes) -> None:
        self._came += len(data)

    def _finish(self, moved: int) -> None:
        if moved != self._size:
            sys.exit(f"{moved} of {self._size} bytes were transferred")
        seconds = time.perf_counter() - self._began
        print(json.dumps({"bytes": moved, "seconds": seconds, "cpu_s": time.process_time()}))


transfer = Transfer(int(sys.argv[2]), int(sys.argv[3]))
getattr(transfer, sys.argv[1])()
