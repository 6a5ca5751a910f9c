"""The log observer that filters events, and writes those that are shown as lines to a stream."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from twisted.logger import (
    ILogObserver,
    LogEvent,
    LogLevelFilterPredicate,
    PredicateResult,
)
from twisted.logger import LogLevel as TwistedLevel
from zope.interface import implementer

from tessel_service_kit.logs.levels import LogFormat, LogLevel, at_least
from tessel_service_kit.logs.records import (
    json_line,
    json_record,
    text_line,
    text_record,
    time_text,
)
from tessel_service_kit.output import Writable

FORMS: Final[dict[LogFormat, Callable[[LogEvent], str]]] = {
    LogFormat.TEXT: text_record,
    LogFormat.JSON: json_record,
}
_FORMS_OF_LINES: Final = {LogFormat.TEXT: text_line, LogFormat.JSON: json_line}

_INFO: Final = TwistedLevel.info  # each access by its class is a call
_NS_PER_MS: Final = 1_000_000


def observer(
    stream: Writable, level: LogLevel, form: LogFormat, worker: int | None = None
) -> ILogObserver:
    """Return an observer that writes the events of this level and above to the stream.

    `worker`: the number of this process, shown in each line; None: no line shows one.
    """
    return Lines(stream, form, at_least(level), worker)


@implementer(ILogObserver)
class Lines:
    """A log observer that filters, formats and writes.

    It replaces Twisted's FilteringLogObserver and FileLogObserver because it is faster: busy
    proxies write thousands of lines a second.
    """

    def __init__(
        self,
        stream: Writable,
        form: LogFormat,
        predicate: LogLevelFilterPredicate,
        worker: int | None,
    ) -> None:
        self._stream = stream
        self._record = FORMS[form]
        self._line = _FORMS_OF_LINES[form]
        self._predicate = predicate
        self._worker = worker
        self._shown: dict[tuple[object, object], bool] = {}  # by level and namespace, few of each

    def __call__(self, event: LogEvent) -> None:
        if not self._shows(event.get("log_level"), event.get("log_namespace")):
            return
        if self._worker is not None:
            event.setdefault("worker", self._worker)
            event["log_worker"] = self._worker
        self._stream.write(self._record(event))

    def shows_info(self, namespace: str) -> bool:
        """Return whether events at the level info are written, for a FrequentLogger."""
        return self._shows(_INFO, namespace)

    def _shows(self, level: object, namespace: object) -> bool:
        shown = self._shown.get((level, namespace))
        if shown is None:
            event = {"log_level": level, "log_namespace": namespace}
            shown = self._predicate(event) is not PredicateResult.no
            self._shown[level, namespace] = shown
        return shown

    def write_info(self, event: str, error: str | None, message: str, fields: str) -> None:
        """Write a line at the level info; FrequentLogger explains the arguments."""
        now = time_text(time.time_ns() // _NS_PER_MS)
        self._stream.write(self._line(now, event, error, self._worker, message, fields))
