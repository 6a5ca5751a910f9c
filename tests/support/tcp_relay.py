"""A relay between two TCP ends, whose subclasses decide how bytes are carried."""

import socket
import threading
from contextlib import suppress


class TcpRelay:
    """Accepts connections at `port`, and carries the bytes of each to another port and back."""

    def __init__(self, to_port):
        self._to_port = to_port
        self._listener = self.bounded(socket.socket())
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen()
        self.port = self._listener.getsockname()[1]
        self._sockets = [self._listener]
        self._threads = []
        self._spawn(self._accept)

    def bounded(self, made):
        """Return a socket that was made, before it is bound or connected."""
        return made

    def carry(self, source, sink):
        """Carry the bytes of one direction, in a thread of its own. May raise OSError."""
        raise NotImplementedError

    def close(self):
        for each in self._sockets:
            with suppress(OSError):  # the other end is closed
                each.shutdown(socket.SHUT_RDWR)  # wakes a thread that is blocked in it
        for thread in self._threads:
            thread.join(10)
        for each in self._sockets:
            each.close()

    def _spawn(self, work, *args):
        thread = threading.Thread(target=work, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self):
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = self.bounded(socket.socket())
            far.connect(("127.0.0.1", self._to_port))
            self._sockets += [near, far]
            self._spawn(self._carry, near, far)
            self._spawn(self._carry, far, near)

    def _carry(self, source, sink):
        with suppress(OSError):
            self.carry(source, sink)
