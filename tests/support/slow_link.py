"""A slow link with small buffers, which can also stop forwarding."""

import socket
import threading
import time
from contextlib import suppress

BUFFER_BYTES = 4096  # of each of its sockets; the system doubles it
PACKETS_PER_S = 20


class SlowLink:
    """A context manager that relays connections from `port` to another port, slowly."""

    def __init__(self, to_port, bytes_per_s):
        self._to_port = to_port
        self._bytes_per_s = bytes_per_s
        self._passes = threading.Event()
        self._passes.set()
        self._over = False
        self._listener = socket.socket()
        self._bounded(self._listener)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen()
        self.port = self._listener.getsockname()[1]
        self._sockets = [self._listener]
        self._threads = []

    def __enter__(self):
        self._spawn(self._accept)
        return self

    def __exit__(self, *_):
        self._over = True
        self._passes.set()
        for each in self._sockets:
            # what is blocked in it wakes up
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for each in self._sockets:
            each.close()

    def die(self):
        """Stop forwarding in both directions, without closing."""
        self._passes.clear()

    @staticmethod
    def _bounded(made):
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
        return made

    def _spawn(self, call, *args):
        thread = threading.Thread(target=call, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self):
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = self._bounded(socket.socket())
            far.connect(("127.0.0.1", self._to_port))
            self._sockets += [near, far]
            self._spawn(self._pass, near, far)
            self._spawn(self._pass, far, near)

    def _pass(self, source, sink):
        packet = max(1, self._bytes_per_s // PACKETS_PER_S)
        with suppress(OSError):
            while data := source.recv(packet):
                time.sleep(len(data) / self._bytes_per_s)
                self._passes.wait()
                if self._over:
                    return
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
