"""REFUSALS_FILE: what is read at the start, and what is written."""

import json
import os
import stat

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults, succeed
from twisted.internet.task import Clock

from support.proxy_in_memory import LoggedEvents
from tessel_proxy.operations import MAX_RULES, Rule
from tessel_proxy.operations.one_thread import OneThread
from tessel_proxy.operations.refusals_file import RETRY_S, KeptRules, RefusalsFile, kept_rules
from tessel_service_kit.settings import ConfigError

NOW = 1_800_000_000.0


def rule(**arguments):
    return Rule.made(**{"reason": "abuse", "by": "token", "now": NOW} | arguments)


RULES = tuple(
    sorted(
        [rule(account="kim", until_at=NOW + 9), rule(address="10.0.0.0/8")],
        key=lambda each: each.id,
    )
)


class AtOnce:
    """Stands for a thread: makes the calls at once, and notes them."""

    def __init__(self):
        self.calls = 0

    def run(self, call, *arguments):
        self.calls += 1
        done = Deferred()
        try:
            done.callback(call(*arguments))
        except OSError:
            done.errback()
        return done


@pytest.fixture
def path(tmp_path):
    return tmp_path / "refusals.json"


@pytest.fixture
def file(path):
    clock = Clock()
    file = RefusalsFile(path, clock, AtOnce(), lambda: KeptRules(RULES, "17.5"))
    file.clock, file.thread = clock, file._thread
    yield file
    file.stop()
    assert not clock.getDelayedCalls()


def saved(file):
    results = []
    Deferred.fromCoroutine(file.save()).addCallback(results.append)
    (result,) = results
    return result


def test_without_a_setting_or_before_the_first_write_there_are_no_rules(path):
    assert kept_rules(None) == KeptRules()
    assert kept_rules(path) == KeptRules(file=path)


def test_what_was_written_is_read_at_the_next_start(file, path):
    assert saved(file)
    assert kept_rules(path) == KeptRules(RULES, "17.5", path)


def test_only_the_proxys_user_can_read_the_file_and_nothing_is_left_beside_it(file, path):
    saved(file)
    saved(file)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_an_operator_may_edit_what_is_written(file, path):
    saved(file)
    value = json.loads(path.read_text())
    value["rules"].pop()
    path.write_text(json.dumps(value))
    assert kept_rules(path).rules == (RULES[0],)


HUGE_ID = rule(account="kim").as_json() | {"id": "x" * 9}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"{}", "object with `rules`"),
        (b"[]", "object with `rules`"),
        (b'{"rules": {}}', "object with `rules`"),
        (b'{"rules": [null]}', "rule 1: a rule is an object"),
        (json.dumps({"rules": [RULES[0].as_json(), HUGE_ID]}).encode(), "rule 2: id="),
        (json.dumps({"rules": [{}] * (MAX_RULES + 1)}).encode(), "more than 10000"),
    ],
)
def test_a_file_that_the_proxy_did_not_write_is_a_fault_that_says_what_is_wrong(
    path, content, said
):
    path.write_bytes(content)
    with pytest.raises(ConfigError) as fault:
        kept_rules(path)
    (text,) = fault.value.faults
    assert text.startswith(f"REFUSALS_FILE={str(path)!r}")
    assert said in text


def test_a_folder_a_fifo_and_a_missing_folder_are_faults_and_none_blocks(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path, tmp_path / "fifo", tmp_path / "missing" / "file"):
        with pytest.raises(ConfigError):
            kept_rules(path)


def test_a_file_of_endless_size_is_not_read_whole(monkeypatch, path):
    monkeypatch.setattr("tessel_proxy.operations.refusals_file.MAX_FILE_BYTES", 100)
    path.write_bytes(b" " * 101)
    with pytest.raises(ConfigError, match="more than 100 bytes"):
        kept_rules(path)


def test_a_failed_write_is_logged_once_counted_and_tried_again(file, path):
    path.mkdir()  # a rename onto it fails
    with LoggedEvents() as logged:
        assert (saved(file), saved(file)) == (False, False)
        path.rmdir()
        file.clock.advance(RETRY_S)
    assert kept_rules(path).rules == RULES
    assert file.failures == 2
    (line,) = logged.named("refusals_not_kept")
    assert line["error"] == "TP3040"
    assert len(logged.named("refusals_kept")) == 1


def test_changes_during_a_write_share_the_next_one(path):
    first = Deferred()

    class Slow(AtOnce):
        def run(self, call, *arguments):
            self.calls += 1
            return first if self.calls == 1 else succeed(call(*arguments))

    thread = Slow()
    file = RefusalsFile(path, Clock(), thread, lambda: KeptRules(RULES))
    saving = gatherResults([Deferred.fromCoroutine(file.save()) for _ in range(2000)])
    first.callback(None)
    assert all(saving.result)
    assert thread.calls == 2


@pytest_twisted.ensureDeferred
async def test_the_file_is_written_in_a_thread_of_its_own(path):
    thread = OneThread(reactor, "test")
    thread.start()
    file = RefusalsFile(path, reactor, thread, lambda: KeptRules(RULES))
    assert await file.save()
    await thread.stop()
    assert kept_rules(path).rules == RULES


@pytest_twisted.ensureDeferred
async def test_a_thread_waits_for_its_last_call_when_it_stops():
    thread = OneThread(reactor, "test")
    thread.start()
    done = []
    last = thread.run(done.append, 1)
    await thread.stop(last)
    assert done == [1]
