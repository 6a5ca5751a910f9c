"""The catalogue of ends: how substreams and tunnels end, and why tunnels and tokens are refused.

Each member is one row: its code (in the log and as a metrics label), its error code
(docs/errors.md), the level and text of its log line, and the message to the device. A code never
changes its meaning.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, Self

from twisted.logger import LogLevel

from streamplex.conversation import Reason
from tessel_proxy.records.error_codes import ErrorCode


class Outcome(Enum):
    """A way in which a substream ended.

    `code` is the value, without the property of Enum. `error` is the error code, or None if this
    end is no error. `device_error` is the part of the device's error message after the system call
    ("connect", "read" or "write"); "" if the device gets no error or one that names the target.
    """

    # Enum's own __hash__ is a Python call for each table look-up.
    __hash__ = object.__hash__

    code: str
    error: ErrorCode | None
    device_error: str

    def __new__(cls, code: str, error: ErrorCode | None = None, device_error: str = "") -> Self:
        member = object.__new__(cls)
        member._value_ = member.code = code
        member.error = error
        member.device_error = device_error
        return member

    ENDED = "ended"
    ENDED_WITHOUT_CLOSE_NOTIFY = "ended_without_close_notify"
    LEFT_BY_DEVICE = "left_by_device"  # the program reads no more: no error
    BAD_REQUEST = "bad_request", ErrorCode.BAD_REQUEST
    TOO_MANY_SUBSTREAMS = (
        "too_many_substreams",
        ErrorCode.TOO_MANY_SUBSTREAMS,
        "EMFILE: too many substreams of this tunnel are open",
    )
    TOO_MANY_SUBSTREAMS_OF_ACCOUNT = (
        "too_many_substreams_of_account",
        ErrorCode.TOO_MANY_SUBSTREAMS_OF_ACCOUNT,
        "EMFILE: too many substreams of this account",
    )
    TOO_MANY_SUBSTREAMS_IN_ALL = (
        "too_many_substreams_in_all",
        ErrorCode.TOO_MANY_SUBSTREAMS_IN_ALL,
        "EMFILE: too many substreams at this proxy",
    )
    WINDOWS_USED_UP = (
        "windows_used_up",
        ErrorCode.WINDOWS_USED_UP,
        "EMFILE: the windows of this tunnel are used up",
    )
    OPENS_TOO_FAST = (
        "opens_too_fast",
        ErrorCode.OPENS_TOO_FAST,
        "EMFILE: too many substreams in too short a time",
    )
    QUOTA_SPENT = (
        "quota_spent",
        ErrorCode.QUOTA_SPENT,
        "EDQUOT: the account has moved all the bytes of its day",
    )
    TOO_MUCH_EARLY_DATA = (
        "too_much_early_data",
        ErrorCode.TOO_MUCH_EARLY_DATA,
        "ENOBUFS: too much data before _pls_connect",
    )
    SILENT_TOO_LONG = (
        "silent_too_long",
        ErrorCode.SILENT_TOO_LONG,
        "ETIMEDOUT: nothing was sent either way for too long",
    )
    LOOKUP_FAILED = "lookup_failed", ErrorCode.LOOKUP_FAILED
    REFUSED_BY_POLICY = "refused_by_policy", ErrorCode.REFUSED_BY_POLICY
    CONNECT_FAILED = "connect_failed", ErrorCode.CONNECT_FAILED
    TLS_FAILED = "tls_failed", ErrorCode.TLS_FAILED
    RESET_BY_TARGET = "reset_by_target", ErrorCode.RESET_BY_TARGET
    FAILED_BY_DEVICE = "failed_by_device", ErrorCode.FAILED_BY_DEVICE
    STALLED = "stalled", ErrorCode.STALLED  # the target took nothing, so the whole tunnel waited
    TUNNEL_LOST = "tunnel_lost", ErrorCode.TUNNEL_LOST
    TUNNEL_REPLACED = "tunnel_replaced", ErrorCode.TUNNEL_REPLACED  # by the device's newer tunnel
    INTERNAL_ERROR = (
        "internal_error",
        ErrorCode.INTERNAL_ERROR,
        "ECONNABORTED: internal error of the proxy",
    )


REFUSED: Final = frozenset(
    {
        Outcome.TOO_MANY_SUBSTREAMS,
        Outcome.TOO_MANY_SUBSTREAMS_OF_ACCOUNT,
        Outcome.TOO_MANY_SUBSTREAMS_IN_ALL,
        Outcome.WINDOWS_USED_UP,
        Outcome.OPENS_TOO_FAST,
        Outcome.QUOTA_SPENT,
        Outcome.REFUSED_BY_POLICY,
    }
)
"""Ends of substreams that a limit or a rule of the proxy refused."""


class TunnelOutcome(Enum):
    """A way in which a tunnel ended.

    `value` is the code, `error` the error code (None: no error), `level` the level of the tunnel's
    closing log line.
    """

    error: ErrorCode | None
    level: LogLevel

    def __new__(
        cls, code: str, error: ErrorCode | None = None, level: LogLevel = LogLevel.info
    ) -> Self:
        member = object.__new__(cls)
        member._value_ = code
        member.error = error
        member.level = level
        return member

    ENDED = "ended"
    STOPPED = "stopped"  # the proxy stops
    NOTHING_SENT = "nothing_sent", None, LogLevel.debug  # a load balancer's TCP check
    LOST = "lost", ErrorCode.LOST
    SILENT = "silent", ErrorCode.SILENT  # the device did not answer pings
    PROTOCOL_FAULT = "protocol_fault", ErrorCode.PROTOCOL_FAULT, LogLevel.warn
    HANDSHAKE_FAILED = "handshake_failed", ErrorCode.HANDSHAKE_FAILED
    HANDSHAKE_TIMEOUT = "handshake_timeout", ErrorCode.HANDSHAKE_TIMEOUT
    AUTH_TIMEOUT = "auth_timeout", ErrorCode.AUTH_TIMEOUT
    TOO_MANY_WRONG_TOKENS = (
        "too_many_wrong_tokens",
        ErrorCode.TOO_MANY_WRONG_TOKENS,
        LogLevel.warn,
    )
    AUTH_UNAVAILABLE = "auth_unavailable", ErrorCode.AUTH_UNAVAILABLE, LogLevel.warn
    NOT_AUTHORIZED = "not_authorized", ErrorCode.NOT_AUTHORIZED
    TOO_MANY_TUNNELS_OF_ACCOUNT = (
        "too_many_tunnels_of_account",
        ErrorCode.TOO_MANY_TUNNELS_OF_ACCOUNT,
    )
    ENDED_FOR_MEMORY = "ended_for_memory", ErrorCode.ENDED_FOR_MEMORY
    REVOKED = "revoked", ErrorCode.REVOKED
    UNCONFIRMED = "unconfirmed", ErrorCode.UNCONFIRMED
    REPLACED = "replaced", ErrorCode.REPLACED  # by the device's newer tunnel
    ENDED_BY_OPERATOR = "ended_by_operator", ErrorCode.ENDED_BY_OPERATOR
    REFUSED_BY_OPERATOR = "refused_by_operator", ErrorCode.REFUSED_BY_OPERATOR
    JOINED = "joined"  # the device got what it needs to come back with a token
    WRONG_INVITATION = "wrong_invitation", ErrorCode.WRONG_INVITATION
    INTERNAL_ERROR = "internal_error", ErrorCode.INTERNAL_ERROR


class Refusal(Enum):
    """A reason to refuse a tunnel, or a token that arrived over it.

    `value` is the code, `error` the error code, `text` the reason in the log. `reason` is the
    answer to a device with reason/1, None if the refusal is no answer to a token. `try_again` says
    whether the same token may be accepted later (retry/1).
    """

    error: ErrorCode
    text: str
    reason: Reason | None
    try_again: bool

    def __new__(
        cls, error: ErrorCode, text: str, reason: Reason | None = None, try_again: bool = False
    ) -> Self:
        member = object.__new__(cls)
        member._value_ = error.name.lower()
        member.error = error
        member.text = text
        member.reason = reason
        member.try_again = try_again
        return member

    TOO_MANY_UNAUTHENTICATED = (
        ErrorCode.TOO_MANY_UNAUTHENTICATED,
        "too many tunnels without a token",
    )
    TOO_MANY_HANDSHAKES = ErrorCode.TOO_MANY_HANDSHAKES, "too many TLS handshakes in progress"
    MEMORY_FULL = ErrorCode.MEMORY_FULL, "the memory is nearly full"
    TOO_MANY_TUNNELS = ErrorCode.TOO_MANY_TUNNELS, "too many tunnels"
    TOO_MANY_TUNNELS_OF_ACCOUNT = (
        ErrorCode.TOO_MANY_TUNNELS_OF_ACCOUNT,
        "too many tunnels of the account",
        Reason.TOO_MANY_TUNNELS,
        True,
    )
    # The answer to the device says until when, and the operator's reason.
    REFUSED_BY_OPERATOR = (
        ErrorCode.REFUSED_BY_OPERATOR,
        "refused by the operator",
        Reason.REFUSED,
    )
    HANDSHAKE_TIMEOUT = ErrorCode.HANDSHAKE_TIMEOUT, "no complete TLS handshake in time"
    AUTH_TIMEOUT = ErrorCode.AUTH_TIMEOUT, "no token in time"
    WRONG_TOKEN = ErrorCode.WRONG_TOKEN, "wrong token", Reason.WRONG_TOKEN
    # The same token was wrong a moment ago, so it is not checked again.
    TOKEN_PENALTY = ErrorCode.TOKEN_PENALTY, "the token was wrong too often", Reason.WRONG_TOKEN
    # Not checked, so the token may be right.
    SOURCE_PENALTY = (
        ErrorCode.SOURCE_PENALTY,
        "too many wrong tokens from this address",
        Reason.TOO_MANY_ATTEMPTS,
        True,
    )
    NOT_CHECKED = (
        ErrorCode.NOT_CHECKED,
        "the token could not be checked",
        Reason.NOT_CHECKED,
        True,
    )
    FLOODED = ErrorCode.FLOODED, "too many messages while the token is checked"
    NOT_AUTHORIZED = ErrorCode.NOT_AUTHORIZED, "a substream before an accepted token"
    WRONG_INVITATION = ErrorCode.WRONG_INVITATION, "its invitation is not valid"
    PROXY_HEADER = ErrorCode.PROXY_HEADER, "no PROXY protocol header from a load balancer"
