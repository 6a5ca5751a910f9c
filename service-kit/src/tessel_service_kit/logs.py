"""Write the events of twisted.logger to a stream, as text for people or JSON for programs.

    text   2026-11-22T15:35:03.123Z info listening listening on 0.0.0.0:5005
           2026-11-22T15:35:03.123Z info listening [2] listening on 0.0.0.0:5005, of worker 2
           2026-11-22T15:35:04.123Z critical cannot_listen TP3002 cannot listen on port 5005: …
    json   {"time":"2026-…Z","level":"info","event":"listening","message":"…","port":5005}

The event's name is the keyword `event` of the log call; for a call without one (in a library) it is
the logger's namespace. A failure and its traceback are one record: the traceback is the field
`traceback` in JSON, and lines that begin with spaces in text. Peers choose some of the text.
Control characters are therefore escaped, so that no peer can forge a line or send commands to a
terminal, and all lengths are limited.
"""

from __future__ import annotations

import atexit
import json
import math
import re
import time
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from contextlib import suppress
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache, partial
from json.encoder import encode_basestring_ascii as _quoted
from pathlib import Path
from typing import TextIO, cast

from twisted.logger import (
    ILogObserver,
    LogEvent,
    Logger,
    LogLevelFilterPredicate,
    PredicateResult,
    formatEvent,
    globalLogBeginner,
)
from twisted.logger import LogLevel as TwistedLevel
from twisted.python.failure import Failure
from zope.interface import implementer

from tessel_service_kit.log_file import FileOutput
from tessel_service_kit.output import LineOutput, Writable, descriptor_of
from tessel_service_kit.parsers import one_of
from tessel_service_kit.settings import setting
from tessel_service_kit.texts import printable

MAX_TEXT = 8 * 1024  # characters of one message or field; only hostile peers cause longer ones
MAX_TRACEBACK = 64 * 1024
INTEGER_BITS = 64
_SMALL = 1 << INTEGER_BITS - 1
MAX_DEPTH = 8  # of containers in a field

# Keys that the old twisted.python.log adds; those of twisted.logger begin with log_.
_OLDER_KEYS = frozenset({"message", "time", "system", "isError", "failure", "format"})
_OWN_KEYS = _OLDER_KEYS | {"event", "level", "traceback"}
_NOT_FIELDS = _OWN_KEYS - {"why"}  # our own log calls use `why` as a field

_NAMED_FIELDS = re.compile(r"[^{}]*(?:\{[a-z_]+\}[^{}]*)*")
_JSON = json.JSONEncoder(separators=(",", ":"))

Json = str | int | float | bool | None | list["Json"] | dict[str, "Json"]


class LogLevel(StrEnum):
    """The importance of a log line. The setting LOG_LEVEL is the lowest level that is written."""

    DEBUG = "debug"
    INFO = "info"
    WARN = "warn"
    ERROR = "error"
    CRITICAL = "critical"


class LogFormat(StrEnum):
    """The format of log lines: text for people, or JSON for programs."""

    TEXT = "text"
    JSON = "json"


def level_setting() -> LogLevel:
    """Declare the setting LOG_LEVEL as a field of a Settings class."""
    return setting(
        "LOG_LEVEL",
        "info",
        "lowest level that is logged: debug, info, warn, error or critical",
        one_of(LogLevel),
    )


def format_setting() -> LogFormat:
    """Declare the setting LOG_FORMAT as a field of a Settings class."""
    return setting(
        "LOG_FORMAT",
        "text",
        "format of the log on standard error, one line per event: text or json",
        one_of(LogFormat),
    )


def file_output(
    path: Path,
    max_bytes: int,
    form: LogFormat,
    lost: Callable[[str], object] = lambda _line: None,
) -> FileOutput:
    """Open a log file for begin_logging.

    Args:
        path: the file.
        max_bytes: size at which the file is rotated.
        form: the format, used for the line that reports dropped lines.
        lost: called with each dropped line, mostly in the output's thread.

    Raises:
        OSError: the file cannot be opened.
    """
    return FileOutput(path, max_bytes, partial(_dropped_record, form, str(path)), lost)


