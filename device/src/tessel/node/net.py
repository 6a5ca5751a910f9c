"""`net`: sockets and servers in the Node manner."""

from __future__ import annotations

from collections.abc import Mapping

from tessel.node.addresses import is_ip, is_ipv4, is_ipv6
from tessel.node.options import Callback
from tessel.node.server import Server
from tessel.node.socket import Socket

__all__ = [
    "Server",
    "Socket",
    "connect",
    "create_connection",
    "create_server",
    "is_ip",
    "is_ipv4",
    "is_ipv6",
]


def connect(
    port: int | str | Mapping[str, object] | None = None, *rest: object, **options: object
) -> Socket:
    """A new socket, connecting: `(port, host="127.0.0.1", callback)` or `(options, callback)`."""
    half_open = options.get("allow_half_open")
    if half_open is None and isinstance(port, Mapping):
        half_open = port.get("allow_half_open")
    return Socket(allow_half_open=bool(half_open)).connect(port, *rest, **options)


create_connection = connect


def create_server(
    options: Mapping[str, object] | Callback | None = None,
    listener: Callback | None = None,
    *,
    allow_half_open: bool = False,
) -> Server:
    """A server; `listener` is for `connection`."""
    if callable(options):
        options, listener = None, options
    half_open = allow_half_open or bool((options or {}).get("allow_half_open"))
    return Server(listener, allow_half_open=half_open)
