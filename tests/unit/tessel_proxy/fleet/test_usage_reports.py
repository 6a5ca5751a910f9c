"""A worker's reports of usage, and what the first process of the host does with them."""

import json

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock

from tessel_proxy.fleet.engine import EngineError
from tessel_proxy.fleet.host_keeping import HostKeeping
from tessel_proxy.fleet.local import LocalEngine
from tessel_proxy.fleet.usage_reports import UsageReports
from tessel_proxy.fleet.wire import answer
from tessel_proxy.operations import Usage, UsageError, UsageQuestion
from tessel_proxy.operations.usage_keeping import FLUSH_S

ONE = Usage(opens=1)


class Scene:
    def __init__(self):
        self.clock = Clock()
        self.used = {}
        self.sent = []
        self.fault = None
        self.reports = UsageReports(self.take, self.report, self.clock)
        self.reports.start()

    def take(self):
        taken, self.used = self.used, {}
        return taken

    async def report(self, number, more):
        self.sent.append((number, more))
        if self.fault:
            raise self.fault


@pytest.fixture
def scene():
    return Scene()


def test_usage_is_reported_every_few_seconds_if_there_is_any(scene):
    scene.used = {"kim": ONE}
    scene.clock.advance(FLUSH_S)
    scene.clock.advance(FLUSH_S)
    assert scene.sent == [(1, {"kim": ONE})]


def test_a_report_without_an_answer_is_sent_again_as_it_was(scene):
    scene.used = {"kim": ONE}
    scene.fault = EngineError("busy")
    scene.clock.advance(FLUSH_S)
    scene.fault = None
    scene.used = {"alex": ONE}
    scene.clock.advance(FLUSH_S)
    scene.clock.advance(FLUSH_S)
    first = (1, {"kim": ONE})
    assert scene.sent == [first, first, (2, {"alex": ONE})]


def test_the_last_usage_is_reported_at_the_stop(scene):
    scene.fault = EngineError("busy")
    scene.used = {"kim": ONE}
    scene.clock.advance(FLUSH_S)
    scene.fault = None
    scene.used = {"alex": ONE}
    Deferred.fromCoroutine(scene.reports.stop())
    assert scene.sent[1:] == [(1, {"kim": ONE}), (2, {"alex": ONE})]
    assert not scene.clock.getDelayedCalls()


class Keeping:
    def __init__(self):
        self.said = []

    def reported(self, *report):
        self.said.append(report)

    def forget(self, member):
        self.said.append(member)


def test_a_report_arrives_with_the_name_of_its_member():
    engine, keeping = LocalEngine(MemoryReactorClock()), Keeping()
    engine.kept = HostKeeping(None, keeping)
    values = json.loads(json.dumps([1, {"kim": [1, 2, 3, 4, 5]}]))
    Deferred.fromCoroutine(answer(engine, "worker", "reported", values))
    engine.kept.forget("worker")
    assert keeping.said == [("worker", 1, {"kim": Usage(1, 2, 3, 4, 5)}), "worker"]


def test_usage_that_is_not_kept_says_how_to_keep_it():
    keeping = HostKeeping(None, None)
    keeping.reported("worker", 1, {"kim": ONE})
    keeping.forget("worker")
    asked = Deferred.fromCoroutine(keeping.read_usage(UsageQuestion(first="", last="")))
    assert "set USAGE_FILE, or FLEET_URL" in str(asked.result.value)
    asked.addErrback(lambda failure: failure.trap(UsageError))
