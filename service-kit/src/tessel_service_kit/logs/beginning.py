"""Begin the log of a process: its lines go to standard error and to files."""

from __future__ import annotations

import atexit
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TextIO, cast

from twisted.logger import LogLevel as TwistedLevel
from twisted.logger import globalLogBeginner

from tessel_service_kit.log_file import FileOutput
from tessel_service_kit.logs.levels import LogFormat, LogLevel
from tessel_service_kit.logs.lines import FORMS, observer
from tessel_service_kit.output import LineOutput, Writable, descriptor_of


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
    return FORMS[form](event)
