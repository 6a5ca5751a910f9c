"""One look tells a bounded number of changes; nothing is lost, and nobody watches without end."""

from types import SimpleNamespace

import pytest
from twisted.internet.task import Clock

from tessel_proxy.operations.happenings import Happenings
from tessel_proxy.operations.inventory import Sample
from tessel_proxy.operations.watching import FORGET_S, MAX_WATCHERS, Watching


class Record:
    account = "shop"

    def __init__(self, tunnel):
        self.tunnel = tunnel


class Records:
    """The tunnels of a process as an Inventory shows them; `move` lets each move some bytes."""

    def __init__(self):
        self.clock = Clock()
        self.happenings = Happenings(None)
        self.process = SimpleNamespace(prefix="3fa95c1e")
        self.records = SimpleNamespace(substreams=[])
        self.tunnels = SimpleNamespace(all=[])
        self._samples = {}

    def open(self, count):
        for _ in range(count):
            record = Record(len(self.tunnels.all))
            self.tunnels.all.append(SimpleNamespace(record=record, stage="open"))
            self._samples[record] = Sample()

    def move(self, *numbers):
        for each in numbers:
            record = self.tunnels.all[each].record
            self._samples[record] = Sample(bytes_from_device=1 + each)

    def sampled(self):
        return {each.record: self._samples[each.record] for each in self.tunnels.all}

    def rows(self, tunnels):
        return [each.record.tunnel for each in tunnels]

    def id_of(self, record):
        return record.tunnel


@pytest.fixture
def records():
    return Records()


def looking(records, **more):
    watching = Watching(records)
    look = lambda **other: watching.look("w", [], **(more | other))["tunnels"]  # noqa: E731
    look()
    return look


def test_new_tunnels_that_do_not_fit_are_told_by_the_next_looks(records):
    look = looking(records, most=4)
    records.open(10)
    told = [look()["opened"] for _ in range(4)]
    assert [len(each) for each in told] == [4, 4, 2, 0]
    assert sorted(each for rows in told for each in rows) == list(range(10))


def test_counts_that_do_not_fit_are_told_by_the_next_looks_and_wait_their_turn(records):
    records.open(10)
    look = looking(records, most=4)
    records.move(*range(10))
    first = [row[0] for row in look()["changed"]]
    records.move(*first)  # they change again, and come after those that wait
    told = [row[:2] for _ in range(3) for row in look()["changed"]]
    assert sorted(number for number, _ in told[:6]) == sorted(set(range(10)) - set(first))
    assert all(nbytes == 1 + number for number, nbytes in told)
    assert look()["changed"] == []


def test_who_begins_to_watch_tunnels_is_told_what_came_since_the_last_look(records):
    look = looking(records, topics=["totals"])
    records.open(2)
    assert look()["opened"] == []
    records.open(1)
    assert look(topics=["tunnels", "totals"])["opened"] == [2]


def test_a_process_that_came_after_the_watcher_tells_all_its_tunnels(records):
    records.open(2)
    watching = Watching(records)
    assert watching.look("w", [], has_snapshot=True)["tunnels"]["opened"] == [0, 1]
    assert watching.look("w", [], has_snapshot=True)["tunnels"]["opened"] == []


def test_there_is_no_end_of_watchers_but_a_limit(records):
    watching = Watching(records)
    for number in range(MAX_WATCHERS):
        assert watching.look(f"w{number}", []) is not None
    assert watching.look("one more", []) is None
    records.clock.advance(FORGET_S)
    assert watching.look("one more", []) is not None
