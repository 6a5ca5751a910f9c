import json
from io import StringIO
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.logger import Logger, LogPublisher, globalLogBeginner
from twisted.python import log as older_log
from twisted.python.failure import Failure

from tessel_service_kit.logs import MAX_TEXT, LogFormat, LogLevel, begin_logging, observer

LINE = r"2026-11-22T15:27:07.500Z"
TIME = 1795361227.5


class Log:
    """A logger with its own publisher, and what one observer made of its events."""

    def __init__(self, form=LogFormat.JSON, level=LogLevel.INFO, namespace="service.session"):
        self.stream = StringIO()
        publisher = LogPublisher(self._at_a_fixed_time, observer(self.stream, level, form))
        self.out = Logger(namespace, observer=publisher)

    def _at_a_fixed_time(self, event):
        event["log_time"] = TIME

    @property
    def text(self):
        return self.stream.getvalue()

    @property
    def record(self):
        (line,) = self.text.splitlines()
        return json.loads(line)


def fail(message):
    raise ValueError(message)


def failure(message="broken"):
    try:
        fail(message)
    except ValueError:
        return Failure()


# --- messages


@pytest.mark.parametrize(
    ("form", "shown"),
    [
        ("{a} and {b}", "1 and {c}"),
        ("{{{a}}} of {b}", "{1} of {c}"),
        ("{call()}", "called"),
        ("{b!r:>5}", "'{c}'"),
        ("{a:03d}", "001"),
        ("{missing}", "Unable to format event"),
    ],
)
def test_a_message_is_formatted_as_twisted_does(form, shown):
    log = Log()
    log.out.info(form, event="e", a=1, b="{c}", call=lambda: "called")
    assert log.record["message"].startswith(shown)


# --- text


def test_text_is_time_level_event_and_message():
    log = Log(LogFormat.TEXT)
    log.out.info("listening on {host}:{port}", event="listening", host="::", port=5005)
    assert log.text == f"{LINE} info listening listening on :::5005\n"


def test_the_error_number_is_between_event_and_message():
    log = Log(LogFormat.TEXT)
    log.out.critical("no room", event="refused", error="TP2014")
    log.out.info("as if nothing were wrong", event="closed", error=None)
    assert log.text == (
        f"{LINE} critical refused TP2014 no room\n{LINE} info closed as if nothing were wrong\n"
    )


def test_a_librarys_field_error_is_not_an_error_number():
    log = Log(LogFormat.TEXT, namespace="library")
    log.out.warn("{error}", error="broken")
    assert log.text == f"{LINE} warn library broken\n"


def test_an_event_without_a_name_is_named_by_where_it_came_from():
    log = Log(LogFormat.TEXT, namespace="twisted.internet.base")
    log.out.warn("careful")
    assert log.text == f"{LINE} warn twisted.internet.base careful\n"


@pytest.mark.parametrize(
    ("char", "shown"),
    [
        ("\n", r"\n"),
        ("\r", r"\r"),
        ("\x1b", r"\x1b"),
        ("\x00", r"\x00"),
        ("\x7f", r"\x7f"),
        ("\x85", r"\x85"),
        ("\u2028", r"\u2028"),
        ("\u202e", r"\u202e"),
        ("\ud800", r"\ud800"),
    ],
)
def test_a_peers_text_cannot_break_a_line_or_control_a_terminal(char, shown):
    log = Log(LogFormat.TEXT)
    log.out.info("refused {why}", event="x", why=f"a{char}b")
    assert log.text == f"{LINE} info x refused a{shown}b\n"


def test_the_name_of_an_event_cannot_break_a_line_either():
    log = Log(LogFormat.TEXT)
    log.out.info("m", event="a\nb")
    assert log.text == rf"{LINE} info a\nb m" + "\n"


def test_letters_of_all_scripts_stay_as_they_are():
    log = Log(LogFormat.TEXT)
    log.out.info("account {name}", event="x", name="Zoë 北 🦊")
    assert log.text.endswith("account Zoë 北 🦊\n")


def test_a_failure_is_one_record_whose_further_lines_begin_with_spaces():
    log = Log(LogFormat.TEXT)
    log.out.failure("cannot go on", failure=failure("x\n2026 info listening forged"))
    first, *more = log.text.splitlines()
    assert first == f"{LINE} critical service.session cannot go on"
    assert more[0] == "    Traceback (most recent call last):"
    assert all(line.startswith("    ") for line in more)
    assert any("ValueError: x" in line for line in more)


def test_a_failure_without_a_message_is_described_by_its_exception():
    log = Log(LogFormat.TEXT)
    log.out.error(log_failure=failure("x\ny"))
    assert log.text.splitlines()[0].endswith(r" error service.session ValueError: x\ny")


# --- json


def test_json_is_one_object_a_line_with_all_fields():
    log = Log()
    log.out.info(
        "substream {substream} closed", event="substream_closed", substream=2, seconds=0.25
    )
    assert log.text.endswith("}\n")
    assert log.record == {
        "time": LINE,
        "level": "info",
        "event": "substream_closed",
        "message": "substream 2 closed",
        "substream": 2,
        "seconds": 0.25,
    }


