"""Error codes: the TP numbers in the log's `error` field, each explained in docs/errors.md.

A code never changes its meaning and is never used again. Programs on devices see Node's error codes
instead: TP numbers are for people who read logs and documents.
"""

from __future__ import annotations

from enum import StrEnum


class ErrorCode(StrEnum):
    """An error number (TP…), as the log shows it and docs/errors.md explains it."""

    # a program's connection to its target failed
    BAD_REQUEST = "TP1001"
    TOO_MANY_SUBSTREAMS = "TP1002"
    TOO_MUCH_EARLY_DATA = "TP1003"
    LOOKUP_FAILED = "TP1004"
    REFUSED_BY_POLICY = "TP1005"
    CONNECT_FAILED = "TP1006"
    TLS_FAILED = "TP1007"
    RESET_BY_TARGET = "TP1008"
    FAILED_BY_DEVICE = "TP1009"
    TUNNEL_LOST = "TP1010"
    STALLED = "TP1020"
    TOO_MANY_SUBSTREAMS_OF_ACCOUNT = "TP1011"
    TOO_MANY_SUBSTREAMS_IN_ALL = "TP1012"
    OPENS_TOO_FAST = "TP1013"
    SILENT_TOO_LONG = "TP1014"
    QUOTA_SPENT = "TP1015"
    WINDOWS_USED_UP = "TP1016"
    TUNNEL_REPLACED = "TP1021"

    # a device's tunnel was turned away, or ended
    TOO_MANY_UNAUTHENTICATED = "TP2001"
    HANDSHAKE_FAILED = "TP2002"
    HANDSHAKE_TIMEOUT = "TP2003"
    AUTH_TIMEOUT = "TP2004"
    WRONG_TOKEN = "TP2005"  # noqa: S105 -- a number
    NOT_CHECKED = "TP2006"
    TOO_MANY_WRONG_TOKENS = "TP2007"
    AUTH_UNAVAILABLE = "TP2021"
    SILENT = "TP2022"
    REPLACED = "TP2031"
    ENDED_BY_OPERATOR = "TP2032"
    REFUSED_BY_OPERATOR = "TP2033"
    FLOODED = "TP2008"
    NOT_AUTHORIZED = "TP2009"
    PROTOCOL_FAULT = "TP2010"
    LOST = "TP2011"
    REVOKED = "TP2012"
    UNCONFIRMED = "TP2013"
    TOO_MANY_TUNNELS = "TP2014"
    TOO_MANY_HANDSHAKES = "TP2015"
    TOO_MANY_TUNNELS_OF_ACCOUNT = "TP2016"
    TOKEN_PENALTY = "TP2017"  # noqa: S105 -- a number
    SOURCE_PENALTY = "TP2018"
    MEMORY_FULL = "TP2019"
    ENDED_FOR_MEMORY = "TP2020"
    WRONG_INVITATION = "TP2034"

    # the operator is asked to do something
    SETTINGS = "TP3001"
    CANNOT_LISTEN = "TP3002"
    CREDENTIALS = "TP3003"
    CERTIFICATE_EXPIRES = "TP3004"
    PROXY_HEADER = "TP3005"
    INTERNAL_ERROR = "TP3006"
    RELOAD_FAILED = "TP3007"
    FEW_DESCRIPTORS = "TP3008"
    NO_THREAD = "TP3009"
    NOT_RECHECKED = "TP3010"
    WOULD_BE_REFUSED = "TP3011"
    REVOCATIONS_EXPIRED = "TP3020"
    WORKER_DIED = "TP3030"
    CRASH_LOOP = "TP3031"
    UPGRADE_FAILED = "TP3032"
    SUPERVISOR_LOST = "TP3033"
    ENGINE_AWAY = "TP3034"
    ENGINE_EVICTS = "TP3035"
    WORKER_HANGS = "TP3036"
    REFUSALS_NOT_KEPT = "TP3040"
    USAGE_NOT_WRITTEN = "TP3041"
    AUDIT_NOT_WRITTEN = "TP3042"
    TRACES_NOT_SENT = "TP3043"
    INVITATIONS_UNUSABLE = "TP3050"
