"""A slow link with small buffers, which can also stop forwarding."""

import socket
import threading
import time

from support.tcp_relay import TcpRelay

BUFFER_BYTES = 4096  # of each of its sockets; the system doubles it
PACKETS_PER_S = 20


class SlowLink(TcpRelay):
    """A context manager that relays connections from `port` to another port, slowly."""

    def __init__(self, to_port, bytes_per_s):
        self._bytes_per_s = bytes_per_s
        self._passes = threading.Event()
        self._passes.set()
        self._over = False
        super().__init__(to_port)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._over = True
        self._passes.set()
        self.close()

    def die(self):
        """Stop forwarding in both directions, without closing."""
        self._passes.clear()

    def bounded(self, made):
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
        return made

    def carry(self, source, sink):
        packet = max(1, self._bytes_per_s // PACKETS_PER_S)
        while data := source.recv(packet):
            time.sleep(len(data) / self._bytes_per_s)
            self._passes.wait()
            if self._over:
                return
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
