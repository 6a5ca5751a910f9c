"""Records of tunnels and substreams: what each did, counted while it is open, logged at its end."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Final
from typing import Protocol as Interface

from tessel_proxy.records import log_lines
from tessel_proxy.records.ends import REFUSED, Outcome, Refusal, TunnelOutcome
from tessel_proxy.records.repeated_lines import EVERY_LINE, LogLines
from tessel_proxy.records.traces import StepTrace, Trace


class Listener(Enum):
    """The port that a device connected to."""

    __hash__ = object.__hash__  # Enum's own is a Python call per look-up

    MAIN = "main"
    LEGACY = "legacy"  # LEGACY_PORT, for Tessel 1 boards


class Witness(Interface):
    """An interface that counts the events of tunnels and substreams, for the metrics.

    Each method is called when its event happens. Records are passed when they open; their byte
    counts grow until they are closed. `tcp_checked`: a load balancer connected and closed without
    sending a byte.
    """

    def tunnel_opened(self, record: TunnelRecord) -> None: ...
    def tunnel_secured(self, record: TunnelRecord) -> None: ...
    def tunnel_closed(self, record: TunnelRecord, outcome: TunnelOutcome) -> None: ...
    def substream_opened(self, record: SubstreamRecord) -> None: ...
    def substream_closed(self, record: SubstreamRecord, outcome: Outcome) -> None: ...
    def refused(self, why: Refusal, peer: str, record: TunnelRecord | None = None) -> None: ...
    def tcp_checked(self) -> None: ...


class NoWitness:
    """A Witness that counts nothing, the default of records."""

    def tunnel_opened(self, record: TunnelRecord) -> None: ...
    def tunnel_secured(self, record: TunnelRecord) -> None: ...
    def tunnel_closed(self, record: TunnelRecord, outcome: TunnelOutcome) -> None: ...
    def substream_opened(self, record: SubstreamRecord) -> None: ...
    def substream_closed(self, record: SubstreamRecord, outcome: Outcome) -> None: ...
    def refused(self, why: Refusal, peer: str, record: TunnelRecord | None = None) -> None: ...
    def tcp_checked(self) -> None: ...


QUICK_RETURN_S: Final = 60.0
"""A device that loses its network or its power returns less often than this."""

MAX_QUICK_RETURNS: Final = 2
"""In a row. A restart and a lost link may coincide; more suggest two devices with one name."""

_REFUSED_ACCOUNTS = (TunnelOutcome.TOO_MANY_TUNNELS_OF_ACCOUNT, TunnelOutcome.REFUSED_BY_OPERATOR)


@dataclass(slots=True, kw_only=True, eq=False)
class TunnelRecord:
    """The facts about one tunnel for its log lines and the metrics, collected while it is open.

    `tunnel` is its number, `peer` HOST:PORT, `started_at` seconds of the proxy's clock.
    """

    tunnel: int
    peer: str
    started_at: float
    listener: Listener = Listener.MAIN
    witness: Witness = field(default_factory=NoWitness)
    lines: LogLines = EVERY_LINE
    account: str | None = None
    device: str | None = None
    resumed: bool = False  # with a TLS session ticket
    handshake_s: float = 0.0  # until TLS was established
    trace: Trace | None = None  # set if it is traced
    quick_returns: int = 0  # replacements in a row, each of a tunnel younger than QUICK_RETURN_S
    substreams: int = 0
    bytes_from_device: int = 0
    bytes_from_target: int = 0
    accepted: bool = False  # its token
    features: frozenset[str] = frozenset()  # that both ends support
    refused: int = 0  # tunnel or substreams, to its account
    why: str = ""  # it ended: the operator's words, or how the connection closed

    def __post_init__(self) -> None:
        self.witness.tunnel_opened(self)

    def add(self, substream: SubstreamRecord) -> None:
        """Add a closed substream and its bytes to the totals of the tunnel."""
        self.substreams += 1
        self.bytes_from_device += substream.bytes_from_device
        self.bytes_from_target += substream.bytes_from_target

    def secured(self, now: float, *, resumed: bool) -> None:
        """Count the completed TLS handshake; `resumed`: with a session ticket.

        `now`: the time on the proxy's clock, in seconds.
        """
        self.resumed = resumed
        self.handshake_s = now - self.started_at
        self.witness.tunnel_secured(self)

    def replaces(self, older: TunnelRecord) -> None:
        """Note that this tunnel replaces the tunnel `older` of the same device.

        Replacements of tunnels younger than QUICK_RETURN_S are counted: they suggest that two
        devices have the same name.
        """
        if self.started_at - older.started_at < QUICK_RETURN_S:
            self.quick_returns = older.quick_returns + 1

    def log_authenticated(self, features: frozenset[str]) -> None:
        """Log that the token was accepted; warn if two devices seem to have the same name.

        `features`: the features that both ends support.
        """
        self.accepted = True
        self.features = features
        log_lines.tunnel_authenticated(self, features)
        if self.quick_returns > MAX_QUICK_RETURNS:
            log_lines.device_name_shared(self)

    def log_refused(self, why: Refusal) -> None:
        """Count and log that the tunnel, or a token on it, was refused."""
        self.refused += 1
        self.witness.refused(why, self.peer, self)
        log_lines.refused(self.tunnel, self.peer, why, self.lines)

    def log_closed(self, now: float, outcome: TunnelOutcome, why: str) -> None:
        """Count the end of the tunnel and write its closing log line.

        Repeated lines about tunnels that served nothing are summed up.

        Args:
            now: the time on the proxy's clock, in seconds.
            outcome: how the tunnel ended.
            why: the reason why the connection closed, in words; the operator's own come first.
        """
        self.why = self.why or why
        self.witness.tunnel_closed(self, outcome)
        is_worth_a_line = self.substreams or (self.account and outcome not in _REFUSED_ACCOUNTS)
        lines = EVERY_LINE if is_worth_a_line else self.lines
        log_lines.tunnel_closed(self, lines, now - self.started_at, outcome, self.why)


class ReplacedError(Exception):
    """The reason of a tunnel that the proxy cut because its device connected again."""

    def __init__(self, newer: TunnelRecord) -> None:
        super().__init__(f"the device came back over tunnel {newer.tunnel} of {newer.peer}")


class MovedError(ReplacedError):
    """The reason of a tunnel that the proxy cut because its device connected to another process."""

    def __init__(self, member: str) -> None:
        Exception.__init__(self, f"the device came back to process {member}")


@dataclass(slots=True, kw_only=True, eq=False)
class SubstreamRecord:
    """The facts about one substream for its log line and the metrics, collected while it is open.

    `of` is its tunnel, `started_at` seconds of the proxy's clock, `target` the host and port that
    the device named, `address` the address that the proxy connected to.
    """

    of: TunnelRecord
    substream: int
    kind: str
    started_at: float
    target: str = ""
    address: str = ""
    rule: str = ""  # the egress rule that refused the target
    lasted_s: float = 0.0  # set at the end
    trace: StepTrace | None = None  # set if its tunnel is traced
    bytes_from_device: int = 0
    bytes_from_target: int = 0

    def __post_init__(self) -> None:
        self.of.witness.substream_opened(self)

    def close(self, now: float, outcome: Outcome) -> None:
        """Count the end of the substream and write its closing log line.

        `now`: the time on the proxy's clock, in seconds.
        """
        self.lasted_s = now - self.started_at
        self.of.add(self)
        if outcome in REFUSED:
            self.of.refused += 1
        self.of.witness.substream_closed(self, outcome)
        log_lines.substream_closed(self, outcome)


def log_refused(peer: str, why: Refusal, witness: Witness, lines: LogLines = EVERY_LINE) -> None:
    """Count and log a refused connection, which is no tunnel yet.

    `peer` is HOST:PORT, `witness` counts, `lines` decides whether the line is written.
    """
    witness.refused(why, peer)
    log_lines.refused(None, peer, why, lines)
