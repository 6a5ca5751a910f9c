"""Log lines, for people and for machines."""

import io
import json

import pytest
from twisted.logger import Logger
from twisted.python.failure import Failure

from tessel_oauth.config import LogFormat, LogLevel
from tessel_oauth.logs import Lines


def logged(style, least=LogLevel.INFO):
    """A logger, and the stream that its lines go to."""
    stream = io.StringIO()
    lines = Lines(stream, least, style)

    def observe(event):
        lines({**event, "log_time": 1_700_000_000.25})

    return Logger(namespace="tests", observer=observe), stream


def test_text_is_time_level_event_and_message():
    log, stream = logged(LogFormat.TEXT)

    log.info("listening on {host}", event="listening", host="::1")

    assert stream.getvalue() == "2023-11-14T22:13:20.250Z info listening listening on ::1\n"


def test_json_has_the_fields_as_well():
    log, stream = logged(LogFormat.JSON)

    log.error("{port} is taken", event="port_taken", port=80, whose=LogLevel)

    assert json.loads(stream.getvalue()) == {
        "time": "2023-11-14T22:13:20.250Z",
        "level": "error",
        "event": "port_taken",
        "message": "80 is taken",
        "port": 80,
        "whose": "<enum 'LogLevel'>",
    }


def test_no_stranger_can_end_a_line_or_steer_a_terminal():
    log, stream = logged(LogFormat.TEXT)

    log.info("{path}", event="request", path="/\r\nforged\x1b[2J\x9b")

    assert stream.getvalue().endswith(" request /\\x0d\\x0aforged\\x1b[2J\\x9b\n")
    assert stream.getvalue().count("\n") == 1


@pytest.mark.parametrize("style", list(LogFormat))
def test_a_failure_is_told_with_its_traceback(style):
    log, stream = logged(style)

    log.failure("a request failed", Failure(ZeroDivisionError("why")), event="request_failed")

    first = stream.getvalue().splitlines()[0]
    assert "request_failed" in first
    assert "ZeroDivisionError: why" in stream.getvalue()


def test_a_machine_gets_a_traceback_in_one_line():
    log, stream = logged(LogFormat.JSON)

    log.failure("a request failed", Failure(ZeroDivisionError("why")), event="request_failed")

    assert "ZeroDivisionError" in json.loads(stream.getvalue())["traceback"]


def test_what_is_below_the_level_is_not_written():
    log, stream = logged(LogFormat.TEXT, LogLevel.WARN)

    log.info("not this", event="a")
    log.error("but this", event="b")

    assert stream.getvalue().endswith("error b but this\n")
    assert "not this" not in stream.getvalue()


def test_what_others_log_in_passing_is_for_who_debugs():
    for least, count in ((LogLevel.INFO, 0), (LogLevel.DEBUG, 1)):
        log, stream = logged(LogFormat.JSON, least)
        log.info("Main loop terminated.", system="-")
        assert stream.getvalue().count("Main loop terminated.") == count
        assert "system" not in stream.getvalue()


def test_what_others_complain_of_is_written():
    log, stream = logged(LogFormat.TEXT)

    log.error("beware")

    assert stream.getvalue().endswith(" error log beware\n")
