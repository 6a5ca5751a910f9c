"""The standard error of a worker: its log lines, and what else its process writes there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.logger import Logger

from tessel_service_kit.logs import LogFormat

MAX_PART_BYTES: Final = 256 * 1024
"""Longest line of a worker's log that is written in one piece: a traceback in JSON is less."""

MAX_OTHER_BYTES: Final = 8 * 1024
"""Bytes of other text that become one log line; a longer one would be cut there."""


class WorkerLines:
    """Passes a worker's log lines on whole.

    Python's own text, such as the traceback of a version that cannot be imported, is no log line.
    Where the log is JSON, that text becomes the field `text` of one.
    """

    _log = Logger()

    def __init__(self, worker: int, form: LogFormat, write: Callable[[bytes], None]) -> None:
        """`worker` is its number; `write` gets log lines."""
        self._worker = worker
        self._form = form
        self._write = write
        self._rest = b""
        self._other = b""

    def received(self, data: bytes) -> None:
        """Pass on the lines that are complete now."""
        lines, newline, self._rest = (self._rest + data).rpartition(b"\n")
        if len(self._rest) > MAX_PART_BYTES:
            lines, newline, self._rest = lines + newline + self._rest, b"\n", b""
        if lines or newline:
            self._sort(lines + newline)

    def ended(self) -> None:
        """Pass on what is left: the process has ended."""
        if self._rest:
            rest, self._rest = self._rest + b"\n", b""
            self._sort(rest)
        self.flush()

    def flush(self) -> None:
        """Log the other text, which waits for the rest of it."""
        if self._other:
            text, self._other = self._other.decode("utf-8", "backslashreplace").rstrip(), b""
            self._log.error(
                "worker {worker} wrote to standard error: {text}",
                event="worker_wrote",
                worker=self._worker,
                text=text,
            )

    def _sort(self, lines: bytes) -> None:
        if self._form is LogFormat.TEXT or _are_records(lines):
            self.flush()
            self._write(lines)
            return
        for line in lines.splitlines(keepends=True):
            if _are_records(line):
                self.flush()
                self._write(line)
                continue
            self._other += line
            if len(self._other) > MAX_OTHER_BYTES:
                self.flush()


def _are_records(lines: bytes) -> bool:
    """Return whether each of the lines is a JSON object, by its first byte."""
    return lines.startswith(b"{") and lines.count(b"\n{") == lines.count(b"\n") - 1
