"""The part of the process limits that a worker has."""

import pytest

from tessel_proxy.fleet.division import LOOKED_S, TunnelRoom, divided, memory_hint
from tessel_proxy.startup.config import Config


def test_limits_of_the_process_are_divided_and_rounded_up():
    part = divided(Config(max_unauthenticated=256, max_handshakes=100, memory_max_mib=1000), 3)
    assert (part.max_unauthenticated, part.max_handshakes, part.memory_max_mib) == (86, 34, 334)


def test_no_limit_of_memory_stays_none():
    assert divided(Config(memory_max_mib=0), 4).memory_max_mib == 0


def test_limits_of_accounts_and_of_a_tunnel_are_not_divided():
    whole = Config()
    part = divided(whole, 4)
    names = (
        "max_tunnels",
        "max_tunnels_per_account",
        "max_substreams",
        "max_substreams_per_account",
        "opens_per_s",
        "bytes_per_s",
        "bytes_per_day",
    )
    assert [getattr(part, name) for name in names] == [getattr(whole, name) for name in names]


@pytest.mark.parametrize(
    ("mib", "workers", "is_hinted"),
    [(100, 1, False), (0, 8, False), (192, 2, False), (190, 2, True)],
)
def test_a_hint_says_if_each_worker_has_too_little_memory(mib, workers, is_hinted):
    assert bool(memory_hint(Config(memory_max_mib=mib), workers)) is is_hinted


class Looked:
    """The last look of a supervisor, and a clock."""

    def __init__(self, elsewhere, at, now):
        self.look = (elsewhere, at)
        self.now = now

    def room(self, max_tunnels, workers):
        return TunnelRoom(max_tunnels, workers, lambda: self.look, lambda: self.now)()


def test_a_worker_may_have_what_the_others_leave_of_max_tunnels():
    assert Looked(elsewhere=70, at=10.0, now=11.0).room(100, 2) == 30
    assert Looked(elsewhere=0, at=10.0, now=11.0).room(100, 2) == 100


def test_it_may_have_none_if_the_others_have_more_than_that():
    assert Looked(elsewhere=120, at=10.0, now=11.0).room(100, 2) == 0


@pytest.mark.parametrize("at", [None, 10.0])
def test_without_a_recent_look_it_may_have_an_even_part(at):
    assert Looked(elsewhere=0, at=at, now=10.1 + LOOKED_S).room(101, 2) == 51
