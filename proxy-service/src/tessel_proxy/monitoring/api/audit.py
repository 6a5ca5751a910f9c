"""The audit: a line for each command of an operator, done or refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from twisted.logger import Logger

LINE = "{log_who}: {command} {log_arguments}: {log_status}{log_why}"


@dataclass(frozen=True, slots=True)
class Command:
    """What somebody asked for. `by`: who; `address`: from where; empty for a UNIX socket."""

    by: str
    address: str
    command: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


class Audit:
    """Writes the lines to the log, or to a log of their own."""

    def __init__(self, log: Logger | None = None) -> None:
        """`log`: where the lines go; None: to the log of the proxy."""
        self._log = log or Logger()

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
