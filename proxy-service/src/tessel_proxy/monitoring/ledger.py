"""The counters behind the metrics, filled by the records.

Bytes of open substreams are added up from their records when the metrics are read, so a relayed
byte costs nothing besides the addition in its record.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tessel_proxy.records.accounting import Listener, SubstreamRecord, TunnelRecord
from tessel_proxy.records.durations import Durations
from tessel_proxy.records.ends import Outcome, Refusal, TunnelOutcome


class _Ended:
    """What the ended substreams of one listener, kind and outcome have in common: their totals."""

    __slots__ = ("bytes_from_device", "bytes_from_target", "count")

    def __init__(self) -> None:
        self.count = self.bytes_from_device = self.bytes_from_target = 0


@dataclass(slots=True)
class Ledger:
    """Holds the counters of one proxy, for the metrics. The records fill them (see `Witness`)."""

    tunnels: set[TunnelRecord] = field(default_factory=set)
    substreams: set[SubstreamRecord] = field(default_factory=set)
    tunnels_accepted: Counter[Listener] = field(default_factory=Counter)
    handshakes_done: Counter[bool] = field(
        default_factory=Counter
    )  # by whether the TLS session was resumed
    tunnels_closed: Counter[TunnelOutcome] = field(default_factory=Counter)
    refusals: Counter[Refusal] = field(default_factory=Counter)
    auth_answers: Counter[str] = field(default_factory=Counter)
    durations: Durations = field(default_factory=Durations)
    closed: Callable[[TunnelRecord], object] = lambda _record: None  # called when a tunnel ends
    _tcp_checks: int = 0  # of load balancers with the PROXY protocol
    _ended: dict[tuple[Listener, str, Outcome], _Ended] = field(
        default_factory=lambda: defaultdict(_Ended)
    )

    def tunnel_opened(self, record: TunnelRecord) -> None:
        """Called when a tunnel opens: counts it and keeps its record."""
        self.tunnels.add(record)
        self.tunnels_accepted[record.listener] += 1

    def tunnel_secured(self, record: TunnelRecord) -> None:
        """Called when a TLS handshake is complete: counts it."""
        self.handshakes_done[record.resumed] += 1
        self.durations.handshake.observe(record.handshake_s)

    def tunnel_closed(self, record: TunnelRecord, outcome: TunnelOutcome) -> None:
        """Called when a tunnel ends: counts the outcome and drops the record."""
        self.tunnels.discard(record)
        self.closed(record)
        self.tunnels_closed[outcome] += 1

    def substream_opened(self, record: SubstreamRecord) -> None:
        """Called when a substream opens: keeps its record."""
        self.substreams.add(record)

    def substream_closed(self, record: SubstreamRecord, outcome: Outcome) -> None:
        """Called when a substream ends: counts outcome and bytes, and drops the record."""
        self.substreams.discard(record)
        ended = self._ended[record.of.listener, record.kind, outcome]
        ended.count += 1
        ended.bytes_from_device += record.bytes_from_device
        ended.bytes_from_target += record.bytes_from_target
        self.durations.substream.observe(record.lasted_s)

    @property
    def substreams_open(self) -> Counter[str]:
        """The number of open substreams of each kind."""
        return Counter(each.kind for each in self.substreams)

    @property
    def substreams_closed(self) -> Counter[tuple[str, Outcome]]:
        """The number of substreams that have ended, by kind and outcome."""
        found: Counter[tuple[str, Outcome]] = Counter()
        for (_, kind, outcome), ended in self._ended.items():
            found[kind, outcome] += ended.count
        return found

    def refused(self, why: Refusal, peer: str, record: TunnelRecord | None = None) -> None:  # noqa: ARG002 -- the interface's
        """Called when a tunnel or a token is refused: counts the reason."""
        self.refusals[why] += 1

    def tcp_checked(self) -> None:
        """Called when a load balancer connected and closed without a byte: counts it."""
        self._tcp_checks += 1

    @property
    def tcp_checks(self) -> int:
        """The number of connections that ended before they sent a byte."""
        return self._tcp_checks + self.tunnels_closed[TunnelOutcome.NOTHING_SENT]

    def bytes_from_device(self, listener: Listener) -> int:
        """Return the bytes that devices on this port sent to targets, open substreams included."""
        return sum(each.bytes_from_device for each in self._of(listener))

    def bytes_from_target(self, listener: Listener) -> int:
        """Return the bytes that targets sent to devices on this port, open substreams included."""
        return sum(each.bytes_from_target for each in self._of(listener))

    def _of(self, listener: Listener) -> Iterator[_Ended | SubstreamRecord]:
        yield from (ended for (of, _, _), ended in self._ended.items() if of is listener)
        yield from (each for each in self.substreams if each.of.listener is listener)
