"""15,000 mutated dialogues with strict limits: only the peers that send them are limited.

Rates, penalties, quotas and lingering targets keep data about closed connections for a time. The
tests therefore let time pass, and count the objects that are left afterwards.
"""

import os
from collections import Counter
from enum import Enum

import pytest

from support.hardening.device import hello
from support.hardening.growth import Held, count_objects
from support.hardening.memory_bystander import Bystander
from support.hardening.memory_proxy import ATTACKERS_TOKEN, MemoryProxy
from support.hardening.mutations import Mutations
from tessel_proxy.limits.quota import DAY_S
from tessel_proxy.records.accounting import NoWitness
from tessel_proxy.records.ends import Outcome, Refusal

WARM_UP = 1_500
MEMORY_TOLERANCE_BYTES = 8 * 1024 * 1024
OBJECTS_TOLERANCE = 400
LOOK_EVERY = 250
GUESS_EVERY = 3
ATTACKERS = [f"203.0.113.{number}" for number in range(4)] + ["2001:db8::1"]

pytestmark = pytest.mark.timeout(400)  # so much to do takes long where others work as well


class Counting(NoWitness):
    """Records the answers that the attackers get."""

    def __init__(self):
        self.seen: Counter[Enum] = Counter()

    def substream_closed(self, record, outcome):
        self.seen[outcome] += 1

    def refused(self, why, peer, record=None):
        self.seen[why] += 1


class Run:
    """Mutated dialogues besides a bystander, with so many seconds for each."""

    def __init__(self, seed, seconds_each, **config):
        self._mutations = Mutations(f"{seed}, within limits")
        self._seconds_each = seconds_each
        self.witness = Counting()
        self.proxy = MemoryProxy(seed, witness=self.witness, **config)
        self._bystander = Bystander(self.proxy)
        self.lingered = False  # a target whose tunnel had gone

    def feed(self, numbers):
        for number in numbers:
            host = ATTACKERS[number % len(ATTACKERS)]
            try:
                self.proxy.be_visited(self._said(number), host)
                self.proxy.pass_time(self._seconds_each)
            except Exception as fault:
                raise AssertionError(self._mutations.name(number)) from fault
            if number % LOOK_EVERY == 0:
                self._look(number)

    def _said(self, number):
        """Return the input of an attacker; some send wrong tokens first."""
        guesses = [hello(f"guess {number}")] if number % GUESS_EVERY == 0 else []
        return guesses + self._mutations.pieces(number)

    def _look(self, number):
        self._bystander.transfer()
        self._bystander.assert_untouched()
        assert len(self.proxy.shared.tunnels.all) == 1, self._mutations.name(number)
        self.lingered |= len(self.proxy.opener.sockets) > 1

    def settled(self):
        """Return what is held when only the bystander is left."""
        self.proxy.pass_all_time()
        assert self.proxy.shared.limits.substreams == len(self.proxy.opener.sockets) == 1
        return count_objects(), Held.by(os.getpid())

    def end(self):
        self._bystander.close()
        self.proxy.pass_all_time()
        assert self.proxy.is_as_at_first


def leaves_nothing(run, inputs):
    run.feed(range(WARM_UP))
    objects, before = run.settled()
    run.feed(range(WARM_UP, inputs))
    objects_then, after = run.settled()
    assert objects_then - objects < OBJECTS_TOLERANCE
    assert after.memory - before.memory < MEMORY_TOLERANCE_BYTES
    assert after.descriptors == before.descriptors


def test_with_default_limits_mutated_dialogues_affect_only_themselves(seed):
    run = Run(seed, 0.0005)
    leaves_nothing(run, 8_000)
    for met in (
        *(Refusal.WRONG_TOKEN, Refusal.TOKEN_PENALTY, Refusal.SOURCE_PENALTY),
        *(Outcome.OPENS_TOO_FAST, Outcome.ENDED),
    ):
        assert run.witness.seen[met], (met, run.witness.seen)
    # a valid token is accepted, also from the attackers' addresses
    for host in ATTACKERS:
        late = Bystander(run.proxy, host, ATTACKERS_TOKEN)
        late.transfer()
        late.assert_untouched()
        late.close()
    run.end()


def test_with_a_rate_and_lingering_targets_nothing_is_kept_for_ever(seed):
    run = Run(seed, 0.01, some_are_deaf=True, bytes_per_s=2_000)
    leaves_nothing(run, 3_500)
    assert run.proxy.most_waiting
    assert run.lingered
    run.end()


def test_a_quota_is_used_up_only_for_its_own_account(seed):
    run = Run(seed, DAY_S / 1000, bytes_per_day=20_000)
    leaves_nothing(run, 3_500)
    assert run.witness.seen[Outcome.QUOTA_SPENT], run.witness.seen
    run.end()
