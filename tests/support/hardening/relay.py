"""A relay between two ends that can be slow, or stop forwarding without closing."""

import select
import socket
import threading
from contextlib import suppress

LOOK_SECONDS = 0.05


class Relay:
    """Forwards bytes in both directions until `be_silent` is called; then it stops reading.

    All bytes are late by `delay_s`.
    """

    delay_s = 0.0

    def __init__(self, port):
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._silent, self._closing = threading.Event(), threading.Event()
        self._sockets = [self._listener]
        self._threads = []
        self.port = self._listener.getsockname()[1]
        self._start(self._accept)

    def _start(self, work, *args):
        thread = threading.Thread(target=work, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self):
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self._to))
            self._sockets += [near, far]
            self._start(self._carry, near, far)
            self._start(self._carry, far, near)

    def _carry(self, source, sink):
        while not self._silent.is_set() and not self._closing.is_set():
            try:
                if select.select([source], [], [], LOOK_SECONDS)[0]:
                    data = source.recv(65_536)
                    if not data:
                        return
                    self._closing.wait(self.delay_s)
                    sink.sendall(data)
            except OSError:
                return

    def be_silent(self):
        self._silent.set()

    def close(self):
        self._closing.set()
        for each in self._sockets:
            with suppress(OSError):  # the other end is closed
                each.shutdown(socket.SHUT_RDWR)  # wakes a thread that is blocked in it
        for thread in self._threads:
            thread.join(10)
        for each in self._sockets:
            each.close()
