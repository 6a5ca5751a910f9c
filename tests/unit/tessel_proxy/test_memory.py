"""What is done when memory gets scarce."""

import pytest
from twisted.internet.task import Clock

from tessel_proxy import memory
from tessel_proxy.memory import LOOK_S, MIB, MemoryWatch, resident_octets
from unit.tessel_proxy.stage import LoggedEvents, Stage


class Tunnel:
    def __init__(self, held_octets):
        self.held_octets = held_octets
        self.ended = False

    def end_for_memory(self):
        self.ended = True


class Watched:
    def __init__(self, *holders, max_mib=100):
        self.clock = Clock()
        self.mib = 1
        self.watch = MemoryWatch(self.clock, max_mib, lambda: holders, self.resident)
        self.watch.start()

    def resident(self):
        return None if self.mib is None else self.mib * MIB

    def uses(self, mib):
        self.mib = mib
        self.clock.advance(LOOK_S)


def test_when_it_is_nearly_full_nobody_is_let_in_and_nobody_ended():
    tunnel = Tunnel(5)
    watched = Watched(tunnel)
    with LoggedEvents() as logged:
        watched.uses(95)
        watched.uses(96)
    assert watched.watch.is_full
    assert not tunnel.ended
    assert len(logged.named("memory_full")) == 1
    watched.uses(50)
    assert not watched.watch.is_full
    watched.watch.stop()


def test_when_it_is_full_who_holds_most_goes():
    small, large = Tunnel(5), Tunnel(6)
    Watched(small, large).uses(100)
    assert (small.ended, large.ended) == (False, True)


@pytest.mark.parametrize("holders", [[], [Tunnel(0)]])
def test_who_holds_nothing_stays(holders):
    Watched(*holders).uses(100)
    assert not any(each.ended for each in holders)


def test_a_system_that_does_not_tell_changes_nothing():
    watched = Watched()
    watched.uses(None)
    assert not watched.watch.is_full


def test_without_a_limit_nothing_is_looked_at():
    watched = Watched(max_mib=0)
    watched.watch.stop()
    assert not watched.clock.getDelayedCalls()


def test_this_process_takes_some(monkeypatch, tmp_path):
    assert resident_octets() > MIB
    monkeypatch.setattr(memory, "_STATM", tmp_path / "none")
    assert resident_octets() is None


def test_a_tunnel_ended_for_memory_is_cut_and_says_why():
    stage = Stage()
    stage.authenticate()
    stage.relay()
    assert stage.session.held_octets == 0
    with LoggedEvents() as logged:
        stage.session.end_for_memory()
        stage.session.end_for_memory()
        stage.pump()
    (closed,) = logged.named("tunnel_closed")
    assert (closed["outcome"], closed["error"]) == ("ended_for_memory", "TP2020")
