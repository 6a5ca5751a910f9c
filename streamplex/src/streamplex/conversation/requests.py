"""Requests that a device makes on a substream: connect to a target, watch for idleness.

Their arguments come from peers that may send anything: each JSON value has a meaning or raises
BadRequestError.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from streamplex.jsontext import Json

CONNECT = "_pls_connect"
"""Event: connect to a target. Its arguments are the port and the host."""

IDLE_TIMEOUT = "_pls_timeout"
"""Event: report when no data was transferred for so many milliseconds. 0: stop that."""

MAX_HOST_CHARACTERS = 256  # a DNS name has at most 253; IDNA makes names longer
MAX_TIMEOUT_MS = 2**31 - 1  # the longest that a timer of JavaScript can count

_MAX_PORT = 65535
_PORT_DIGITS = re.compile(r"[0-9]{1,5}")
_SHOWN_CHARACTERS = 60
_MISSING: Json = object()  # the argument was not sent; `null` would be a value


class SubstreamKind(StrEnum):
    """The kind of connection that the proxy makes to a target.

    The value is the name on the wire.
    """

    NET = "net"  # TCP
    TLS = "tls"  # TLS between the proxy and the target


_NET, _TLS = SubstreamKind.NET, SubstreamKind.TLS


def substream_kind(name: str | None) -> SubstreamKind:
    """Return the kind of connection for the name with which a substream was opened.

    Unknown names and None mean TCP.
    """
    return _TLS if name == "tls" else _NET


class BadRequestError(Exception):
    """A device's request has arguments that are not allowed. The text is sent to the device."""


@dataclass(frozen=True, slots=True)
class ConnectRequest:
    """The port and host of the target that a device wants to reach through a substream."""

    port: int
    host: str

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def encode_connect(request: ConnectRequest) -> tuple[Json, ...]:
    """Return the arguments of the CONNECT event for this target."""
    return request.port, request.host


def decode_connect(args: tuple[Json, ...]) -> ConnectRequest:
    """Return the target that the arguments of a CONNECT event name.

    Raises BadRequestError if the port or the host is missing or not allowed.
    """
    port, host = (*args, _MISSING, _MISSING)[:2]
    try:
        return _request(port, host)
    except TypeError:  # a list or an object, which cannot be remembered and is not allowed
        return ConnectRequest(_port(port), _host(host))


@lru_cache(maxsize=128, typed=True)  # most devices connect to a handful of targets; 1 is not True
def _request(port: Json, host: Json) -> ConnectRequest:
    return ConnectRequest(_port(port), _host(host))


def _port(port: Json) -> int:
    if isinstance(port, str) and _PORT_DIGITS.fullmatch(port):
        port = int(port)
    if type(port) is not int or not 1 <= port <= _MAX_PORT:  # a boolean is an int to isinstance
        raise BadRequestError(
            f"ERR_SOCKET_BAD_PORT: port {_shown(port)}; allowed: an integer from 1 to {_MAX_PORT}"
        )
    return port


def _host(host: Json) -> str:
    if not isinstance(host, str) or not 0 < len(host) <= MAX_HOST_CHARACTERS:
        raise BadRequestError(
            f"ERR_INVALID_ARG_VALUE: host {_shown(host)}; "
            f"allowed: text of 1 to {MAX_HOST_CHARACTERS} characters"
        )
    return host


def encode_idle_timeout(timeout_ms: float) -> tuple[Json, ...]:
    """Return the arguments of the IDLE_TIMEOUT event. `timeout_ms` 0: no timeout."""
    return (timeout_ms,)


def decode_idle_timeout(args: tuple[Json, ...]) -> float:
    """Return the idle timeout in milliseconds from the arguments of an IDLE_TIMEOUT event.

    0 means no timeout. A timeout above MAX_TIMEOUT_MS becomes MAX_TIMEOUT_MS, because Node's timers
    cannot count further. Raises BadRequestError if the argument is not a finite number of at least
    0.
    """
    ms: Json = args[0] if args else _MISSING
    if isinstance(ms, bool) or not isinstance(ms, int | float) or not 0 <= ms < math.inf:
        raise BadRequestError(
            f"ERR_INVALID_ARG_VALUE: timeout {_shown(ms)}; "
            "allowed: milliseconds, a finite number of at least 0"
        )
    return float(min(ms, MAX_TIMEOUT_MS))


def _shown(value: Json) -> str:
    """Return the value as its sender wrote it: in JSON, not in Python's notation."""
    if value is _MISSING:
        return "missing"
    text = json.dumps(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."
