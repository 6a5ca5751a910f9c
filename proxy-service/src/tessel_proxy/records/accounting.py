"""What a tunnel or substream did -> its one closing line in the log, and whoever counts.

Accounts, devices and targets are other people's text: they go in as fields, never into a format.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Final
from typing import Protocol as Interface

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IAddress
from twisted.logger import Logger, LogLevel

from tessel_proxy.limits.penalties import source_of
from tessel_proxy.records.error_codes import Number, number_of
from tessel_proxy.records.repeated_lines import EachLine, Kind, Lines
from tessel_service_kit.texts import counted

_log = Logger()
_EACH_LINE = EachLine()


class Outcome(Enum):
    """How a substream ended."""

    __hash__ = object.__hash__  # Enum's own is a call of Python for each look-up in a table

    ENDED = "ended"
    ENDED_WITHOUT_CLOSE_NOTIFY = "ended_without_close_notify"
    BAD_REQUEST = "bad_request"
    TOO_MANY_SUBSTREAMS = "too_many_substreams"
    TOO_MANY_SUBSTREAMS_OF_ACCOUNT = "too_many_substreams_of_account"
    TOO_MANY_SUBSTREAMS_IN_ALL = "too_many_substreams_in_all"
    SILENT_TOO_LONG = "silent_too_long"
    OPENS_TOO_FAST = "opens_too_fast"
    QUOTA_SPENT = "quota_spent"
    WINDOWS_USED_UP = "windows_used_up"
    TOO_MUCH_EARLY_DATA = "too_much_early_data"
    LOOKUP_FAILED = "lookup_failed"
    REFUSED_BY_POLICY = "refused_by_policy"
    CONNECT_FAILED = "connect_failed"
    TLS_FAILED = "tls_failed"
    RESET_BY_TARGET = "reset_by_target"
    FAILED_BY_DEVICE = "failed_by_device"
    LEFT_BY_DEVICE = "left_by_device"  # its program reads no more: no error
    STALLED = "stalled"  # the target took nothing, and all substreams of the tunnel waited
    TUNNEL_LOST = "tunnel_lost"
    TUNNEL_REPLACED = "tunnel_replaced"  # the device came back over a new one
    INTERNAL_ERROR = "internal_error"


class TunnelOutcome(Enum):
    """How a tunnel ended."""

    ENDED = "ended"
    LOST = "lost"
    SILENT = "silent"  # it did not answer pings
    PROTOCOL_FAULT = "protocol_fault"
    NOTHING_SENT = "nothing_sent"  # by the peer: a TCP check of a load balancer
    HANDSHAKE_FAILED = "handshake_failed"
    HANDSHAKE_TIMEOUT = "handshake_timeout"
    AUTH_TIMEOUT = "auth_timeout"
    TOO_MANY_WRONG_TOKENS = "too_many_wrong_tokens"
    AUTH_UNAVAILABLE = "auth_unavailable"
    NOT_AUTHORIZED = "not_authorized"
    TOO_MANY_TUNNELS_OF_ACCOUNT = "too_many_tunnels_of_account"
    ENDED_FOR_MEMORY = "ended_for_memory"
    REVOKED = "revoked"
    UNCONFIRMED = "unconfirmed"
    REPLACED = "replaced"  # the device came back over a new tunnel
    STOPPED = "stopped"
    INTERNAL_ERROR = "internal_error"


class Refusal(Enum):
    """Why a tunnel, or a token that came over it, was turned away."""

    TOO_MANY_UNAUTHENTICATED = "too many tunnels without a token"
    TOO_MANY_HANDSHAKES = "too many TLS handshakes under way"
    MEMORY_FULL = "the memory is nearly full"
    TOO_MANY_TUNNELS = "too many tunnels"
    TOO_MANY_TUNNELS_OF_ACCOUNT = "too many tunnels of the account"
    HANDSHAKE_TIMEOUT = "handshake_timeout"
    AUTH_TIMEOUT = "auth_timeout"
    WRONG_TOKEN = "wrong token"  # noqa: S105 -- the words of the log
    TOKEN_PENALTY = "the token was wrong too often"  # noqa: S105 -- the words of the log
    SOURCE_PENALTY = "too many wrong tokens from there"
    NOT_CHECKED = "the token could not be checked"
    FLOODED = "too many messages before the answer"
    NOT_AUTHORIZED = "substream before a right token"
    PROXY_HEADER = "no header of the PROXY protocol from a load balancer"


class Witness(Interface):
    """Who counts. Records are open while they move: `bytes_…` grow until they are closed."""

    def tunnel_opened(self, record: TunnelRecord) -> None: ...
    def tunnel_secured(self, record: TunnelRecord) -> None: ...
    def tunnel_closed(self, record: TunnelRecord, outcome: TunnelOutcome) -> None: ...
    def substream_opened(self, record: SubstreamRecord) -> None: ...
    def substream_closed(self, record: SubstreamRecord, outcome: Outcome) -> None: ...
    def refused(self, why: Refusal) -> None: ...
    def tcp_checked(self) -> None: ...


class Nobody:
    """Counts nothing."""

    def tunnel_opened(self, record: TunnelRecord) -> None: ...
    def tunnel_secured(self, record: TunnelRecord) -> None: ...
    def tunnel_closed(self, record: TunnelRecord, outcome: TunnelOutcome) -> None: ...
    def substream_opened(self, record: SubstreamRecord) -> None: ...
    def substream_closed(self, record: SubstreamRecord, outcome: Outcome) -> None: ...
    def refused(self, why: Refusal) -> None: ...
    def tcp_checked(self) -> None: ...


class Listener(Enum):
    """Where devices come to."""

    MAIN = "main"
    LEGACY = "legacy"  # Tessel 1 boards, and what passes for one


_LEVELS = {
    TunnelOutcome.NOTHING_SENT: LogLevel.debug,
    TunnelOutcome.PROTOCOL_FAULT: LogLevel.warn,
    TunnelOutcome.TOO_MANY_WRONG_TOKENS: LogLevel.warn,
    TunnelOutcome.AUTH_UNAVAILABLE: LogLevel.warn,
}  # of tunnels' ends; the others are told at info


QUICK_RETURN_S: Final = 60.0
"""A device that loses its network or its power comes back less often than this."""

MAX_QUICK_RETURNS: Final = 2
"""In a row. A restart and a lost link may coincide; more look like two devices with one name."""

_REFUSED_ACCOUNTS = (TunnelOutcome.TOO_MANY_TUNNELS_OF_ACCOUNT,)


@dataclass(slots=True, kw_only=True, eq=False)
class TunnelRecord:
    """One tunnel, from its first byte on."""

    tunnel: int
    peer: str
    started_at: float
    listener: Listener = Listener.MAIN
    witness: Witness = field(default_factory=Nobody)
    lines: Lines = field(default_factory=EachLine)
    account: str | None = None
    device: str | None = None
    resumed: bool = False  # its TLS session was an earlier one
    quick_returns: int = 0  # replacements in a row, each of a tunnel younger than QUICK_RETURN_S
    substreams: int = 0
    bytes_from_device: int = 0
    bytes_from_target: int = 0

    def __post_init__(self) -> None:
        self.witness.tunnel_opened(self)

    def add(self, substream: SubstreamRecord) -> None:
        """Count what a substream moved, when it has closed."""
        self.substreams += 1
        self.bytes_from_device += substream.bytes_from_device
        self.bytes_from_target += substream.bytes_from_target

    def secured(self, *, resumed: bool) -> None:
        """The TLS handshake is done."""
        self.resumed = resumed
        self.witness.tunnel_secured(self)

    def replaces(self, older: TunnelRecord) -> None:
        """Count it, if the older tunnel of the device was young."""
        if self.started_at - older.started_at < QUICK_RETURN_S:
            self.quick_returns = older.quick_returns + 1

    def log_authenticated(self, features: frozenset[str]) -> None:
        _log.info(
            "tunnel {tunnel} of {peer} is {account}'s",
            event="tunnel_authenticated",
            tunnel=self.tunnel,
            peer=self.peer,
            account=self.account,
            device=self.device,
            listener=self.listener.value,
            features=sorted(features),
            resumed=self.resumed,
        )
        if self.quick_returns > MAX_QUICK_RETURNS:
            self._log_quick_returns()

    def _log_quick_returns(self) -> None:
        why = (
            f"device {self.device} of account {self.account} replaces its own tunnel again and "
            "again: do two devices have the same name (PROXY_DEVICE)?"
        )
        event, error = "device_name_shared", number_of(TunnelOutcome.REPLACED)

        def write() -> None:
            _log.warn(
                "tunnel {tunnel} of {peer}: {why}",
                event=event,
                tunnel=self.tunnel,
                peer=self.peer,
                account=self.account,
                device=self.device,
                error=error,
                why=why,
            )

        kind = Kind(event, "shared name", source_of_peer(self.peer), detail=why, error=error)
        self.lines.tell(kind, write)

    def log_refused(self, why: Refusal) -> None:
        log_refused(self.tunnel, self.peer, why, self.witness, self.lines)

    def log_closed(self, now: float, outcome: TunnelOutcome, why: str) -> None:
        self.witness.tunnel_closed(self, outcome)

        def write() -> None:
            self._log_closed(now, outcome, why)

        if self.substreams or (self.account and outcome not in _REFUSED_ACCOUNTS):
            write()
        else:
            self.lines.tell(self._kind_of_end(outcome, why), write)

    def _kind_of_end(self, outcome: TunnelOutcome, why: str) -> Kind:
        return Kind(
            "tunnel_closed",
            outcome.value,
            source_of_peer(self.peer),
            detail=f"{self.account}: {why}" if self.account else why,
            level=_LEVELS.get(outcome, LogLevel.info),
            error=number_of(outcome),
        )

    def _log_closed(self, now: float, outcome: TunnelOutcome, why: str) -> None:
        _log.emit(
            _LEVELS.get(outcome, LogLevel.info),
            "tunnel {tunnel} of {peer} closed: {outcome}; {log_whose}, {log_moved}, {seconds} s: "
            "{why}",
            event="tunnel_closed",
            log_whose=_whose(self),
            log_moved=f"{counted(self.substreams, 'substream')}, {_moved(self)} targets",
            tunnel=self.tunnel,
            peer=self.peer,
            account=self.account,
            device=self.device,
            listener=self.listener.value,
            substreams=self.substreams,
            bytes_from_device=self.bytes_from_device,
            bytes_from_target=self.bytes_from_target,
            seconds=round(now - self.started_at, 3),
            outcome=outcome.value,
            error=number_of(outcome),
            why=why,
        )


class ReplacedError(Exception):
    """A tunnel was cut since its device came back over a newer one."""

    def __init__(self, newer: TunnelRecord) -> None:
        super().__init__(f"the device came back over tunnel {newer.tunnel} of {newer.peer}")


_SUBSTREAM_CLOSED = (
    "substream {substream} of tunnel {tunnel} to {log_where} closed: {outcome}; "
    "{log_whose}, {kind}, {log_moved}, {seconds} s"
)
_SUBSTREAM_REFUSED = _SUBSTREAM_CLOSED + "; refused by the rule {rule}"


@dataclass(slots=True, kw_only=True, eq=False)
class SubstreamRecord:
    """One substream, from its opening on."""

    of: TunnelRecord
    substream: int
    kind: str
    started_at: float
    target: str = ""
    address: str = ""
    rule: str = ""  # that refused the target
    bytes_from_device: int = 0
    bytes_from_target: int = 0

    def __post_init__(self) -> None:
        self.of.witness.substream_opened(self)

    def close(self, now: float, outcome: Outcome) -> None:
        """Write the closing line, and add up what was moved."""
        self.of.add(self)
        self.of.witness.substream_closed(self, outcome)
        _log.emit(
            LogLevel.info,
            _SUBSTREAM_REFUSED if self.rule else _SUBSTREAM_CLOSED,
            event="substream_closed",
            log_where=_where(self),
            log_whose=_whose(self.of),
            log_moved=f"{_moved(self)} the target",
            tunnel=self.of.tunnel,
            substream=self.substream,
            account=self.of.account,
            device=self.of.device,
            kind=self.kind,
            target=self.target,
            address=self.address,
            bytes_from_device=self.bytes_from_device,
            bytes_from_target=self.bytes_from_target,
            seconds=round(now - self.started_at, 3),
            outcome=outcome.value,
            error=number_of(outcome),
            rule=self.rule,
        )


# Keys that begin with log_ are for the text alone: as fields the numbers stand for themselves.


def _whose(tunnel: TunnelRecord) -> str:
    account = "no account" if tunnel.account is None else f"account {tunnel.account}"
    device = "no device name" if tunnel.device is None else f"device {tunnel.device}"
    return f"{account}, {device}"


def _moved(record: TunnelRecord | SubstreamRecord) -> str:
    nbytes = counted(record.bytes_from_device, "byte")
    return f"{nbytes} from the device, {record.bytes_from_target} from"


def _where(substream: SubstreamRecord) -> str:
    if not substream.target:
        return "no target"
    if substream.address in ("", substream.target):
        return substream.target
    return f"{substream.target} ({substream.address})"


def log_would_refuse(tunnel: int, account: str, target: str, address: str, rule: str) -> None:
    """EGRESS_MODE=report: this target was let through all the same."""
    _log.warn(
        "{target} of tunnel {tunnel} would be refused: {rule}",
        event="egress_would_refuse",
        tunnel=tunnel,
        account=account,
        target=target,
        address=address,
        rule=rule,
        error=Number.WOULD_BE_REFUSED.value,
    )


def log_refused(
    tunnel: int | None, peer: str, why: Refusal, witness: Witness, lines: Lines = _EACH_LINE
) -> None:
    """A tunnel, or a token that came over it, was turned away."""
    witness.refused(why)

    def write() -> None:
        form = "tunnel {tunnel} of {peer} refused: {why}"
        _log.warn(
            "connection of {peer} refused: {why}" if tunnel is None else form,
            event="tunnel_refused",
            tunnel=tunnel,
            peer=peer,
            why=why.value,
            error=number_of(why),
        )

    source = source_of_peer(peer)
    lines.tell(Kind("tunnel_refused", why.value, source, error=number_of(why)), write)


def source_of_peer(peer: str) -> str:
    """Whoever is behind a peer's name: its address without the port; of IPv6, its network."""
    host = peer.rpartition(":")[0]
    return source_of(host.removeprefix("[").removesuffix("]"))


def peer_name(address: IAddress) -> str:
    """An address as it stands in the log: IPv4 that came in over IPv6 as IPv4."""
    match address:
        case IPv4Address():
            return f"{address.host}:{address.port}"
        case IPv6Address():
            host = address.host.removeprefix("::ffff:")
            return f"[{host}]:{address.port}" if ":" in host else f"{host}:{address.port}"
        case _:
            return str(address)
