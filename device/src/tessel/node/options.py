"""The arguments of `connect`: `(port, host, callback)` or `(options, callback)` -> ConnectOptions.

Options may come as a mapping and as keyword arguments, which win. Options that are unknown are
ignored, as in Node: `http` hands all of its own on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from tessel.errors import NodeError
from tessel.network.interface import Target, TlsOptions

Callback: TypeAlias = Callable[..., object]
DEFAULT_HOST = "127.0.0.1"
HIGHEST_PORT = 65_535


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectOptions:
    """What a socket needs to know to connect."""

    target: Target
    proxy: bool = True  # False: never through the tunnel
    tls: TlsOptions = field(default_factory=TlsOptions)
    timeout_ms: float = 0
    no_delay: bool = False
    keep_alive: bool = False


def connect_arguments(
    first: int | str | Mapping[str, object] | None,
    rest: tuple[object, ...],
    named: Mapping[str, object],
) -> tuple[ConnectOptions, Callback | None]:
    """Sort out what Node's `connect` may be given."""
    options: dict[str, object] = {}
    if isinstance(first, Mapping):
        options.update(first)
    elif first is not None:
        options["port"] = first
    callback: Callback | None = None
    for argument in rest:
        if callable(argument):
            callback = argument
        elif isinstance(argument, Mapping):
            options.update(argument)
        elif argument is not None:
            options["host"] = argument
    options.update(named)
    given = options.pop("callback", None)
    return _parsed(options), given if callable(given) else callback


def _parsed(options: Mapping[str, object]) -> ConnectOptions:
    if options.get("path") is not None and "port" not in options:
        raise NodeError("A device has no UNIX sockets: `port` is expected", "ERR_INVALID_ARG_VALUE")
    return ConnectOptions(
        target=Target(_host(options.get("host")), valid_port(options.get("port"))),
        proxy=options.get("proxy") is not False,
        tls=TlsOptions(
            ca=_authorities(options.get("ca")),
            servername=_text_or_none(options.get("servername"), "servername"),
            reject_unauthorized=_flag_or_none(options.get("reject_unauthorized")),
        ),
        timeout_ms=valid_timeout(options.get("timeout") or 0),
        no_delay=bool(options.get("no_delay", False)),
        keep_alive=bool(options.get("keep_alive", False)),
    )


def valid_port(port: object) -> int:
    """A port, or its decimal digits as text."""
    if isinstance(port, str) and port.isascii() and port.isdigit():
        port = int(port[: len(str(HIGHEST_PORT)) + 1])
    if isinstance(port, int) and not isinstance(port, bool) and 0 <= port <= HIGHEST_PORT:
        return port
    raise NodeError(
        f"Port should be >= 0 and <= {HIGHEST_PORT}. Received {port!r}.", "ERR_SOCKET_BAD_PORT"
    )


def valid_timeout(timeout_ms: object) -> float:
    """Milliseconds, finite and not negative."""
    if isinstance(timeout_ms, int | float) and 0 <= timeout_ms < float("inf"):
        return timeout_ms
    raise NodeError(
        f"The timeout must be a finite number of at least 0. Received {timeout_ms!r}",
        "ERR_OUT_OF_RANGE",
    )


def _host(host: object) -> str:
    return _text_or_none(host, "host") or DEFAULT_HOST


def _text_or_none(value: object, name: str) -> str | None:
    if value is None or isinstance(value, str):
        return value
    raise NodeError(f"The option {name!r} must be text. Received {value!r}", "ERR_INVALID_ARG_TYPE")


def _flag_or_none(value: object) -> bool | None:
    return None if value is None else bool(value)


def _authorities(ca: object) -> tuple[bytes, ...] | None:
    """One PEM text, or several; each as text or octets."""
    if ca is None:
        return None
    given = ca if isinstance(ca, list | tuple) else [ca]
    return tuple(_pem(one) for one in given)


def _pem(one: object) -> bytes:
    if isinstance(one, str):
        return one.encode()
    if isinstance(one, bytes):
        return one
    raise NodeError(
        f"The option 'ca' must be PEM text. Received {type(one).__name__}", "ERR_INVALID_ARG_TYPE"
    )
