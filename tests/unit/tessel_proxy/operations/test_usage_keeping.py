"""Usage on its way to where it is kept: in batches, again after failures, each once."""

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from support.proxy_in_memory import LoggedEvents
from tessel_proxy.operations import Usage, UsageError, UsageKeeping, UsagePage, UsageQuestion
from tessel_proxy.operations.usage_keeping import FLUSH_S, MAX_WAITING, ROWS_PER_WRITE, day_of

NOW = 1_796_000_000.0  # 2026-11-30
ONE = Usage(opens=1)


class Place:
    """Keeps usage in memory; counts each number once, as an engine does."""

    def __init__(self):
        self.sums, self.calls, self.seen, self.fault = {}, [], 0, None
        self.loses_answers = False
        self.open = False

    def start(self):
        self.open = True

    async def stop(self):
        self.open = False

    async def add(self, number, rows, oldest_day):
        self.calls.append((number, len(rows), oldest_day))
        if self.fault:
            raise self.fault
        if number > self.seen:
            self.seen = number
            for each in rows:
                key = (each.day, each.account)
                self.sums[key] = self.sums.get(key, Usage()) + each.usage
        if self.loses_answers:
            raise UsageError("no answer")

    async def read(self, question):
        return UsagePage(tuple(self.sums))


class Scene:
    def __init__(self):
        self.clock, self.place, self.now = Clock(), Place(), NOW
        self.used = {}
        self.keeping = UsageKeeping(self.place, self.clock, lambda: self.now, self.take)
        self.keeping.start()

    def take(self):
        taken, self.used = self.used, {}
        return taken


@pytest.fixture
def scene():
    scene = Scene()
    yield scene
    Deferred.fromCoroutine(scene.keeping.stop())
    assert not scene.place.open
    assert not scene.clock.getDelayedCalls()


def test_what_was_used_is_written_every_few_seconds(scene):
    scene.used = {"kim": ONE}
    scene.clock.advance(FLUSH_S)
    scene.used = {"kim": Usage(5)}
    scene.clock.advance(FLUSH_S)
    scene.clock.advance(FLUSH_S)
    assert scene.place.sums == {("2026-11-30", "kim"): Usage(5, opens=1)}
    assert len(scene.place.calls) == 2


def test_the_day_is_that_of_utc_and_90_days_are_kept(scene):
    for scene.now in (NOW, NOW + 86_400):
        scene.used = {"kim": ONE}
        scene.clock.advance(FLUSH_S)
    assert [day for day, _ in scene.place.sums] == ["2026-11-30", "2026-12-01"]
    assert scene.place.calls[-1][2] == day_of(NOW + 86_400 - 89 * 86_400)


def test_the_last_usage_is_written_at_the_stop(scene):
    scene.used = {"kim": ONE}
    Deferred.fromCoroutine(scene.keeping.stop())
    assert scene.place.sums == {("2026-11-30", "kim"): ONE}


def test_many_accounts_are_written_in_parts(scene):
    scene.used = {str(n): ONE for n in range(ROWS_PER_WRITE * 2 + 1)}
    scene.clock.advance(FLUSH_S)
    assert [count for _, count, _ in scene.place.calls] == [ROWS_PER_WRITE, ROWS_PER_WRITE, 1]


def test_a_failure_is_logged_once_and_what_waits_is_written_later_and_once(scene):
    scene.place.fault = UsageError("disk full")
    with LoggedEvents() as logged:
        for _ in range(3):
            scene.used = {"kim": ONE}
            scene.clock.advance(FLUSH_S)
        scene.place.fault = None
        scene.clock.advance(FLUSH_S)
    assert scene.place.sums == {("2026-11-30", "kim"): Usage(opens=3)}
    assert scene.keeping.failures == 3
    (line,) = logged.named("usage_not_written")
    assert (line["error"], line["why"]) == ("TP3041", "disk full")
    assert len(logged.named("usage_written")) == 1


def test_a_write_whose_answer_was_lost_counts_once(scene):
    scene.place.loses_answers = True
    scene.used = {"kim": ONE}
    scene.clock.advance(FLUSH_S)
    scene.used = {"kim": ONE}
    scene.place.loses_answers = False
    scene.clock.advance(FLUSH_S)
    assert scene.place.sums == {("2026-11-30", "kim"): Usage(opens=2)}


def test_while_nothing_can_be_written_memory_is_limited(scene):
    scene.place.fault = UsageError("disk full")
    scene.keeping.used({str(n): ONE for n in range(MAX_WAITING + 5)})
    assert len(scene.keeping._waiting) == MAX_WAITING
    scene.keeping.used({"0": ONE})
    assert scene.keeping._waiting["2026-11-30", "0"] == Usage(opens=2)


def test_reports_of_other_processes_count_once_each(scene):
    for member, number in (("a", 1), ("a", 1), ("b", 1), ("a", 2)):
        scene.keeping.reported(member, number, {"kim": ONE})
    scene.keeping.forget("a")
    scene.keeping.forget("never")
    scene.clock.advance(FLUSH_S)
    assert scene.place.sums == {("2026-11-30", "kim"): Usage(opens=3)}


def test_a_question_is_answered_with_what_was_used_until_now(scene):
    scene.used = {"kim": ONE}
    answer = Deferred.fromCoroutine(
        scene.keeping.read(UsageQuestion(first="2026-11-30", last="2026-11-30"))
    )
    assert answer.result.rows == (("2026-11-30", "kim"),)
