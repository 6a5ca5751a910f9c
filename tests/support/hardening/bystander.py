"""A device that transfers bytes during an attack, and checks that it is not affected."""

import hashlib
import threading
import time

from support.hardening.device import Device, connecting, data, end

PIECE_BYTES = 16_384
PAUSE_SECONDS = 0.01
CHANNEL = 2


class Bystander:
    """A transfer to an echo and back, in a thread, during the `with` block."""

    def __init__(self, port, context, token, echo_port, longest_wait=5.0):
        self._device = Device(port, context)
        self._longest_wait = longest_wait
        assert self._device.authenticate(token) == {"authed": True}
        self._device.send(connecting(CHANNEL, echo_port))
        self._stopping = threading.Event()
        self._sent, self._got = hashlib.sha256(), hashlib.sha256()
        self._fault = None
        self.nbytes = 0
        self.waited = 0.0
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, kind, *_):
        self._stopping.set()
        self._thread.join(60)
        self._device.socket.close()
        if kind is None:
            self._assert_untouched()

    def _assert_untouched(self):
        assert self._fault is None, f"the bystander was hit: {self._fault!r}"
        assert self.nbytes, "the bystander had no time"
        assert self._got.hexdigest() == self._sent.hexdigest()
        assert self.waited < self._longest_wait, f"the bystander had to wait {self.waited:.1f} s"

    def _run(self):
        try:
            while not self._stopping.is_set():
                self._transfer()
                time.sleep(PAUSE_SECONDS)
            self._device.send(end(CHANNEL))
            assert self._device.events(CHANNEL)[-2:] == ["end", "close"]
        except Exception as fault:  # noqa: BLE001 -- raised when the `with` block ends
            self._fault = fault

    def _transfer(self):
        piece = hashlib.sha256(b"%d" % self.nbytes).digest() * (PIECE_BYTES // 32)
        began = time.monotonic()
        self._device.send(data(CHANNEL, piece))
        self._sent.update(piece)
        self._got.update(self._device.read_bytes(CHANNEL, len(piece)))
        self.nbytes += len(piece)
        self.waited = max(self.waited, time.monotonic() - began)
