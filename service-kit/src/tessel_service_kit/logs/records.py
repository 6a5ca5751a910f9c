"""The text of a log line: of an event of Twisted's, or of what is known of a frequent line."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from json.encoder import encode_basestring_ascii

from twisted.logger import (
    LogEvent,
    formatEvent,
)
from twisted.python.failure import Failure

from tessel_service_kit.texts import printable

quoted = encode_basestring_ascii
"""Return a text as a JSON string; the one log line that is made without an event needs it, too."""

MAX_TEXT = 8 * 1024  # characters of one message or field; only hostile peers cause longer ones
MAX_TRACEBACK = 64 * 1024
INTEGER_BITS = 64
_SMALL = 1 << INTEGER_BITS - 1
MAX_DEPTH = 8  # of containers in a field

# Keys that the old twisted.python.log adds; those of twisted.logger begin with log_.
_OLDER_KEYS = frozenset({"message", "time", "system", "isError", "failure", "format"})
_OWN_KEYS = _OLDER_KEYS | {"event", "level", "traceback"}
_NOT_FIELDS = _OWN_KEYS - {"why"}  # our own log calls use `why` as a field

_MILLISECONDS = tuple(f".{each:03}Z" for each in range(1000))  # formatting costs five times as much

_NAMED_FIELDS = re.compile(r"[^{}]*(?:\{[a-z_]+\}[^{}]*)*")
_JSON = json.JSONEncoder(separators=(",", ":"))

Json = str | int | float | bool | None | list["Json"] | dict[str, "Json"]


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
        f'"event":{quoted(_name(event))},"message":{quoted(_message(event))}',
    ]
    for key, head in _fields(tuple(event)):
        value = event[key]
        is_text = type(value) is str and len(value) <= MAX_TEXT  # most are: no call for these
        pieces.append(head + (quoted(value) if is_text else _json(value)))
    if traceback := _traceback(event):
        pieces.append(f'"traceback":{quoted(traceback)}')
    return f"{{{','.join(pieces)}}}\n"


@lru_cache(maxsize=256)  # more than there are frequent log calls
def _fields(keys: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return the keys that a record shows, each with its JSON text."""
    hidden = _NOT_FIELDS if "event" in keys else _OWN_KEYS
    shown = [key for key in keys if not key.startswith("log_") and key not in hidden]
    return [(key, f"{quoted(key)}:") for key in shown]


def text_line(
    now: str, event: str, error: str | None, worker: int | None, message: str, _fields: str
) -> str:
    """Return a line at the level info as `text_record` does."""
    number = "" if error is None else f"{error} "
    of_worker = "" if worker is None else f"[{worker}] "
    return f"{now} info {event} {number}{of_worker}{printable(message)}\n"


def json_line(
    now: str, event: str, _error: str | None, worker: int | None, message: str, fields: str
) -> str:
    """Return a line at the level info as `json_record` does.

    Without a backslash in the fields, none of their texts needs an escape, and so neither does the
    message, which contains no others. To look at each character would cost more than the rest.
    """
    text = quoted(printable(message)) if "\\" in fields else f'"{message}"'
    of_worker = "" if worker is None else f',"worker":{worker}'
    head = f'"time":"{now}","level":"info","event":"{event}","message":{text}'
    return f"{{{head},{fields}{of_worker}}}\n"


def _json(value: object) -> str:
    kind = type(value)
    if kind is str and len(value) <= MAX_TEXT:  # type: ignore[arg-type]  # it is one
        return quoted(value)  # type: ignore[arg-type]  # as above
    if kind is int and -_SMALL < value < _SMALL:  # type: ignore[operator]  # it is one
        return str(value)
    if kind is float and math.isfinite(value):  # type: ignore[arg-type]  # it is one
        return repr(value)
    return "null" if value is None else _JSON.encode(_plain(value, MAX_DEPTH))


def _time(event: LogEvent) -> str:
    return time_text(round(event["log_time"] * 1e6) // 1000)


def time_text(milliseconds: int) -> str:
    """Return a time, given in milliseconds since 1970, as a log line has it."""
    second, rest = divmod(milliseconds, 1000)
    return _second(second) + _MILLISECONDS[rest]


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
