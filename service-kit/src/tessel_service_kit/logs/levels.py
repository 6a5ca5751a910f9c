"""The settings of a log: which lines are written, and in which format."""

from __future__ import annotations

from enum import StrEnum

from twisted.logger import LogLevel as TwistedLevel
from twisted.logger import LogLevelFilterPredicate

from tessel_service_kit.parsers import one_of
from tessel_service_kit.settings import setting


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


def at_least(level: LogLevel) -> LogLevelFilterPredicate:
    """Return which events are written at this level; it notes where Twisted says too much."""
    predicate = LogLevelFilterPredicate(defaultLogLevel=TwistedLevel.lookupByName(level.value))
    if level is LogLevel.INFO:
        # At info, Twisted logs each factory that starts or stops.
        predicate.setLogLevelForNamespace("twisted", TwistedLevel.warn)
        predicate.setLogLevelForNamespace("log_legacy", TwistedLevel.warn)
    return predicate
