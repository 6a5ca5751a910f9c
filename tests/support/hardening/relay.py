"""A relay between two ends that can be slow, or stop forwarding without closing."""

import select
import threading

from support.tcp_relay import TcpRelay

LOOK_SECONDS = 0.05


class Relay(TcpRelay):
    """Forwards bytes in both directions until `be_silent` is called; then it stops reading.

    All bytes are late by `delay_s`.
    """

    delay_s = 0.0

    def __init__(self, port):
        self._silent, self._closing = threading.Event(), threading.Event()
        super().__init__(port)

    def carry(self, source, sink):
        while not self._silent.is_set() and not self._closing.is_set():
            if select.select([source], [], [], LOOK_SECONDS)[0]:
                data = source.recv(65_536)
                if not data:
                    return
                self._closing.wait(self.delay_s)
                sink.sendall(data)

    def be_silent(self):
        self._silent.set()

    def close(self):
        self._closing.set()
        super().close()
