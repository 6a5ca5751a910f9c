"""Counts the usage of each account from the records of its tunnels, at no cost for a byte.

The records count bytes and substreams anyway. A meter adds them up now and then, and returns what
has come since it did so before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final, TypeAlias
from typing import Protocol as Interface

from tessel_proxy.records.accounting import SubstreamRecord, TunnelRecord

KEPT_DAYS: Final = 90
"""Days for which usage is kept: three months of an invoice or a dispute."""

_Numbers: TypeAlias = tuple[int, int, int, int, int]


@dataclass(frozen=True, slots=True)
class Usage:
    """The usage of an account: bytes, openings of substreams, tunnels, and refusals.

    Refusals are tunnels and substreams that the proxy refused to the account.
    """

    bytes_from_device: int = 0
    bytes_from_target: int = 0
    opens: int = 0
    tunnels: int = 0
    refusals: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.bytes_from_device + other.bytes_from_device,
            self.bytes_from_target + other.bytes_from_target,
            self.opens + other.opens,
            self.tunnels + other.tunnels,
            self.refusals + other.refusals,
        )

    @property
    def numbers(self) -> _Numbers:
        """The five numbers in their order: dataclasses.astuple is twenty times slower."""
        return (
            self.bytes_from_device,
            self.bytes_from_target,
            self.opens,
            self.tunnels,
            self.refusals,
        )


NOTHING: Final = Usage()
FIELDS: Final = 5
NOT_COUNTED: Final = (0, 0, 0, 0, 0)
NONE_OPEN: Final = (0, 0, 0)


@dataclass(frozen=True, slots=True)
class UsageRow:
    """The usage of an account on a day (YYYY-MM-DD, UTC)."""

    day: str
    account: str
    usage: Usage


@dataclass(frozen=True, slots=True)
class UsagePage:
    """Rows ordered by day and account. `has_more`: others follow behind the last one."""

    rows: Sequence[UsageRow]
    has_more: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageQuestion:
    """A question for rows of usage: days from `first` to `last` (both included), and an account.

    `account` None: all accounts. `after` are day and account of the last row that is known; the
    page begins behind it. `limit`: rows of the page.
    """

    first: str
    last: str
    account: str | None = None
    after: tuple[str, str] = ("", "")
    limit: int = 1000


class UsageError(Exception):
    """Usage could not be written or read; the text says why."""


class UsageAwayError(UsageError):
    """The engine that keeps usage is away, which is reported by itself (TP3034)."""


class OpenRecords(Interface):
    """The records of open tunnels and substreams; the Ledger of the metrics has them."""

    @property
    def tunnels(self) -> AbstractSet[TunnelRecord]: ...
    @property
    def substreams(self) -> AbstractSet[SubstreamRecord]: ...


class UsageMeter:
    """Adds up the usage of accounts since the last reading."""

    def __init__(self, records: OpenRecords) -> None:
        """`records`: of the tunnels that are open now. `closed` reports the others."""
        self._records = records
        self._counted: dict[TunnelRecord, _Numbers] = {}  # what was returned, of open tunnels
        self._closed: list[TunnelRecord] = []

    def closed(self, record: TunnelRecord) -> None:
        """Called when a tunnel ends: it is counted the next time."""
        if record.account is not None:
            self._closed.append(record)

    def take(self) -> Mapping[str, Usage]:
        """Return what each account has used since the last call.

        It is plain arithmetic on integers: the reactor's thread makes it every few seconds.
        """
        still_open = self._of_open_substreams()
        found: dict[str, list[int]] = {}
        closed, self._closed = self._closed, []
        before, self._counted = self._counted, {}
        for record in {*self._records.tunnels, *closed, *before}:
            if record.account is None:
                continue
            total = _total(record, still_open.get(record, NONE_OPEN))
            last = before.get(record, NOT_COUNTED)
            if total != last:
                sums = found.setdefault(record.account, [0, 0, 0, 0, 0])
                for index in range(FIELDS):
                    sums[index] += total[index] - last[index]
            # substreams may outlive their tunnel for a moment
            if record in self._records.tunnels or record in still_open:
                self._counted[record] = total
        return {account: Usage(*sums) for account, sums in found.items()}

    def _of_open_substreams(self) -> dict[TunnelRecord, list[int]]:
        sums: dict[TunnelRecord, list[int]] = {}
        for each in self._records.substreams:
            found = sums.get(each.of)
            if found is None:
                found = sums[each.of] = [0, 0, 0]
            found[0] += each.bytes_from_device
            found[1] += each.bytes_from_target
            found[2] += 1
        return sums


def _total(record: TunnelRecord, still_open: Sequence[int]) -> _Numbers:
    from_device, from_target, opens = still_open
    return (
        record.bytes_from_device + from_device,
        record.bytes_from_target + from_target,
        record.substreams + opens,
        int(record.accepted),
        record.refused,
    )
