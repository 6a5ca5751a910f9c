"""The audit: a line for each command of an operator, done or refused.

The process that serves the API writes it: with several workers, their supervisor.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from twisted.logger import Logger

from tessel_proxy.records.error_codes import ErrorCode
from tessel_service_kit.log_file import FileOutput
from tessel_service_kit.logs import LogFormat, LogLevel, file_output, observer
from tessel_service_kit.output import Writable

LINE: Final = "{log_who}: {command} {log_arguments}: {log_status}{log_why}"


@dataclass(frozen=True, slots=True)
class Command:
    """A command of an operator. `by`: who; `address`: from where; empty for a UNIX socket."""

    by: str
    address: str
    command: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


class Audit:
    """Writes the lines to the log, or to a log of their own."""

    def __init__(self, log: Logger | None = None) -> None:
        """`log`: where the lines go; None: to the log of the proxy."""
        self._log = log or Logger()

    @classmethod
    def into(cls, file: Writable, form: LogFormat) -> Audit:
        """Return an audit that writes lines of this form to a file."""
        return cls(Logger(observer=observer(file, LogLevel.INFO, form)))

    def write(self, asked: Command, status: HTTPStatus, answer: Any) -> None:
        """Write a line: who, from where, what, why, and what came of it.

        `answer` is the JSON value of the HTTP answer.
        """
        reason = asked.arguments.get("reason") or ""
        others = {name: each for name, each in asked.arguments.items() if name != "reason"}
        self._log.info(
            LINE,
            event="audit",
            by=asked.by,
            address=asked.address,
            command=asked.command,
            arguments=others,
            reason=reason,
            result=_result(status),
            status=status.value,
            answer=answer.get("error", answer),
            log_who=f"{asked.by} {asked.address}".rstrip(),
            log_arguments=json.dumps(others),
            log_status=status.phrase,
            log_why=f"; {reason}" if reason else "",
        )


def _result(status: HTTPStatus) -> str:
    """Return ok, refused (the request was wrong, or not allowed) or error (the proxy failed)."""
    if status < HTTPStatus.BAD_REQUEST:
        return "ok"
    return "refused" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "error"


def audit_file(path: Path, max_bytes: int, form: LogFormat) -> FileOutput:
    """Open the file of the audit; lines that it does not take go to the log of the proxy.

    Args:
        path: the file.
        max_bytes: size at which the file is rotated.
        form: the format of its lines.

    Raises:
        OSError: the file cannot be opened.
    """
    return file_output(path, max_bytes, form, partial(not_written, path))


def not_written(path: Path, why: str) -> None:
    """Log that the file does not take lines; `why`: the line that was dropped, or the error."""
    Logger().error(
        "the audit cannot be written to {file}: {why}",
        event="audit_not_written",
        error=ErrorCode.AUDIT_NOT_WRITTEN.value,
        file=str(path),
        why=why.rstrip("\n"),
    )
