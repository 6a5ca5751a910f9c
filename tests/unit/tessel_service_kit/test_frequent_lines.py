"""Lines that are made without an event are those that Twisted's logger would have written."""

import json
from io import StringIO

import pytest
from twisted.logger import LogPublisher

from tessel_service_kit.logs import MAX_TEXT, FrequentLogger, LogFormat, LogLevel, observer, quoted


class Log:
    """A logger whose only observer writes lines, or that has another observer beside it."""

    def __init__(self, form=LogFormat.JSON, level=LogLevel.INFO, worker=None, beside=()):
        self.stream = StringIO()
        publisher = LogPublisher(observer(self.stream, level, form, worker), *beside)
        self.out = FrequentLogger("service", observer=publisher)

    def line(self, name="kim", error=None):
        self.out.info_of("greeted", error, told, name, error)
        return self.stream.getvalue()


def told(name, error):
    number = "null" if error is None else f'"{error}"'
    return f"hello {name}", f'"name":{quoted(name)},"times":2,"error":{number}'


def without_time(line):
    return line.replace(line.split('"')[3] if line.startswith("{") else line.split()[0], "", 1)


NAMES = ["kim", "", 'k"im', "k\\im", "k\nim", "k\x7fim", "Zoë 北 🦊", "\ud800", "k" * MAX_TEXT]


@pytest.mark.parametrize("worker", [None, 2])
@pytest.mark.parametrize("error", [None, "TP1005"])
@pytest.mark.parametrize("form", LogFormat)
@pytest.mark.parametrize("name", NAMES)
def test_a_line_is_the_same_with_and_without_an_event(name, form, error, worker):
    events = []
    straight = Log(form, worker=worker).line(name, error)
    from_event = Log(form, worker=worker, beside=[events.append]).line(name, error)
    assert without_time(straight) == without_time(from_event)
    assert events[0]["log_text"] == f"hello {name}"


def test_another_observer_gets_the_fields_as_values():
    events = []
    Log(beside=[events.append]).line()
    (event,) = events
    assert (event["event"], event["name"], event["times"], event["error"]) == (
        *("greeted", "kim", 2, None),
    )


def test_a_line_has_the_time_of_its_writing():
    assert json.loads(Log().line())["time"].startswith("20")


def test_nothing_is_formatted_if_the_level_is_off():
    log = Log(level=LogLevel.WARN)
    log.out.info_of("greeted", None, pytest.fail, "kim", None)
    assert not log.stream.getvalue()


class Broken:
    def write(self, text):
        raise OSError("no space")


def test_an_output_that_fails_harms_nobody_who_logs():
    publisher = LogPublisher(observer(Broken(), LogLevel.INFO, LogFormat.JSON))
    FrequentLogger("service", observer=publisher).info_of("greeted", None, told, "kim", None)