def begin_logging(
    stream: TextIO | None,
    level: LogLevel,
    form: LogFormat,
    *files: FileOutput,
    worker: int | None = None,
) -> LineOutput:
    """Write everything that this process logs to the stream, and to the files, if there are any.

    Call it once, before the service starts.

    Args:
        stream: usually standard error. If it has a file descriptor, a thread of its own writes to
            it (see `tessel_service_kit.output`): a reader that stalls never blocks the service.
            Only the end of the process waits for it, for FLUSH_S at most.
            None: standard error was closed when the process started.
        worker: number of this process among several that log to the same place; each line shows it.
            None: there is one process, and no line does.

    Returns:
        the output, so that the caller can close it before the process ends.
    """
    descriptor = descriptor_of(stream)
    output = LineOutput(descriptor, partial(_dropped_record, form, "standard error"))
    in_memory = descriptor is None and stream is not None and not stream.closed
    written_to = cast("Writable", stream if in_memory else output)
    for file in files:
        written_to = _Both(written_to, file)
        atexit.register(file.flush)
    globalLogBeginner.beginLoggingTo(
        [observer(written_to, level, form, worker)], redirectStandardIO=False
    )
    atexit.register(output.flush)
    return output


class FrequentLogger(Logger):
    """A logger for lines that a busy process writes thousands of times a second.

    Twisted's own checks the level of each call among all levels, which costs as much as the rest.
    """

    def info(self, format: str | None = None, **kwargs: object) -> None:  # noqa: A002 -- Twisted's
        """Log an event at the level info."""
        kwargs["log_logger"] = self
        kwargs["log_level"] = TwistedLevel.info
        kwargs["log_namespace"] = self.namespace
        kwargs["log_source"] = self.source
        kwargs["log_format"] = format
        kwargs["log_time"] = time.time()
        self.observer(kwargs)


class _Both:
    """Two outputs that get the same lines."""

    def __init__(self, first: Writable, second: Writable) -> None:
        self._outputs = (first, second)

    def write(self, text: str) -> None:
        for output in self._outputs:
            output.write(text)


def _dropped_record(form: LogFormat, to: str, count: int) -> str:
    event = {
        "log_time": time.time(),
        "log_level": TwistedLevel.warn,
        "log_format": "{count} log lines were dropped: {to} was blocked or failed",
        "to": to,
        "event": "log_dropped",
        "count": count,
    }
    return _FORMS[form](event)


def observer(
    stream: Writable, level: LogLevel, form: LogFormat, worker: int | None = None
) -> ILogObserver:
    """Return an observer that writes the events of this level and above to the stream.

    `worker`: the number of this process, shown in each line; None: no line shows one.
    """
    lines = _Lines(stream, _FORMS[form], _at_least(level))
    return lines if worker is None else _Numbered(lines, worker)


@implementer(ILogObserver)
class _Numbered:
    """Adds the number of a worker to each event that does not name one."""

    def __init__(self, lines: ILogObserver, worker: int) -> None:
        self._lines = lines
        self._worker = worker

    def __call__(self, event: LogEvent) -> None:
        event.setdefault("worker", self._worker)
        event["log_worker"] = self._worker
        self._lines(event)


@implementer(ILogObserver)
class _Lines:
    """A log observer that filters, formats and writes.

    It replaces Twisted's FilteringLogObserver and FileLogObserver because it is faster: busy
    proxies write thousands of lines a second.
    """

    def __init__(
        self, stream: Writable, form: Callable[[LogEvent], str], predicate: LogLevelFilterPredicate
    ) -> None:
        self._stream = stream
        self._form = form
        self._predicate = predicate
        self._shown: dict[tuple[object, object], bool] = {}  # by level and namespace, few of each

    def __call__(self, event: LogEvent) -> None:
        kind = (event.get("log_level"), event.get("log_namespace"))
        shown = self._shown.get(kind)
        if shown is None:
            shown = self._shown[kind] = self._predicate(event) is not PredicateResult.no
        if shown:
            self._stream.write(self._form(event))


def text_record(event: LogEvent) -> str:
    """Return the log line of an event as text for people, with a line end.

    The lines of a traceback follow it, indented.
    """
    words = (_time(event), _level(event), _name(event), *_number(event), *_worker(event))
    head = " ".join((*words, _message(event)))
    continued = "".join(f"    {printable(line)}\n" for line in _traceback(event).splitlines())
    return f"{head}\n{continued}"


def json_record(event: LogEvent) -> str:
    """Return the log line of an event as a JSON object, with a line end."""
    # Joined by hand: building a dictionary for the JSON encoder would cost twice as much.
    pieces = [
        f'"time":"{_time(event)}","level":"{_level(event)}"',
        f'"event":{_quoted(_name(event))},"message":{_quoted(_message(event))}',
    ]
    for key, head in _fields(tuple(event)):
        value = event[key]
        is_text = type(value) is str and len(value) <= MAX_TEXT  # most are: no call for these
        pieces.append(head + (_quoted(value) if is_text else _json(value)))
    if traceback := _traceback(event):
        pieces.append(f'"traceback":{_quoted(traceback)}')
    return f"{{{','.join(pieces)}}}\n"


