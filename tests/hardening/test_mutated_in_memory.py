"""80,000 mutated dialogues through one proxy in memory affect neither it nor other tunnels."""

import os

import pytest

from support.hardening.growth import Held, count_objects
from support.hardening.memory_bystander import Bystander
from support.hardening.memory_proxy import NO_LIMITS, MemoryProxy
from support.hardening.mutations import Mutations

INPUTS = 80_000
WARM_UP = 2_000  # caches, pools and the interpreter's own tables have filled by then
MEMORY_TOLERANCE_BYTES = 8 * 1024 * 1024  # 105 bytes for each input: less than any object left
OBJECTS_TOLERANCE = 400  # an object left by one input in two hundred
LOOK_EVERY = 500


@pytest.mark.timeout(400)  # so much to do takes long where others work as well
def test_mutated_dialogues_affect_neither_the_proxy_nor_other_tunnels(seed):
    mutations = Mutations(seed)
    proxy = MemoryProxy(seed, **NO_LIMITS)
    bystander = Bystander(proxy)
    for number in range(INPUTS):
        try:
            proxy.be_visited(mutations.pieces(number))
        except Exception as fault:
            raise AssertionError(mutations.name(number)) from fault
        if number % LOOK_EVERY == 0:
            proxy.clock.advance(0.01)
            bystander.transfer()
            assert len(proxy.shared.tunnels.all) == 1, mutations.name(number)
        if number == WARM_UP:
            objects, before = count_objects(), Held.by(os.getpid())
    bystander.assert_untouched()
    proxy.turns()
    assert count_objects() - objects < OBJECTS_TOLERANCE
    assert Held.by(os.getpid()).memory - before.memory < MEMORY_TOLERANCE_BYTES
    assert Held.by(os.getpid()).descriptors == before.descriptors
    assert proxy.opener.opened > INPUTS // 10, "the inputs got nowhere near a target"
    bystander.close()
    proxy.pass_all_time()
    assert proxy.is_as_at_first
