"""Keeps the events of this process for the operator: refusals by account, ends, openings.

It stands in front of another Witness, and only in a proxy whose operator can look. All that it
keeps is limited; what does not fit is counted, not kept.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tessel_proxy.records.accounting import SubstreamRecord, TunnelRecord, Witness
from tessel_proxy.records.ends import REFUSED, Outcome, Refusal, TunnelOutcome
from tessel_proxy.records.peers import host_of_peer

MAX_ACCOUNTS: Final = 10_000
"""Accounts whose refusals are kept, and whose openings are counted between two looks; the one whose
last refusal is oldest, or whose first opening is, is dropped first."""

MAX_KEPT: Final = 10_000
"""Ends and refusals that are kept for one watcher between two of its looks."""


@dataclass(slots=True)
class AccountRefusals:
    """The refusals of an account: their number by error number, and the last one."""

    counts: Counter[str] = field(default_factory=Counter)
    last: dict[str, Any] | None = None


@dataclass(slots=True)
class Mailbox:
    """The events since a watcher last looked."""

    opened: deque[TunnelRecord] = field(default_factory=lambda: deque(maxlen=MAX_KEPT))
    closed: deque[tuple[TunnelRecord, TunnelOutcome]] = field(
        default_factory=lambda: deque(maxlen=MAX_KEPT)
    )
    closed_substreams: deque[tuple[SubstreamRecord, Outcome]] = field(
        default_factory=lambda: deque(maxlen=MAX_KEPT)
    )
    refusals: dict[tuple[str, ...], dict[str, Any]] = field(default_factory=dict)
    active: set[TunnelRecord] = field(default_factory=set)  # had open substreams at some time

    def add_refusal(self, refusal: dict[str, Any]) -> None:
        """Keep a refusal; equal ones are counted."""
        key = tuple(str(refusal[name]) for name in ("error", "account", "device", "address"))
        found = self.refusals.get(key)
        if found is not None:
            found["count"] += 1
            found["at"] = refusal["at"]
        elif len(self.refusals) < MAX_KEPT:
            self.refusals[key] = refusal

    def take_active(self) -> set[TunnelRecord]:
        """Return the tunnels that had open substreams, and keep none."""
        taken, self.active = self.active, set()
        return taken

    def take_refusals(self) -> list[dict[str, Any]]:
        """Return the refusals, and keep none."""
        taken, self.refusals = list(self.refusals.values()), {}
        return taken


class Happenings:
    """A Witness that keeps what an operator asks for, and passes each event on."""

    def __init__(self, below: Witness, wall_time: Callable[[], float] = time.time) -> None:
        self._below = below
        self._wall_time = wall_time
        self.mailboxes: dict[str, Mailbox] = {}
        self.by_account: dict[str, AccountRefusals] = {}
        self._opens: Counter[str] = Counter()  # openings of substreams, by account
        self._ended_in: dict[TunnelRecord, tuple[int, int]] = {}
        self.opens_ever = 0
        self.refusals: Counter[str] = Counter()  # ever, by error number
        self.closed: Callable[[TunnelRecord], None] = lambda _record: None

    def tunnel_opened(self, record: TunnelRecord) -> None:
        """Called when a tunnel opens."""
        self._below.tunnel_opened(record)
        for each in self.mailboxes.values():
            each.opened.append(record)

    def tunnel_secured(self, record: TunnelRecord) -> None:
        """Called when a TLS handshake is complete."""
        self._below.tunnel_secured(record)

    def tunnel_closed(self, record: TunnelRecord, outcome: TunnelOutcome) -> None:
        """Called when a tunnel ends."""
        self._below.tunnel_closed(record, outcome)
        self.closed(record)
        self._ended_in.pop(record, None)
        for each in self.mailboxes.values():
            each.closed.append((record, outcome))

    def substream_opened(self, record: SubstreamRecord) -> None:
        """Called when a substream opens: counts it for its account."""
        self._below.substream_opened(record)
        self._opens[record.of.account or ""] += 1
        if len(self._opens) > MAX_ACCOUNTS:
            del self._opens[next(iter(self._opens))]
        self.opens_ever += 1

    def substream_closed(self, record: SubstreamRecord, outcome: Outcome) -> None:
        """Called when a substream ends; a refused one is a refusal of its account."""
        self._below.substream_closed(record, outcome)
        of = record.of  # its bytes have those of this substream already
        self._ended_in.setdefault(
            of,
            (
                of.bytes_from_device - record.bytes_from_device,
                of.bytes_from_target - record.bytes_from_target,
            ),
        )
        for each in self.mailboxes.values():
            each.closed_substreams.append((record, outcome))
        if outcome in REFUSED and outcome.error is not None:
            text = f"{outcome.value}: {record.target}" if record.target else outcome.value
            self._refused(outcome.error.value, outcome.value, text, record.of.peer, record.of)

    def refused(self, why: Refusal, peer: str, record: TunnelRecord | None = None) -> None:
        """Called when a tunnel or a token is refused."""
        self._below.refused(why, peer, record)
        self._refused(why.error.value, why.value, why.text, peer, record)

    def tcp_checked(self) -> None:
        """Called when a load balancer connected and closed without sending a byte."""
        self._below.tcp_checked()

    def _refused(
        self, error: str, code: str, text: str, peer: str, record: TunnelRecord | None
    ) -> None:
        self.refusals[error] += 1
        account = None if record is None else record.account
        at = self._wall_time()
        if account is not None:
            self._count(account, error, {"code": code, "error": error, "at": at})
        for each in self.mailboxes.values():
            each.add_refusal(
                {
                    "at": at,
                    "error": error,
                    "code": code,
                    "account": account,
                    "device": None if record is None else record.device,
                    "address": host_of_peer(peer),
                    "count": 1,
                    "text": text,
                }
            )

    def _count(self, account: str, error: str, last: dict[str, Any]) -> None:
        found = self.by_account.pop(account, None) or AccountRefusals()
        found.counts[error] += 1
        found.last = last
        self.by_account[account] = found
        if len(self.by_account) > MAX_ACCOUNTS:
            del self.by_account[next(iter(self.by_account))]

    def take_opens(self) -> Counter[str]:
        """Return the openings by account since the last call. At most MAX_ACCOUNTS accounts."""
        taken, self._opens = self._opens, Counter()
        return taken

    def take_ended_in(self) -> Mapping[TunnelRecord, tuple[int, int]]:
        """Return the open tunnels in which substreams have ended since the last call.

        Each with the bytes, from device and from target, of all that had ended before.
        """
        taken, self._ended_in = self._ended_in, {}
        return taken
