"""A tunnel of another account in the attacked proxy; its transfer must not be affected."""

import hashlib

from support.dialogues import frames_in
from support.hardening.device import connecting, data, hello
from support.hardening.memory_proxy import BYSTANDERS_TOKEN

HOST = "198.51.100.7"
CHANNEL = 2
PIECE = hashlib.sha256(b"a bystander's").digest() * 32


class Bystander:
    """A tunnel with one substream to an echo."""

    def __init__(self, proxy, host=HOST, token=BYSTANDERS_TOKEN):
        usual, proxy.opener.random = proxy.opener.random, AlwaysConnects()
        self._tunnel = proxy.tunnel(host)
        self._tunnel.send(hello(token) + connecting(CHANNEL, 80, "192.0.2.1"))
        proxy.opener.random = usual
        self._tunnel.take()
        self._sent = hashlib.sha256()
        self._got = hashlib.sha256()

    def transfer(self):
        self._sent.update(PIECE)
        self._tunnel.send(data(CHANNEL, PIECE))
        frames, left = frames_in(self._tunnel.take())
        assert not left
        for frame in frames:
            assert frame.is_data
            self._got.update(frame.payload)

    def assert_untouched(self):
        assert self._got.hexdigest() == self._sent.hexdigest()

    def close(self):
        self._tunnel.close()


class AlwaysConnects:
    """A fake Random for FakeOpener: connections succeed at once and do not reset."""

    def randrange(self, _):
        return 7

    def random(self):
        return 1.0
