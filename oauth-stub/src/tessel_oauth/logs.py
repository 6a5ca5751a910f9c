"""Log events -> lines on standard error, for people (text) or machines (json)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, TextIO

from twisted.logger import (
    FileLogObserver,
    ILogObserver,
    LogEvent,
    LogLevel,
    formatEvent,
)
from zope.interface import implementer

from tessel_oauth import config

# Words of strangers stand in log lines: none of them may end a line or steer a terminal.
_CONTROLS: Final = {code: f"\\x{code:02x}" for code in [*range(0x20), *range(0x7F, 0xA0)]}


@implementer(ILogObserver)
class Lines:
    """Writes events of at least some level to a stream, a line each."""

    def __init__(self, stream: TextIO, least: config.LogLevel, style: config.LogFormat) -> None:
        self._write = FileLogObserver(stream, _FORMATS[style])
        self._least = LogLevel.levelWithName(least.value)

    def __call__(self, event: LogEvent) -> None:
        if _level(event) >= self._least:
            self._write(event)


def _level(event: LogEvent) -> Any:
    """What others log in passing (Twisted: ports, signals) is for who debugs."""
    in_passing = "event" not in event and event["log_level"] < LogLevel.warn
    return LogLevel.debug if in_passing else event["log_level"]


def as_text(event: LogEvent) -> str:
    """TIME LEVEL event message; a traceback follows on lines of its own."""
    told = _told(event)
    line = f"{told['time']} {told['level']} {told['event']} {told['message']}"
    return "\n".join([line.translate(_CONTROLS), *_traceback(event).splitlines(), ""])


def as_json(event: LogEvent) -> str:
    """One object: time, level, event, message, and the event's fields."""
    told = _told(event)
    if "event" in event:  # of others' events, Twisted's and Klein's, the message says it all
        told |= {name: value for name, value in event.items() if not name.startswith("log_")}
    if traceback := _traceback(event):
        told["traceback"] = traceback
    return json.dumps(told, default=str) + "\n"


_FORMATS: Final[Mapping[config.LogFormat, Callable[[LogEvent], str]]] = {
    config.LogFormat.TEXT: as_text,
    config.LogFormat.JSON: as_json,
}


def _told(event: LogEvent) -> dict[str, Any]:
    when = datetime.fromtimestamp(event["log_time"], UTC)
    return {
        "time": when.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "level": event["log_level"].name,
        "event": event.get("event", "log"),
        "message": formatEvent(event),
    }


def _traceback(event: LogEvent) -> str:
    failure = event.get("log_failure")
    return str(failure.getTraceback()) if failure is not None else ""
