"""Streams of events whose processes answer late, or not at all."""

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from tessel_proxy.monitoring.api.desk import Desk
from tessel_proxy.monitoring.api.events import MAX_UNSENT_BYTES, EventStreams
from tessel_proxy.operations.process import Parts

NOTHING = {
    "tunnels": {"opened": [], "changed": [], "closed": []},
    "substreams": {},
    "refusals": [],
    "totals": {"tunnels": 1, "opens": 0},
}


class Workers:
    """Processes that answer when the test says so."""

    def __init__(self):
        self.asked, self.arguments = [], []

    def ask(self, method, arguments):
        self.arguments.append(arguments)
        self.asked.append(Deferred())
        return self.asked[-1]


class Request:
    """The request of one watcher."""

    def __init__(self):
        self.written = []
        self.finished = Deferred()
        self.channel = self.site = self.transport = self
        self.is_cut = self.is_kept = False

    def registerProducer(self, producer, streaming):
        self.producer = producer

    def setHeader(self, name, value):
        pass

    def notifyFinish(self):
        return self.finished

    def streams(self, channel):
        self.is_kept = channel is self

    def write(self, data):
        self.written.append(data)

    def abortConnection(self):
        self.is_cut = True

    def leave(self):
        self.finished.callback(None)


class Host:
    def __init__(self):
        self.workers, self.clock = Workers(), Clock()
        desk = Desk(
            answers=self.workers,
            publish=None,
            refusals=None,
            read_usage=None,
            wall_time=lambda: 0.0,
            engine=None,
            upgrade=None,
            let_others_run=None,
        )
        self.events = EventStreams(desk, self.clock)

    def watch(self, *topics):
        request = Request()
        self.events.open(request, topics or ["totals"], lambda: True)
        return request

    def answer(self, **members):
        missing = [name for name, answer in members.items() if answer is None]
        found = {name: answer for name, answer in members.items() if answer is not None}
        self.workers.asked[-1].callback(Parts(found, missing))


@pytest.fixture
def host():
    return Host()


def test_a_watcher_that_comes_back_during_a_look_starts_no_second_series_of_looks(host):
    host.watch().leave()
    host.watch()
    for _ in range(3):
        for each in host.workers.asked:
            if not each.called:
                each.callback(Parts({"a": NOTHING}))
        host.clock.advance(1.0)
    assert len(host.workers.asked) == 4


def test_without_a_watcher_nobody_looks(host):
    host.watch().leave()
    host.answer(a=NOTHING)
    host.clock.pump([1.0] * 10)
    assert len(host.workers.asked) == 1
    assert host.clock.getDelayedCalls() == []


def test_a_watcher_that_takes_nothing_is_cut_at_the_limit_and_others_are_not(host):
    slow, other = host.watch("totals"), host.watch("totals")
    slow.producer.pauseProducing()
    looks = 0
    while not slow.is_cut:
        host.answer(a={**NOTHING, "totals": {"x" * 100_000: 1}})
        host.clock.advance(1.0)
        looks += 1
    assert looks == MAX_UNSENT_BYTES // 100_000 + 1
    assert not other.is_cut
    assert len(slow.written) == 1  # the comment at the beginning


@pytest.mark.parametrize("then", [{"a": NOTHING}, {"a": NOTHING, "b": None}])
def test_watchers_take_a_new_snapshot_when_a_process_has_not_answered(host, then):
    page, totals = host.watch("tunnels"), host.watch("totals")
    host.answer(a=NOTHING, b=NOTHING)
    host.clock.advance(1.0)
    host.answer(**then)
    host.clock.advance(1.0)
    host.answer(a=NOTHING, b=NOTHING)
    assert (page.is_cut, totals.is_cut) == (True, False)


def test_a_process_that_answers_for_the_first_time_cuts_nobody_and_reports_all(host):
    page = host.watch("tunnels")
    host.answer(a=NOTHING)
    host.clock.advance(1.0)
    host.answer(a=NOTHING, b=NOTHING)
    assert not page.is_cut
    assert [question["has_snapshot"] for question in host.workers.arguments] == [False, True]


def test_a_process_that_is_back_after_a_look_without_it_cuts_the_watchers_of_tunnels(host):
    host.watch("totals")
    host.answer(a=NOTHING, b=NOTHING)
    host.clock.advance(1.0)
    host.answer(a=NOTHING)
    page = host.watch("tunnels")
    host.clock.advance(1.0)
    host.answer(a=NOTHING, b=NOTHING)
    assert page.is_cut
