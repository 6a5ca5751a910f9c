"""95,000 spoiled dialogues through one proxy in memory: it stays what it was, others go on."""

import gc
import hashlib
import os

from support.dialogues import Frame, frames_in
from support.hardening.growth import Held
from support.hardening.memory_proxy import MemoryProxy
from support.hardening.mutations import Mutations

INPUTS = 95_000
WARM_UP = 2_000  # caches, pools and the interpreter's own tables have filled by then
MEMORY_TOLERANCE_OCTETS = 8 * 1024 * 1024  # 84 octets for each input: less than any object left
OBJECTS_TOLERANCE = 500  # an object left by one input in two hundred
LOOK_EVERY = 500

PIECE = hashlib.sha256(b"a bystander's").digest() * 32
TOKEN = Frame(True, 0, False, b'{"type":"message","object":{"token":"DEV-CRED"}}')
OPEN = Frame(True, 0, False, b'{"type":"stream","sock":2,"name":"net"}')
CONNECT = Frame(True, 2, False, b'{"event":"custom","emitArgs":["_pls_connect",80,"192.0.2.1"]}')


class Bystander:
    """A tunnel in the same house with one substream to an echo, which is to go on untouched."""

    def __init__(self, proxy):
        chance, proxy.opener.random = proxy.opener.random, AlwaysStands()
        self._tunnel = proxy.tunnel()
        self._tunnel.send(TOKEN.wire + OPEN.wire + CONNECT.wire)
        proxy.opener.random = chance
        self._tunnel.take()
        self._sent = hashlib.sha256()
        self._got = hashlib.sha256()

    def transfer(self):
        self._sent.update(PIECE)
        self._tunnel.send(Frame(True, 2, True, PIECE).wire)
        frames, left = frames_in(self._tunnel.take())
        assert not left
        for frame in frames:
            assert frame.is_data
            self._got.update(frame.payload)

    def assert_untouched(self):
        assert self._got.hexdigest() == self._sent.hexdigest()

    def close(self):
        self._tunnel.close()


class AlwaysStands:
    def randrange(self, _):
        return 7


def feed(proxy, mutations, number):
    tunnel = proxy.tunnel()
    for piece in mutations.pieces(number):
        tunnel.send(piece)
    _, left = frames_in(tunnel.take())
    assert not left, "half a frame was sent"
    tunnel.close()


def test_spoiled_dialogues_leave_the_proxy_and_its_other_tunnels_as_they_were(seed):
    mutations = Mutations(seed)
    proxy = MemoryProxy(seed)
    bystander = Bystander(proxy)
    for number in range(INPUTS):
        try:
            feed(proxy, mutations, number)
        except Exception as fault:
            raise AssertionError(mutations.name(number)) from fault
        if number % LOOK_EVERY == 0:
            proxy.clock.advance(0.01)
            bystander.transfer()
            assert len(proxy.house.census.all) == 1, mutations.name(number)
        if number == WARM_UP:
            objects, before = count_objects(), Held.by(os.getpid())
    bystander.assert_untouched()
    proxy.turns()
    assert count_objects() - objects < OBJECTS_TOLERANCE
    assert Held.by(os.getpid()).memory - before.memory < MEMORY_TOLERANCE_OCTETS
    assert Held.by(os.getpid()).descriptors == before.descriptors
    assert proxy.opener.opened > INPUTS // 10, "the inputs got nowhere near a target"
    bystander.close()
    proxy.pass_all_time()
    assert proxy.is_as_at_first


def count_objects():
    gc.collect()
    return len(gc.get_objects())
