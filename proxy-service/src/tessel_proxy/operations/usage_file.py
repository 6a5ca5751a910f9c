"""USAGE_FILE: usage per account and day in SQLite, in a thread of its own.

One process writes the file. Others, such as `sqlite3`, may read it meanwhile (WAL).
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

from tessel_proxy.operations.one_thread import OneThread
from tessel_proxy.operations.usage import (
    Usage,
    UsageError,
    UsagePage,
    UsageQuestion,
    UsageRow,
)
from tessel_service_kit.names import IThreadsAndTime

BUSY_S: Final = 2.0
"""Seconds to wait for a lock of another process: the thread waits, and no device does."""

PRIVATE: Final = 0o600
COLUMNS: Final = "bytes_from_device, bytes_from_target, opens, tunnels, refusals"
CREATE: Final = """
CREATE TABLE IF NOT EXISTS usage (
    day TEXT NOT NULL, account TEXT NOT NULL,
    bytes_from_device INTEGER NOT NULL, bytes_from_target INTEGER NOT NULL,
    opens INTEGER NOT NULL, tunnels INTEGER NOT NULL, refusals INTEGER NOT NULL,
    PRIMARY KEY (day, account)
) WITHOUT ROWID
"""
ADD: Final = f"""
INSERT INTO usage (day, account, {COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (day, account) DO UPDATE SET
    bytes_from_device = bytes_from_device + excluded.bytes_from_device,
    bytes_from_target = bytes_from_target + excluded.bytes_from_target,
    opens = opens + excluded.opens,
    tunnels = tunnels + excluded.tunnels,
    refusals = refusals + excluded.refusals
"""  # noqa: S608 -- no text of others
FORGET: Final = "DELETE FROM usage WHERE day < ?"
READ: Final = f"""
SELECT day, account, {COLUMNS} FROM usage
WHERE day BETWEEN ? AND ? AND (day, account) > (?, ?) AND (? IS NULL OR account = ?)
ORDER BY day, account LIMIT ?
"""  # noqa: S608 -- no text of others

T = TypeVar("T")


class UsageFile:
    """Keeps usage in a SQLite file. A fault closes it, and the next call opens it again."""

    def __init__(self, path: Path, reactor: IThreadsAndTime) -> None:
        self._path = path
        self._thread = OneThread(reactor, "usage")
        self._open: sqlite3.Connection | None = None  # used in the thread only

    def start(self) -> None:
        """Be ready for calls; the first one opens the file."""
        self._thread.start()

    async def stop(self) -> None:
        """Close the file, after the calls that were made. `start` cannot be called again."""
        await self._thread.stop(self._thread.run(self._close))

    async def add(self, number: int, rows: Sequence[UsageRow], oldest_day: str) -> None:  # noqa: ARG002 -- see below
        """Add to the rows in one step, and remove days before `oldest_day`.

        Raises UsageError: the same rows are passed again, with the same number. Here nothing was
        written then; other places use the number to count rows once.
        """
        await self._thread.run(self._add, rows, oldest_day)

    async def read(self, question: UsageQuestion) -> UsagePage:
        """Return a page of rows; raises UsageError."""
        return await self._thread.run(self._read, question)

    # --- in the thread

    def _add(self, rows: Sequence[UsageRow], oldest_day: str) -> None:
        with self._connection() as connection, connection:  # a transaction
            values = [(each.day, each.account, *each.usage.numbers) for each in rows]
            connection.executemany(ADD, values)
            connection.execute(FORGET, (oldest_day,))

    def _read(self, question: UsageQuestion) -> UsagePage:
        account, limit = question.account, question.limit
        span = (question.first, question.last, *question.after)
        with self._connection() as connection:
            found = connection.execute(READ, (*span, account, account, limit + 1)).fetchall()
        rows = [UsageRow(day, name, Usage(*numbers)) for day, name, *numbers in found[:limit]]
        return UsagePage(rows, len(found) > limit)

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        try:
            if self._open is None:
                self._open = _opened(self._path)
            yield self._open
        except (sqlite3.Error, OSError) as error:
            self._close()
            raise UsageError(f"{self._path}: {error}") from error

    def _close(self) -> None:
        connection, self._open = self._open, None
        if connection is not None:
            connection.close()


def _opened(path: Path) -> sqlite3.Connection:
    # SQLite would create it readable by all
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, PRIVATE))
    # no check of the thread: it is always the same one, but not the one that made this object
    connection = sqlite3.connect(path, timeout=BUSY_S, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")  # a kill loses nothing that was written
        connection.execute(CREATE)
    except BaseException:
        connection.close()
        raise
    return connection