def test_why_is_a_field_like_any_other():
    log = Log()
    log.out.warn("refused: {why}", event="x", why="wrong token")
    assert (log.record["message"], log.record["why"]) == ("refused: wrong token", "wrong token")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, None),
        (True, True),
        (2**53, 2**53),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        (LogFormat.JSON, "json"),
        (ip_address("::1"), "::1"),
        ((ip_network("10.0.0.0/8"), 1), ["10.0.0.0/8", 1]),
        (frozenset({"reuse/1", "device/1"}), ["device/1", "reuse/1"]),
        ({"a": {1: [b"x"]}}, {"a": {"1": ["b'x'"]}}),
        ("a\nb\x7f", "a\nb\x7f"),
        ("\ud800", "\ud800"),
    ],
)
def test_every_value_has_a_form_in_json(value, shown):
    log = Log()
    log.out.info("m", event="x", field=value)
    assert log.record["field"] == shown


def test_integers_with_thousands_of_digits_are_cut():
    log = Log()
    log.out.info("port {port}", event="x", port=10**5000)
    assert log.record["port"] == hex(10**5000)


def test_a_failures_traceback_is_a_field_of_the_same_record():
    log = Log()
    log.out.failure("cannot go on", failure=failure())
    assert log.record["message"] == "cannot go on"
    assert log.record["level"] == "critical"
    assert "ValueError: broken" in log.record["traceback"]


@pytest.mark.parametrize("form", LogFormat)
def test_all_lengths_are_limited(form):
    log = Log(form)
    log.out.info("{name}", event="x", name="n" * 10**6, more={"k" * 10**6: ["v" * 10**6]})
    assert len(log.text) < 5 * MAX_TEXT
    assert "… (1000000 characters)" in (log.record["message"] if form == "json" else log.text)


def test_deeply_nested_containers_are_cut():
    log, deep = Log(), []
    for _ in range(100):
        deep = [deep]
    log.out.info("m", event="x", field=deep)
    assert json.dumps(log.record["field"]).startswith('[[[[[[[["[[[')


def test_a_field_cannot_replace_one_of_the_records_own():
    log = Log()
    log.out.info("m", event="x", time="never", traceback="none")
    assert set(log.record) == {"time", "level", "event", "message"}
    assert (log.record["time"], log.record["level"]) == (LINE, "info")


@given(st.text(), st.text())
def test_whatever_is_logged_is_one_line_of_either_form(message, value):
    for form in LogFormat:
        log = Log(form)
        log.out.info("{message} {value}", event="x", value=value, message=message)
        log.out.info("second", event="x")
        assert len(log.text.split("\n")) == 3
        assert len(log.text.splitlines()) == 2


# --- levels


@pytest.mark.parametrize("level", LogLevel)
def test_the_level_set_and_those_above_are_logged(level):
    log, levels = Log(level=level), list(LogLevel)
    for each in levels:
        getattr(log.out, each.value)("m", event="x")
    logged = [json.loads(line)["level"] for line in log.text.splitlines()]
    assert logged == levels[levels.index(level) :]


def test_twisteds_own_messages_are_logged_at_debug_only():
    for level, chatters in ((LogLevel.INFO, False), (LogLevel.DEBUG, True)):
        log = Log(level=level, namespace="twisted.web.client._HTTP11ClientFactory")
        log.out.info("Starting factory")
        assert bool(log.text) is chatters
        log.out.warn("Trouble")
        assert "Trouble" in log.text


def test_events_of_twisteds_older_log_are_written_too():
    stream, publisher = StringIO(), LogPublisher()
    publisher.addObserver(observer(stream, LogLevel.DEBUG, LogFormat.JSON))
    older = older_log.LogPublisher(observerPublisher=publisher, publishPublisher=publisher)
    older.msg("hello", "there", system="-")
    older.msg(why="trouble", isError=True, failure=failure())
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert (first["message"], first["level"]) == ("hello there", "info")
    assert (second["level"], "ValueError: broken" in second["message"]) == ("critical", True)


def test_a_process_writes_its_whole_log_and_does_not_redirect_its_streams(monkeypatch):
    begun = []
    monkeypatch.setattr(
        globalLogBeginner,
        "beginLoggingTo",
        lambda observers, redirectStandardIO: begun.append((observers, redirectStandardIO)),
    )
    stream = StringIO()
    begin_logging(stream, LogLevel.INFO, LogFormat.TEXT)
    (((observe,), redirected),) = begun
    Logger("service", observer=observe).info("up", event="started")
    assert stream.getvalue().endswith(" info started up\n")
    assert not redirected


def test_why_is_a_field_of_an_event_that_has_a_name():
    log = Log()
    log.out.warn("refused: {why}", event="tunnel_refused", why="wrong token")
    assert log.record["why"] == "wrong token"
