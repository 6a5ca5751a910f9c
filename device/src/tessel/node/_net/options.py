"""The arguments of `connect`, `(port, host, callback)` or `(options, callback)`.

Options are a mapping and keywords, which override it. The error for an unknown option names the
option that was probably meant.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tessel.errors import NodeError
from tessel.network.interface import Target, TlsOptions
from tessel.node._net.tls_options import TLS_ONLY, UNSUPPORTED_TLS_ONLY, tls_options
from tessel.node.base import arguments
from tessel.node.base.arguments import ArgumentTypeError, Callback, split_callback

DEFAULT_HOST = "127.0.0.1"
HIGHEST_PORT = 65_535
FAMILIES = (0, 4, 6)

SOCKET_OPTIONS = frozenset({"allow_half_open", "readable", "writable"})
CONNECT_OPTIONS = SOCKET_OPTIONS | {
    "port",
    "host",
    "path",
    "family",
    "timeout",
    "no_delay",
    "keep_alive",
    "keep_alive_initial_delay",
    "proxy",
    "callback",
}
"""The options of `net.connect`. `http` passes them on."""

TLS_OPTIONS = CONNECT_OPTIONS | TLS_ONLY
"""The options of `tls.connect`. `https` passes them on."""

_OF_TLS = "it is an option of tls.connect"
_OF_RADIO = "the radio chooses it"
_NO_FILES = "a device has no file descriptors"
UNSUPPORTED = {
    "local_address": _OF_RADIO,
    "local_port": _OF_RADIO,
    "hints": "names are looked up by the radio",
    "lookup": "names are looked up by the radio",
    "auto_select_family": "a radio that can tries several addresses at once",
    "auto_select_family_attempt_timeout": "a radio that can tries several addresses at once",
    "block_list": "a device has no block lists",
    "fd": _NO_FILES,
    "on_read": "listen for `data`",
    "onread": "listen for `data`",
    "signal": "call `destroy` to stop it",
}
UNSUPPORTED_OF_NET = {**UNSUPPORTED, **dict.fromkeys(TLS_ONLY, _OF_TLS)}
UNSUPPORTED_OF_TLS = {**UNSUPPORTED, **UNSUPPORTED_TLS_ONLY}


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectOptions:
    """Holds the checked options of one connection. A `timeout_ms` of 0 is no timeout."""

    target: Target
    proxy: bool = True  # False: never through the tunnel
    tls: TlsOptions = field(default_factory=TlsOptions)
    timeout_ms: float = 0
    no_delay: bool = False
    keep_alive: bool = False


def connect_arguments(
    first: object,
    rest: tuple[object, ...],
    named: Mapping[str, object],
    *,
    known: frozenset[str] = CONNECT_OPTIONS,
    where: str = "net.connect",
) -> tuple[ConnectOptions, Callback | None]:
    """Return the checked options and the callback of a call of `connect`.

    `first`, `rest` and `named` are the arguments of the call. `known` are the allowed options.
    `where` is the function's name for errors. Raises NodeError for an unknown or wrong option.
    """
    options, callback = gathered(first, rest, named, where)
    unsupported = UNSUPPORTED_OF_TLS if known is TLS_OPTIONS else UNSUPPORTED_OF_NET
    arguments.check_options(options, known, where, unsupported)
    return _parsed(options), callback


def gathered(
    first: object, rest: tuple[object, ...], named: Mapping[str, object], where: str
) -> tuple[dict[str, object], Callback | None]:
    """Return all options of a call by name, unchecked, and the callback or None.

    For the arguments see `connect_arguments`. Keywords override the mapping. Raises NodeError for
    an argument of the wrong type.
    """
    places, callback = split_callback((first, *rest), 3, where)
    options: dict[str, object] = {}
    for number, place in enumerate(places):
        if isinstance(place, Mapping):
            options.update(place)
        elif number == 0 and place is not None:
            options["port"] = place
        elif number == 1 and isinstance(place, str):
            options["host"] = place
        elif place is not None:
            raise ArgumentTypeError("host", "text", place)
    options.update(named)
    given = arguments.callback_or_none(options.pop("callback", None))
    return options, callback if given is None else given


def _parsed(options: Mapping[str, object]) -> ConnectOptions:
    if options.get("path") is not None and "port" not in options:
        raise NodeError("A device has no UNIX sockets: `port` is expected", "ERR_INVALID_ARG_VALUE")
    family = _family(options.get("family"))
    return ConnectOptions(
        target=Target(_host(options.get("host")), valid_port(options.get("port")), family),
        proxy=arguments.flag_or_none(options.get("proxy"), "options.proxy") is not False,
        tls=tls_options(options),
        timeout_ms=valid_timeout(options.get("timeout") or 0),
        no_delay=bool(options.get("no_delay")),
        keep_alive=bool(options.get("keep_alive")),
    )


def _family(value: object) -> int:
    if value is None:
        return 0
    if isinstance(value, bool) or value not in FAMILIES:
        raise arguments.ArgumentValueError("options.family", "0, 4 or 6", value)
    return int(str(value))


def valid_port(port: object) -> int:
    """Return a port, 0 to 65535, given as a number or as decimal digits; raises NodeError."""
    if isinstance(port, str) and port.isascii() and port.isdigit():
        port = int(port[: len(str(HIGHEST_PORT)) + 1])
    if isinstance(port, int) and not isinstance(port, bool) and 0 <= port <= HIGHEST_PORT:
        return port
    raise NodeError(
        f"Port should be >= 0 and <= {HIGHEST_PORT}. Received {port!r}.", "ERR_SOCKET_BAD_PORT"
    )


def valid_timeout(timeout_ms: object) -> float:
    """Return a timeout in ms that is finite and not negative; raises NodeError for other values."""
    if isinstance(timeout_ms, bool) or not isinstance(timeout_ms, int | float):
        raise ArgumentTypeError("timeout", "a number of milliseconds", timeout_ms)
    if 0 <= timeout_ms < float("inf"):
        return timeout_ms
    raise NodeError(
        f"The timeout must be a finite number of at least 0. Received {timeout_ms!r}",
        "ERR_OUT_OF_RANGE",
    )


def _host(host: object) -> str:
    return arguments.text_or_none(host, "options.host") or DEFAULT_HOST
