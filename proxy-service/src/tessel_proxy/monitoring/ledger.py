"""The counters behind the metrics, filled by the records.

Bytes of open substreams are added up from their records when the metrics are read, so a relayed
byte costs nothing besides the addition in its record.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from tessel_proxy.records.accounting import Listener, SubstreamRecord, TunnelRecord
from tessel_proxy.records.durations import Durations
from tessel_proxy.records.ends import Outcome, Refusal, TunnelOutcome


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
    substreams_opened: Counter[str] = field(default_factory=Counter)
    substreams_closed: Counter[tuple[str, Outcome]] = field(default_factory=Counter)
    refusals: Counter[Refusal] = field(default_factory=Counter)
    auth_answers: Counter[str] = field(default_factory=Counter)
    durations: Durations = field(default_factory=Durations)
    closed: Callable[[TunnelRecord], object] = lambda _record: None  # called when a tunnel ends
    _tcp_checks: int = 0  # of load balancers with the PROXY protocol
    _from_device: Counter[Listener] = field(default_factory=Counter)  # of closed substreams
    _from_target: Counter[Listener] = field(default_factory=Counter)

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
        """Called when a substream opens: counts it and keeps its record."""
        self.substreams.add(record)
        self.substreams_opened[record.kind] += 1

    def substream_closed(self, record: SubstreamRecord, outcome: Outcome) -> None:
        """Called when a substream ends: counts outcome and bytes, and drops the record."""
        self.substreams.discard(record)
        self.substreams_closed[record.kind, outcome] += 1
        self.durations.substream.observe(record.lasted_s)
        self._from_device[record.of.listener] += record.bytes_from_device
        self._from_target[record.of.listener] += record.bytes_from_target

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
        return self._from_device[listener] + sum(
            each.bytes_from_device for each in self.substreams if each.of.listener is listener
        )

    def bytes_from_target(self, listener: Listener) -> int:
        """Return the bytes that targets sent to devices on this port, open substreams included."""
        return self._from_target[listener] + sum(
            each.bytes_from_target for each in self.substreams if each.of.listener is listener
        )
