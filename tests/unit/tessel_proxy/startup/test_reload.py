import os

import pytest
from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from tessel_proxy.files.reloadable import stamps_of
from tessel_proxy.startup.reload import Reloader
from tessel_service_kit.settings import ConfigError

LOOK_S = 5.0


class Words:
    """Made of two files that must say the same."""

    name = "words"
    loads = 0

    def __init__(self, folder):
        self.paths = (folder / "one", folder / "two")
        self.put("first")
        self.reload()
        self.loads = 0

    def put(self, text, *, only=None):
        for path in self.paths:
            if only in (None, path.name):
                beside = path.with_suffix(".new")
                beside.write_text(text)
                beside.replace(path)

    def reload(self):
        self.stamps = stamps_of(self.paths)
        self.loads += 1
        try:
            one, two = (path.read_text() for path in self.paths)
        except OSError as error:
            raise ConfigError([f"{error.strerror}"]) from error
        if one != two:
            raise ConfigError(["they differ"])
        self.text = one


@pytest.fixture
def words(tmp_path):
    return Words(tmp_path)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def reloader(clock, words):
    reloader = Reloader(clock, [words], LOOK_S)
    reloader.start()
    yield reloader
    reloader.stop()
    assert clock.getDelayedCalls() == []


def events(logs):
    return [each["event"] for each in logs]


def test_what_has_not_changed_is_left_alone(reloader, words, clock):
    clock.pump([LOOK_S] * 5)
    assert words.loads == 0


def test_what_is_of_no_use_in_reloaded_files_is_warned_of(reloader, words):
    words.warnings = ["the first word expired"]
    with capturedLogs() as logs:
        reloader.reload_all()
    assert events(logs) == ["reloaded", "setting_hint"]
    assert (logs[1]["log_level"].name, logs[1]["hint"]) == ("warn", "the first word expired")


def test_a_change_is_taken_up_when_it_has_been_quiet_for_a_look(reloader, words, clock):
    words.put("second")
    clock.advance(LOOK_S)
    assert words.text == "first"
    with capturedLogs() as logs:
        clock.advance(LOOK_S)
    assert words.text == "second"
    assert [(each["event"], each["what"]) for each in logs] == [("reloaded", "words")]
    clock.pump([LOOK_S] * 5)
    assert words.loads == 1


def test_a_change_before_the_first_look_is_taken_up_though_nothing_changes_after_it(words, clock):
    words.put("second")
    reloader = Reloader(clock, [words], LOOK_S)
    reloader.start()
    clock.pump([LOOK_S] * 2)
    assert (words.text, words.loads) == ("second", 1)
    reloader.stop()


def test_a_change_while_the_files_are_read_is_one(reloader, words, clock):
    words.put("second")
    reload = words.reload

    def reload_and_change():
        reload()
        words.reload = reload
        words.put("third")

    words.reload = reload_and_change
    clock.pump([LOOK_S] * 2)
    assert words.text == "second"
    clock.pump([LOOK_S] * 2)
    assert words.text == "third"


def test_a_file_that_is_being_written_is_not_read(reloader, words, clock):
    for length in range(1, 5):
        words.put("x" * length)
        clock.advance(LOOK_S)
    assert words.loads == 0


@pytest.mark.parametrize("in_place", [os.utime, lambda path: path.chmod(0o600)])
def test_times_and_rights_are_changes_too(reloader, words, clock, in_place):
    in_place(words.paths[0])
    clock.pump([LOOK_S] * 2)
    assert words.loads == 1


def test_a_half_renewed_pair_is_tried_again_and_the_old_one_stays(reloader, words, clock):
    words.put("second", only="one")
    with capturedLogs() as logs:
        clock.pump([LOOK_S] * 4)
    assert (words.text, words.loads) == ("first", 3)
    assert events(logs) == ["reload_failed"]  # told of once
    assert logs[0]["why"] == "they differ"
    words.put("second", only="two")
    clock.pump([LOOK_S] * 2)
    assert words.text == "second"
    clock.pump([LOOK_S] * 3)
    assert words.loads == 4  # and no more tries


def test_another_fault_is_reported_again(reloader, words, clock):
    words.put("second", only="one")
    with capturedLogs() as logs:
        clock.pump([LOOK_S] * 2)
        words.paths[0].unlink()
        clock.pump([LOOK_S] * 2)
    assert [each["why"] for each in logs] == ["they differ", "No such file or directory"]


def test_all_is_reloaded_at_once_when_the_operator_asks(reloader, words):
    words.put("second", only="one")
    with capturedLogs() as logs:
        reloader.reload_all()
        reloader.reload_all()
        words.put("second", only="two")
        reloader.reload_all()
        reloader.reload_all()
    assert events(logs) == ["reload_failed"] * 2 + ["reloaded"] * 2
    assert words.text == "second"


def test_a_change_is_read_without_another_look_when_somebody_says_it_is_complete(reloader, words):
    words.put("second")
    assert reloader.load_changed(["words", "others"]) == []
    assert words.text == "second"


def test_what_has_not_changed_or_is_not_asked_for_is_not_read(reloader, words):
    assert reloader.load_changed(["words"]) == []
    words.put("second")
    assert reloader.load_changed(["others"]) == []
    assert words.loads == 0


def test_a_fault_is_named_at_each_call_until_the_files_can_be_used(reloader, words):
    words.put("second", only="one")
    assert [reloader.load_changed(["words"]) for _ in range(2)] == [["words"]] * 2
    words.put("second", only="two")
    assert reloader.load_changed(["words"]) == []


def test_a_bug_in_one_reloadable_costs_that_one_alone(clock, words, logged_failures):
    class Broken:
        name = "broken"
        paths = words.paths
        stamps = words.stamps

        def reload(self):
            raise ZeroDivisionError

    reloader = Reloader(clock, [Broken(), words], LOOK_S)
    reloader.start()
    words.put("second")
    clock.pump([LOOK_S] * 2)
    assert words.text == "second"
    assert len(logged_failures.flush(ZeroDivisionError)) == 1
    reloader.stop()


def test_with_nothing_to_reload_nothing_is_looked_at(clock):
    reloader = Reloader(clock, [], LOOK_S)
    reloader.start()
    assert clock.getDelayedCalls() == []
    reloader.stop()
