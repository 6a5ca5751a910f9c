"""The log lines about tunnels, substreams and refusals: their texts and their fields.

Names of accounts, devices and targets come from other people: they are fields, never part of a
format. Fields that begin with `log_` are for the text only; JSON carries the numbers themselves.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from twisted.logger import Logger
from twisted.python.failure import Failure

from tessel_proxy.records.ends import Outcome, Refusal, TunnelOutcome
from tessel_proxy.records.error_codes import ErrorCode
from tessel_proxy.records.peers import source_of_peer
from tessel_proxy.records.repeated_lines import LineKind, LogLines
from tessel_service_kit.logs import FrequentLogger, quoted
from tessel_service_kit.texts import counted

if TYPE_CHECKING:
    from tessel_proxy.records.accounting import SubstreamRecord, TunnelRecord

_log = Logger()
_frequent_log = FrequentLogger()


def tunnel_authenticated(record: TunnelRecord, features: frozenset[str]) -> None:
    """Log that the token of a tunnel was accepted; `features`: those that both ends support."""
    _log.info(
        "tunnel {tunnel} of {peer} belongs to account {account}",
        event="tunnel_authenticated",
        tunnel=record.tunnel,
        peer=record.peer,
        account=record.account,
        device=record.device,
        listener=record.listener.value,
        features=sorted(features),
        resumed=record.resumed,
    )


def device_name_shared(record: TunnelRecord) -> None:
    """Log a warning that a device replaces its own tunnel again and again.

    Two devices may have the same name.
    """
    why = (
        f"device {record.device} of account {record.account} replaces its own tunnel again and "
        "again: do two devices have the same name (PROXY_DEVICE)?"
    )
    event, error = "device_name_shared", error_value(TunnelOutcome.REPLACED.error)

    def write() -> None:
        _log.warn(
            "tunnel {tunnel} of {peer}: {why}",
            event=event,
            tunnel=record.tunnel,
            peer=record.peer,
            account=record.account,
            device=record.device,
            error=error,
            why=why,
        )

    source = source_of_peer(record.peer)
    record.lines.log(LineKind(event, "shared name", source, detail=why, error=error), write)


def tunnel_closed(
    record: TunnelRecord, lines: LogLines, lasted_s: float, outcome: TunnelOutcome, why: str
) -> None:
    """Log the end of a tunnel, in one line with its totals.

    Args:
        record: the facts about the tunnel.
        lines: decides whether the line is written or summed up.
        lasted_s: seconds that the tunnel was open.
        outcome: how the tunnel ended.
        why: the reason why the connection closed, in words.
    """
    kind = LineKind(
        "tunnel_closed",
        outcome.value,
        source_of_peer(record.peer),
        detail=f"{record.account}: {why}" if record.account else why,
        level=outcome.level,
        error=error_value(outcome.error),
    )

    def write() -> None:
        _log.emit(
            outcome.level,
            "tunnel {tunnel} of {peer} closed: {outcome}; {log_whose}, {log_moved}, {seconds} s: "
            "{why}",
            event="tunnel_closed",
            log_whose=_whose(record.account, record.device),
            log_moved=f"{counted(record.substreams, 'substream')}, {_moved(record)} targets",
            tunnel=record.tunnel,
            peer=record.peer,
            account=record.account,
            device=record.device,
            listener=record.listener.value,
            substreams=record.substreams,
            bytes_from_device=record.bytes_from_device,
            bytes_from_target=record.bytes_from_target,
            seconds=round(lasted_s, 3),
            outcome=outcome.value,
            error=kind.error,
            why=why,
            **_trace_id(record),
        )

    lines.log(kind, write)


def substream_closed(record: SubstreamRecord, outcome: Outcome) -> None:
    """Log the end of a substream, in one line with its totals."""
    error = error_value(outcome.error)
    _frequent_log.info_of("substream_closed", error, _substream_end, record, outcome)


def _substream_end(record: SubstreamRecord, outcome: Outcome) -> tuple[str, str]:
    """Return the message and the fields of the line, as FrequentLogger wants them.

    A busy proxy writes this line for each connection: a call more costs as much as a field.
    """
    of, target, address, kind = record.of, record.target, record.address, record.kind
    tunnel, whose, owner = _tunnel_as_text(of.tunnel, of.account, of.device)
    number, seconds, code = str(record.substream), _rounded(record.lasted_s), outcome.code
    from_device, from_target = str(record.bytes_from_device), str(record.bytes_from_target)
    noun = "byte" if from_device == "1" else "bytes"
    error = "null" if outcome.error is None else f'"{outcome.error.value}"'
    message = (
        f"substream {number} of tunnel {tunnel} to {_where(target, address)} closed: {code}; "
        f"{whose}, {kind}, {from_device} {noun} from the device, {from_target} from the target, "
        f"{seconds} s"
    )
    fields = (
        f'"tunnel":{tunnel},"substream":{number},{owner},"kind":"{kind}",'
        f'"target":{quoted(target)},"address":{quoted(address)},'
        f'"bytes_from_device":{from_device},"bytes_from_target":{from_target},'
        f'"seconds":{seconds},"outcome":"{code}","error":{error},"rule":{quoted(record.rule)}'
    )
    if record.rule:
        message += f"; refused by the rule {record.rule}"
    if record.trace is not None:
        fields += f',"trace_id":{quoted(record.trace.trace_id)}'
    return message, fields


@lru_cache(maxsize=256)  # tunnels that open substreams at the same time, 0.5 KiB each
def _tunnel_as_text(number: int, account: str | None, device: str | None) -> tuple[str, str, str]:
    """Return the number of a tunnel, whose it is, and whose it is as JSON fields."""
    name = "null" if account is None else quoted(account)
    fields = f'"account":{name},"device":{"null" if device is None else quoted(device)}'
    return str(number), _whose(account, device), fields


def _where(target: str, address: str) -> str:
    if not target:
        return "no target"
    return f"{target} ({address})" if address and address != target else target


def _rounded(seconds: float) -> str:
    """Return `repr(round(seconds, 3))`, for less than half of its cost."""
    text = f"{seconds:.3f}".rstrip("0")
    return f"{text}0" if text[-1] == "." else text


def refused(tunnel: int | None, peer: str, why: Refusal, lines: LogLines) -> None:
    """Log that a connection (`tunnel` None), a tunnel or a token on it was refused, and why."""
    text, error = why.text, why.error.value

    def write() -> None:
        form = "tunnel {tunnel} of {peer} refused: {why}"
        _log.warn(
            "connection of {peer} refused: {why}" if tunnel is None else form,
            event="tunnel_refused",
            tunnel=tunnel,
            peer=peer,
            why=text,
            error=error,
        )

    lines.log(LineKind("tunnel_refused", text, source_of_peer(peer), error=error), write)


def tunnel_failed(record: TunnelRecord, failure: Failure) -> None:
    """Log an unexpected error, with its traceback, that ends a tunnel."""
    _log.failure(
        "tunnel {tunnel} of {peer} failed",
        failure=failure,
        tunnel=record.tunnel,
        peer=record.peer,
        error=ErrorCode.INTERNAL_ERROR.value,
    )


def would_be_refused(tunnel: int, account: str, target: str, address: str, rule: str) -> None:
    """Log that a target was allowed although `rule` refuses it, because EGRESS_MODE is report."""
    _log.warn(
        "{target} of tunnel {tunnel} would be refused by the rule {rule}",
        event="egress_would_refuse",
        tunnel=tunnel,
        account=account,
        target=target,
        address=address,
        rule=rule,
        error=ErrorCode.WOULD_BE_REFUSED.value,
    )


def error_value(error: ErrorCode | None) -> str | None:
    """Return the `error` field of a log line: the TP number, or None if there is no error."""
    return None if error is None else error.value


def _trace_id(record: TunnelRecord) -> dict[str, str]:
    return {} if record.trace is None else {"trace_id": record.trace.trace_id}


def _whose(account: str | None, device: str | None) -> str:
    whose = "no account" if account is None else f"account {account}"
    return f"{whose}, {'no device name' if device is None else f'device {device}'}"


def _moved(record: TunnelRecord) -> str:
    nbytes = counted(record.bytes_from_device, "byte")
    return f"{nbytes} from the device, {record.bytes_from_target} from"
