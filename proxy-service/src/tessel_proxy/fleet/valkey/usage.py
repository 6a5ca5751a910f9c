"""Usage per account and day in the engine, for all hosts of a fleet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from secrets import token_hex
from typing import Final

from tessel_proxy.fleet.engine import EngineError
from tessel_proxy.fleet.valkey.link import Link
from tessel_proxy.fleet.valkey.scripts import ADD_USAGE, READ_USAGE
from tessel_proxy.operations import Usage, UsagePage, UsageQuestion, UsageRow
from tessel_proxy.operations.usage import KEPT_DAYS, UsageAwayError

LIVES_S: Final = (KEPT_DAYS + 1) * 86_400
"""Seconds until a day is dropped, counted from its last write."""

NUMBER_LIVES_S: Final = 86_400
"""Seconds for which the number of a host's last call is kept: a call is repeated for so long."""


class EngineUsage:
    """Implements KeepsUsage with the engine. UsageFile explains the methods."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._host = token_hex(8)

    def start(self) -> None:
        """Do nothing: the engine's connection is there for other calls, too."""

    async def stop(self) -> None:
        """Do nothing, as `start`."""

    async def add(self, number: int, rows: Sequence[UsageRow], oldest_day: str) -> None:  # noqa: ARG002 -- days lapse
        """Add to the rows, once for each number."""
        values = [each for row in rows for each in (row.day, row.account, *row.usage.numbers)]
        try:
            await self._link.run(ADD_USAGE, self._host, number, NUMBER_LIVES_S, LIVES_S, *values)
        except EngineError as error:
            raise UsageAwayError(f"the engine: {error}") from error

    async def read(self, question: UsageQuestion) -> UsagePage:
        """Return a page of rows. A day without usage costs a call, and there are at most 90."""
        rows: list[UsageRow] = []
        wanted = question.limit + 1
        try:
            for day in _days(question):
                after = question.after[1] if day == question.after[0] else ""
                reply = await self._link.run(
                    READ_USAGE, day, after, wanted - len(rows), question.account or ""
                )
                rows += _rows(day, reply)
                if len(rows) >= wanted:
                    break
        except EngineError as error:
            raise UsageAwayError(f"the engine: {error}") from error
        return UsagePage(rows[: question.limit], len(rows) > question.limit)


def _days(question: UsageQuestion) -> Iterator[str]:
    first, last = (date.fromisoformat(each) for each in (question.first, question.last))
    if question.after[0]:
        first = max(first, date.fromisoformat(question.after[0]))
    first = max(first, last - timedelta(days=KEPT_DAYS))
    while first <= last:
        yield first.isoformat()
        first += timedelta(days=1)


def _rows(day: str, reply: str) -> list[UsageRow]:
    lines = reply.split("\n") if reply else []
    try:
        return [
            UsageRow(day, name, Usage(*map(int, numbers.split(" "))))
            for name, numbers in zip(lines[::2], lines[1::2], strict=True)
        ]
    except (ValueError, TypeError):
        raise EngineError(f"usage: the engine answered {reply!r:.80}") from None
