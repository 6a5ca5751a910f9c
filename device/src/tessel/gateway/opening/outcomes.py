"""The ends of a client's attempt to connect, and the code of each protocol for them.

docs/gateway.md has the same table; a test compares them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus
from types import MappingProxyType
from typing import Final

from tessel.errors import NodeError, ProxyUnreachedError


class Outcome(Enum):
    """The end of an attempt to connect. The value is the text for people."""

    CONNECTED = "connected"
    REFUSED = "the target refused the connection"
    HOST_UNREACHABLE = "the target's host cannot be reached"
    NETWORK_UNREACHABLE = "the target's network cannot be reached"
    NAME_NOT_FOUND = "the target's name has no address"
    NAME_UNKNOWN_NOW = "the target's name could not be looked up"
    NOT_ALLOWED = "the proxy's rules do not allow this target"
    TIMED_OUT = "the target did not answer in time"
    PROXY_UNREACHED = "the proxy could not be reached"
    TOKEN_REFUSED = "the proxy refused the device's token"  # noqa: S105 - a text
    TOO_MANY = "the device or the proxy has no room for another connection"
    FAILED = "the connection failed"
    UNSUPPORTED_COMMAND = "command not supported: the gateway only connects (no BIND, no UDP)"
    UNSUPPORTED_ADDRESS = "address type not supported"
    MALFORMED = "the request is malformed"
    WRONG_PASSWORD = "user or password is missing or wrong"  # noqa: S105 - a text
    UNSUPPORTED_SCHEME = "only http:// can be requested; use CONNECT for all else"
    NOT_FOR_A_PROXY = "this port is a proxy, not a web site: set it as the proxy of a program"
    HEAD_TOO_LARGE = "the request's head is too large"
    UNKNOWN_PROTOCOL = "neither SOCKS4, SOCKS5 nor an HTTP proxy request"
    TOO_SLOW = "the request was not complete in time"


@dataclass(frozen=True, slots=True)
class Codes:
    """The codes for one outcome: REP of RFC 1928, CD of SOCKS4, and the status of HTTP."""

    socks5: int
    socks4: int
    http: HTTPStatus


GRANTED: Final = 0x5A  # of SOCKS4, which has only this code and three for failures
REJECTED: Final = 0x5B

GENERAL_FAILURE: Final = 1
NOT_ALLOWED_BY_RULES: Final = 2
NETWORK_UNREACHABLE: Final = 3
HOST_UNREACHABLE: Final = 4
CONNECTION_REFUSED: Final = 5
TTL_EXPIRED: Final = 6  # the nearest to a timeout; others (OpenSSH, Tor) use it so, too
COMMAND_NOT_SUPPORTED: Final = 7
ADDRESS_TYPE_NOT_SUPPORTED: Final = 8

CODES: Final[Mapping[Outcome, Codes]] = MappingProxyType(
    {
        Outcome.CONNECTED: Codes(0, GRANTED, HTTPStatus.OK),
        Outcome.REFUSED: Codes(CONNECTION_REFUSED, REJECTED, HTTPStatus.BAD_GATEWAY),
        Outcome.HOST_UNREACHABLE: Codes(HOST_UNREACHABLE, REJECTED, HTTPStatus.BAD_GATEWAY),
        Outcome.NETWORK_UNREACHABLE: Codes(NETWORK_UNREACHABLE, REJECTED, HTTPStatus.BAD_GATEWAY),
        Outcome.NAME_NOT_FOUND: Codes(HOST_UNREACHABLE, REJECTED, HTTPStatus.BAD_GATEWAY),
        Outcome.NAME_UNKNOWN_NOW: Codes(HOST_UNREACHABLE, REJECTED, HTTPStatus.BAD_GATEWAY),
        Outcome.NOT_ALLOWED: Codes(NOT_ALLOWED_BY_RULES, REJECTED, HTTPStatus.FORBIDDEN),
        Outcome.TIMED_OUT: Codes(TTL_EXPIRED, REJECTED, HTTPStatus.GATEWAY_TIMEOUT),
        Outcome.PROXY_UNREACHED: Codes(GENERAL_FAILURE, REJECTED, HTTPStatus.SERVICE_UNAVAILABLE),
        Outcome.TOKEN_REFUSED: Codes(GENERAL_FAILURE, REJECTED, HTTPStatus.SERVICE_UNAVAILABLE),
        Outcome.TOO_MANY: Codes(GENERAL_FAILURE, REJECTED, HTTPStatus.SERVICE_UNAVAILABLE),
        Outcome.FAILED: Codes(GENERAL_FAILURE, REJECTED, HTTPStatus.BAD_GATEWAY),
        Outcome.UNSUPPORTED_COMMAND: Codes(
            COMMAND_NOT_SUPPORTED, REJECTED, HTTPStatus.NOT_IMPLEMENTED
        ),
        Outcome.UNSUPPORTED_ADDRESS: Codes(
            ADDRESS_TYPE_NOT_SUPPORTED, REJECTED, HTTPStatus.BAD_REQUEST
        ),
        Outcome.MALFORMED: Codes(GENERAL_FAILURE, REJECTED, HTTPStatus.BAD_REQUEST),
        Outcome.WRONG_PASSWORD: Codes(
            NOT_ALLOWED_BY_RULES, REJECTED, HTTPStatus.PROXY_AUTHENTICATION_REQUIRED
        ),
        Outcome.UNSUPPORTED_SCHEME: Codes(
            COMMAND_NOT_SUPPORTED, REJECTED, HTTPStatus.NOT_IMPLEMENTED
        ),
        Outcome.NOT_FOR_A_PROXY: Codes(GENERAL_FAILURE, REJECTED, HTTPStatus.BAD_REQUEST),
        Outcome.HEAD_TOO_LARGE: Codes(
            GENERAL_FAILURE, REJECTED, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
        ),
        Outcome.UNKNOWN_PROTOCOL: Codes(GENERAL_FAILURE, REJECTED, HTTPStatus.BAD_REQUEST),
        Outcome.TOO_SLOW: Codes(GENERAL_FAILURE, REJECTED, HTTPStatus.REQUEST_TIMEOUT),
    }
)
"""The codes of the protocols for each outcome. SOCKS5 refuses a wrong password with codes of its
own, before a request."""

_BY_CODE: Final[Mapping[str, Outcome]] = MappingProxyType(
    {
        "ECONNREFUSED": Outcome.REFUSED,
        "EHOSTUNREACH": Outcome.HOST_UNREACHABLE,
        "ENETUNREACH": Outcome.NETWORK_UNREACHABLE,
        "ENOTFOUND": Outcome.NAME_NOT_FOUND,
        "EAI_AGAIN": Outcome.NAME_UNKNOWN_NOW,
        "EACCES": Outcome.NOT_ALLOWED,
        "ETIMEDOUT": Outcome.TIMED_OUT,
        "ERR_PROXY_AUTHORIZATION": Outcome.TOKEN_REFUSED,
        "EAGAIN": Outcome.TOO_MANY,
        "EMFILE": Outcome.TOO_MANY,
        "ENFILE": Outcome.TOO_MANY,
        "ENOBUFS": Outcome.TOO_MANY,
    }
)
"""The outcome for each code of the network's errors; any other code is FAILED."""


def outcome_of(error: NodeError) -> Outcome:
    """Return the outcome for an error with which an attempt to connect has ended."""
    if isinstance(error, ProxyUnreachedError):
        return Outcome.PROXY_UNREACHED  # its code is about the proxy, not about the target
    return _BY_CODE.get(error.code, Outcome.FAILED)