@lru_cache(maxsize=256)  # more than there are frequent log calls
def _fields(keys: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return the keys that a record shows, each with its JSON text."""
    hidden = _NOT_FIELDS if "event" in keys else _OWN_KEYS
    shown = [key for key in keys if not key.startswith("log_") and key not in hidden]
    return [(key, f"{_quoted(key)}:") for key in shown]


_FORMS: dict[LogFormat, Callable[[LogEvent], str]] = {
    LogFormat.TEXT: text_record,
    LogFormat.JSON: json_record,
}


def _json(value: object) -> str:
    kind = type(value)
    if kind is str and len(value) <= MAX_TEXT:  # type: ignore[arg-type]  # it is one
        return _quoted(value)  # type: ignore[arg-type]  # as above
    if kind is int and -_SMALL < value < _SMALL:  # type: ignore[operator]  # it is one
        return str(value)
    if kind is float and math.isfinite(value):  # type: ignore[arg-type]  # it is one
        return repr(value)
    return "null" if value is None else _JSON.encode(_plain(value, MAX_DEPTH))


def _at_least(level: LogLevel) -> LogLevelFilterPredicate:
    predicate = LogLevelFilterPredicate(defaultLogLevel=TwistedLevel.lookupByName(level.value))
    if level is LogLevel.INFO:
        # At info, Twisted logs each factory that starts or stops.
        predicate.setLogLevelForNamespace("twisted", TwistedLevel.warn)
        predicate.setLogLevelForNamespace("log_legacy", TwistedLevel.warn)
    return predicate


def _time(event: LogEvent) -> str:
    seconds, microseconds = divmod(round(event["log_time"] * 1e6), 1_000_000)
    return f"{_second(seconds)}.{microseconds // 1000:03}Z"


@lru_cache(maxsize=2)  # consecutive lines mostly have the same second
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat()


def _level(event: LogEvent) -> str:
    return str(event["log_level"].name)


def _name(event: LogEvent) -> str:
    return printable(str(event.get("event") or event.get("log_namespace") or "-"))


def _number(event: LogEvent) -> Iterable[str]:
    """Return the error's number (TP...), if it has one, so that text lines show it, too."""
    number = event.get("error")
    if isinstance(number, str) and number and "event" in event:
        yield printable(_limited(number, MAX_TEXT))


def _worker(event: LogEvent) -> Iterable[str]:
    """Return the number of the worker that logs, if there are several, for text lines."""
    if "log_worker" in event:
        yield f"[{event['log_worker']}]"


def _message(event: LogEvent) -> str:
    message = _formatted(event)
    failure = event.get("log_failure")
    if not message and isinstance(failure, Failure):
        message = f"{type(failure.value).__name__}: {failure.getErrorMessage()}"
    return printable(_limited(message, MAX_TEXT))


def _formatted(event: LogEvent) -> str:
    """Format the message as Twisted's formatEvent does, faster for simple formats.

    formatEvent alone takes an eighth of a busy proxy's CPU time.
    """
    form = event.get("log_format")
    if isinstance(form, str) and "log_flattened" not in event and _has_named_fields_alone(form):
        with suppress(Exception):  # formatEvent reports the error in its result
            return form.format_map(event)
    return formatEvent(event)


@lru_cache(maxsize=256)  # more than there are frequent log calls
def _has_named_fields_alone(form: str) -> bool:
    """Return whether the format has plain names only: Twisted has own rules for calls and such."""
    return _NAMED_FIELDS.fullmatch(form) is not None


def _traceback(event: LogEvent) -> str:
    failure = event.get("log_failure")
    return _limited(failure.getTraceback(), MAX_TRACEBACK) if isinstance(failure, Failure) else ""


def _limited(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text)} characters)"


def _plain(value: object, depth: int) -> Json:
    """Return the value as JSON types; a value that JSON does not have becomes its text."""
    if type(value) is str and len(value) <= MAX_TEXT:  # the usual case
        return value
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        # Python refuses to convert thousands of digits; JSON readers have at most 64 bits.
        return value if value.bit_length() < INTEGER_BITS else _limited(hex(value), MAX_TEXT)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, (Mapping, AbstractSet, list, tuple)) and depth > 0:
        return _plain_container(value, depth - 1)
    return _limited(str(value), MAX_TEXT)


def _plain_container(value: Mapping[object, object] | Iterable[object], depth: int) -> Json:
    if isinstance(value, Mapping):
        return {_limited(str(key), MAX_TEXT): _plain(item, depth) for key, item in value.items()}
    plain = [_plain(item, depth) for item in value]
    return sorted(plain, key=str) if isinstance(value, AbstractSet) else plain
