"""The client of bench/javascript.py in Python; javascript_program.js does the same.

usage: tessel run bench/javascript_program.py D|U|E|O PORT COUNT

D, U: transfer COUNT bytes. E: echo a byte COUNT times. O: hold COUNT open sockets at once. It
prints the seconds from the start of the transfer, or the median seconds of an echo.
"""

import statistics
import struct
import sys
import time
from collections.abc import Callable

from tessel import net

PIECE = bytes(65_536)
WAY, PORT, COUNT = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])


def connect(connected: Callable[[], None]) -> net.Socket:
    return net.connect({"port": PORT, "host": "127.0.0.1", "no_delay": True}, connected)


def order(letter: str, nbytes: int) -> bytes:
    return struct.pack(">cQ", letter.encode(), nbytes)


class Transfer:
    """A transfer over one socket; native/site.c describes the site's protocol."""

    def __init__(self) -> None:
        self._left = COUNT if WAY == "U" else 0
        self._due = COUNT if WAY == "D" else 1  # one byte answers an upload
        self._socket = connect(self._connected)
        self._socket.on("drain", self._fill)
        self._socket.on("data", self._take)
        self._socket.on("end", self._finish)

    def _connected(self) -> None:
        self._begun = time.perf_counter()
        self._socket.write(order(WAY, COUNT))
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
        print(time.perf_counter() - self._begun)


class Echo:
    """One byte that goes to and fro."""

    def __init__(self) -> None:
        self._times: list[float] = []
        self._socket = connect(self._connected)
        self._socket.on("data", self._take)

    def _connected(self) -> None:
        self._socket.write(order("E", 0))
        self._ask()

    def _ask(self) -> None:
        self._begun = time.perf_counter()
        self._socket.write(b"x")

    def _take(self, data: bytes) -> None:
        del data
        self._times.append(time.perf_counter() - self._begun)
        if len(self._times) < COUNT:
            self._ask()
        else:
            self._socket.end()
            print(statistics.median(self._times))


class Opens:
    """Many sockets that are open at once."""

    def __init__(self) -> None:
        self._begun = time.perf_counter()
        self._answered = 0
        self._sockets = [self._open() for _ in range(COUNT)]

    def _open(self) -> net.Socket:
        def ask() -> None:
            socket.write(order("E", 0) + b"x")

        socket = connect(ask)
        socket.on("data", self._take)
        return socket

    def _take(self, data: bytes) -> None:
        del data
        self._answered += 1
        if self._answered == COUNT:
            print(time.perf_counter() - self._begun)
            for each in self._sockets:
                each.end()


{"D": Transfer, "U": Transfer, "E": Echo, "O": Opens}[WAY]()
