"""What is done when memory gets scarce."""

import gc
import weakref

import pytest
from twisted.internet.task import Clock

from support.proxy_in_memory import LoggedEvents, Stage
from tessel_proxy.limits import heap, memory
from tessel_proxy.limits.memory import (
    LOOK_S,
    MIB,
    PAUSE_S,
    WORTH_ENDING,
    MemoryWatch,
    resident_bytes,
)


class Tunnel:
    def __init__(self, held_bytes):
        self.held_bytes = held_bytes
        self.ended = False

    def end_for_memory(self):
        self.ended = True


class Watched:
    def __init__(self, *holders, max_mib=100):
        self.clock = Clock()
        self.mib = 1
        self.unused_mib = 0  # freed, and still the process's
        self.given_back = 0  # how often
        self.watch = MemoryWatch(
            self.clock, max_mib, lambda: holders, self.resident, self.give_back
        )
        self.watch.start()

    def resident(self):
        return None if self.mib is None else self.mib * MIB

    def give_back(self):
        self.given_back += 1
        self.mib -= self.unused_mib
        self.unused_mib = 0

    def uses(self, mib, unused_mib=0, looks=1):
        self.mib, self.unused_mib = mib, unused_mib
        for _ in range(looks):
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
    small, large = Tunnel(WORTH_ENDING), Tunnel(WORTH_ENDING + 1)
    Watched(small, large).uses(100)
    assert (small.ended, large.ended) == (False, True)


@pytest.mark.parametrize("holders", [[], [Tunnel(0)], [Tunnel(WORTH_ENDING - 1)]])
def test_who_holds_next_to_nothing_stays(holders):
    Watched(*holders).uses(100, looks=100)
    assert not any(each.ended for each in holders)


class Greedy(Tunnel):
    """Holds nothing any more once it has ended."""

    def __init__(self):
        super().__init__(WORTH_ENDING)

    def end_for_memory(self):
        super().end_for_memory()
        self.held_bytes = 0


def many():
    return [Greedy() for _ in range(5)]


def test_after_an_ending_it_is_seen_whether_that_helped():
    holders = many()
    watched = Watched(*holders)
    watched.uses(100, looks=int(PAUSE_S / LOOK_S))
    assert sum(each.ended for each in holders) == 1
    watched.uses(100)
    assert sum(each.ended for each in holders) == 2


def test_while_it_grows_all_the_same_nothing_is_waited_for():
    holders = many()
    watched = Watched(*holders)
    for mib in (100, 102, 103, 104):
        watched.uses(mib)
    assert sum(each.ended for each in holders) == 3


def test_what_is_free_is_given_back_before_anybody_pays_for_it():
    tunnel = Tunnel(WORTH_ENDING)
    watched = Watched(tunnel)
    watched.uses(110, unused_mib=60)
    assert not tunnel.ended
    assert not watched.watch.is_full


def test_it_is_not_given_back_at_each_look():
    watched = Watched()
    watched.uses(89, looks=5)
    assert watched.given_back == 0
    watched.uses(95, looks=int(PAUSE_S / LOOK_S))
    assert watched.given_back == 1


def test_what_is_freed_and_in_circles_is_given_back_to_the_system(monkeypatch):
    class Circle:
        pass

    circle = Circle()
    circle.itself = circle
    gone, asked = weakref.ref(circle), []
    monkeypatch.setattr(heap, "_malloc_trim", lambda: asked.append)
    gc.disable()
    try:
        del circle
        heap.give_back()
    finally:
        gc.enable()
    assert gone() is None
    assert asked == [0]


def test_a_libc_that_gives_nothing_back_is_not_asked(monkeypatch):
    class Musl:
        pass

    monkeypatch.setattr(heap, "CDLL", lambda _name: Musl())
    assert heap._malloc_trim() is None
    heap.give_back()


def test_modules_are_left_out_of_collections():
    gc.collect()
    before = gc.get_freeze_count()
    _module = [{}]
    heap.leave_out_modules()
    assert gc.get_freeze_count() > before


def test_an_interpreter_without_that_call_runs_all_the_same(monkeypatch):
    monkeypatch.delattr(gc, "freeze")  # as on PyPy
    heap.leave_out_modules()


def test_this_libc_takes_the_call():
    heap.give_back()


def test_a_system_that_does_not_tell_changes_nothing():
    watched = Watched()
    watched.uses(None)
    assert not watched.watch.is_full


def test_without_a_limit_nothing_is_looked_at():
    watched = Watched(max_mib=0)
    watched.watch.stop()
    assert not watched.clock.getDelayedCalls()


def test_this_process_takes_some(monkeypatch, tmp_path):
    assert resident_bytes() > MIB
    monkeypatch.setattr(memory, "_STATM", tmp_path / "none")
    assert resident_bytes() is None


def test_a_tunnel_ended_for_memory_is_cut_and_says_why():
    stage = Stage()
    stage.authenticate()
    stage.relay()
    assert stage.session.held_bytes == 0
    with LoggedEvents() as logged:
        stage.session.end_for_memory()
        stage.session.end_for_memory()
        stage.pump()
    (closed,) = logged.named("tunnel_closed")
    assert (closed["outcome"], closed["error"]) == ("ended_for_memory", "TP2020")
